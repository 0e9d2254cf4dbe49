"""Every wire of the simulator, so that one test can be run on all of them."""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from llm_orchestrator.simulator import Simulator

from .conftest import HELLO
from .raw import Seen, post

PROMPT = HELLO[0]["content"]


@dataclass(frozen=True)
class Wire:
    """How to ask on one wire, and how to read what comes back.

    `path` takes the model and whether to stream; `body` also takes the token limit. `statuses`
    and `good` are the faults whose status is the provider's own, or a good reply.
    """

    name: str
    provider: str
    path: Callable[[str, bool], str]
    body: Callable[[str, bool, int], dict[str, Any]]
    said: Callable[[bytes, bool], str]
    statuses: dict[str, int] = field(default_factory=dict)
    marker: bytes = b""  # ends a stream
    usage: bytes = b""  # is in a stream with usage

    async def send(
        self, sim: Simulator, key: str, model: str, *, stream: bool = False, limit: int = 500
    ) -> Seen:
        return await post(sim, self.path(model, stream), self.body(model, stream, limit), key)


def events(body: bytes) -> list[Any]:
    """The JSON of server-sent events; what is no JSON is skipped."""
    found = []
    for line in body.replace(b"\r\n", b"\n").split(b"\n"):
        if line.startswith(b"data: "):
            try:
                event = json.loads(line[6:])
            except ValueError:
                continue
            if isinstance(event, dict):
                found.append(event)
    return found


def _chat_said(body: bytes, stream: bool) -> str:
    if not stream:
        return json.loads(body)["choices"][0]["message"]["content"] or ""
    choices = [event["choices"][0] for event in events(body) if event.get("choices")]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def _messages_said(body: bytes, stream: bool) -> str:
    if not stream:
        return "".join(block["text"] for block in json.loads(body)["content"])
    return "".join(event.get("delta", {}).get("text", "") for event in events(body))


def _responses_said(body: bytes, stream: bool) -> str:
    if stream:
        return "".join(e["delta"] for e in events(body) if e["type"].endswith("_text.delta"))
    items = json.loads(body)["output"]
    return "".join(part["text"] for item in items for part in item["content"])


def _responses_body(model: str, stream: bool, limit: int) -> dict[str, Any]:
    return {"model": model, "input": PROMPT, "max_output_tokens": limit, "stream": stream}


def _gemini_said(body: bytes, stream: bool) -> str:
    said = ""
    for piece in events(body) if stream else [json.loads(body)]:
        for candidate in piece.get("candidates", []):
            said += "".join(part["text"] for part in candidate["content"].get("parts", []))
    return said


def _gemini_array_said(body: bytes, stream: bool) -> str:
    if not stream:
        return _gemini_said(body, stream)
    text = body.decode().rstrip()
    pieces = json.loads(text if text.endswith("]") else text.rstrip(",") + "]")
    return "".join(_gemini_said(json.dumps(piece).encode(), False) for piece in pieces)


def _gemini_path(prefix: str, suffix: str) -> Callable[[str, bool], str]:
    def path(model: str, stream: bool) -> str:
        method = f"streamGenerateContent{suffix}" if stream else "generateContent"
        return f"{prefix}/models/{model}:{method}"

    return path


def _gemini_body(model: str, stream: bool, limit: int) -> dict[str, Any]:
    contents = [{"role": "user", "parts": [{"text": PROMPT}]}]
    return {"contents": contents, "generationConfig": {"maxOutputTokens": limit}}


def aws_events(body: bytes) -> list[tuple[str, Any]]:
    """Kind and payload of the whole frames of an event stream."""
    found = []
    while len(body) >= 16:
        total, head = struct.unpack(">II", body[:8])
        if total > len(body):
            break
        names, at = {}, 12
        while at < 12 + head:
            name = body[at + 1 : at + 1 + body[at]]
            at += len(name) + 2
            (size,) = struct.unpack(">H", body[at : at + 2])
            names[name.decode()] = body[at + 2 : at + 2 + size].decode()
            at += 2 + size
        kind = names.get(":event-type") or names[":exception-type"]
        found.append((kind, json.loads(body[12 + head : total - 4])))
        body = body[total:]
    return found


def _converse_said(body: bytes, stream: bool) -> str:
    if stream:
        return "".join(event.get("delta", {}).get("text", "") for _, event in aws_events(body))
    content = json.loads(body)["output"]["message"]["content"]
    return "".join(block["text"] for block in content)


def _cohere_said(body: bytes, stream: bool) -> str:
    if not stream:
        content = json.loads(body)["message"].get("content", [])
        return "".join(part["text"] for part in content)
    said = ""
    for event in events(body):
        if event["type"] == "content-delta":
            said += event["delta"]["message"]["content"]["text"]
    return said


def _converse_body(model: str, stream: bool, limit: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": PROMPT}]}]
    return {"messages": messages, "inferenceConfig": {"maxTokens": limit}}


def _chat_body(model: str, stream: bool, limit: int) -> dict[str, Any]:
    body = {"model": model, "messages": HELLO, "max_tokens": limit, "stream": stream}
    return body | ({"stream_options": {"include_usage": True}} if stream else {})


def _compat_body(model: str, stream: bool, limit: int) -> dict[str, Any]:
    return {"model": model, "messages": HELLO, "max_tokens": limit, "stream": stream}


def _mistral_said(body: bytes, stream: bool) -> str:
    if stream:
        return _chat_said(body, stream)
    content = json.loads(body)["choices"][0]["message"]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


def _vertex_messages_body(model: str, stream: bool, limit: int) -> dict[str, Any]:
    body = _messages_body(model, stream, limit) | {"anthropic_version": "vertex-2023-10-16"}
    del body["model"]
    return body


def _claude_path(model: str, stream: bool) -> str:
    method = "streamRawPredict" if stream else "rawPredict"
    return f"{_PLACE}/publishers/anthropic/models/{model}:{method}"


def _compat(
    provider: str,
    path: str,
    statuses: dict[str, int],
    marker: bytes = b"data: [DONE]",
    usage: bytes = b'"prompt_tokens"',
) -> Wire:
    return Wire(
        f"{provider}.chat",
        provider,
        lambda model, stream: path,
        _chat_body if provider == "deepinfra" else _compat_body,
        _mistral_said if provider == "mistral" else _chat_said,
        {"overloaded": 503} | statuses,
        marker,
        usage,
    )


def _messages_body(model: str, stream: bool, limit: int) -> dict[str, Any]:
    return {"model": model, "messages": HELLO, "max_tokens": limit, "stream": stream}


_GEMINI: dict[str, Any] = {
    "body": _gemini_body,
    "statuses": {"overloaded": 503, "content-filter": 200},
    "usage": b'"promptTokenCount"',
}
_PLACE = "/vertex/v1beta1/projects/p/locations/us-central1"
_VERTEX = f"{_PLACE}/publishers/google"

WIRES = {
    wire.name: wire
    for wire in (
        Wire(
            "openai.chat",
            "openai",
            lambda model, stream: "/openai/v1/chat/completions",
            _chat_body,
            _chat_said,
            {"overloaded": 503},
            b"data: [DONE]",
            b'"prompt_tokens"',
        ),
        Wire(
            "openai.responses",
            "openai",
            lambda model, stream: "/openai/v1/responses",
            _responses_body,
            _responses_said,
            {"overloaded": 503},
            b"event: response.completed",
            b'"output_tokens"',
        ),
        Wire(
            "anthropic.messages",
            "anthropic",
            lambda model, stream: "/anthropic/v1/messages",
            _messages_body,
            _messages_said,
            {},
            b"event: message_stop",
            b'"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage"',
        ),
        Wire(
            "gemini.generate",
            "gemini",
            _gemini_path("/gemini/v1beta", "?alt=sse"),
            said=_gemini_said,
            marker=b'"finishReason"',
            **_GEMINI,
        ),
        Wire(
            "gemini.generate array",
            "gemini",
            _gemini_path("/gemini/v1", ""),
            said=_gemini_array_said,
            marker=b'"finishReason"',
            **_GEMINI,
        ),
        Wire(
            "vertex.generate",
            "vertex",
            _gemini_path(_VERTEX, "?alt=sse"),
            said=_gemini_said,
            marker=b'"finishReason"',
            **_GEMINI,
        ),
        Wire(
            "bedrock.converse",
            "bedrock",
            lambda model, stream: f"/bedrock/model/{model}/converse{'-stream' if stream else ''}",
            _converse_body,
            _converse_said,
            {"overloaded": 503},
            b"messageStop",
            b'"inputTokens"',
        ),
        Wire(
            "cohere.chat",
            "cohere",
            lambda model, stream: "/cohere/v2/chat",
            _messages_body,
            _cohere_said,
            {"overloaded": 503, "quota": 402},
            b"event: message-end",
            b'"billed_units"',
        ),
        _compat("groq", "/groq/openai/v1/chat/completions", {}),
        _compat("mistral", "/mistral/v1/chat/completions", {"quota": 402}),
        _compat("together", "/together/v1/chat/completions", {"quota": 402}),
        _compat("perplexity", "/perplexity/chat/completions", {"quota": 401}, b"end_of_stream"),
        _compat(
            "openrouter",
            "/openrouter/api/v1/chat/completions",
            {"quota": 402, "content-filter": 403, "overloaded": 529},
        ),
        _compat("deepinfra", "/deepinfra/v1/openai/chat/completions", {"quota": 402}),
        Wire(
            "vertex.messages",
            "vertex",
            _claude_path,
            _vertex_messages_body,
            _messages_said,
            {},
            b"event: message_stop",
            b'"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage"',
        ),
        Wire(
            "vertex.chat",
            "vertex",
            lambda model, stream: f"{_PLACE}/endpoints/openapi/chat/completions",
            _chat_body,
            _chat_said,
            {"overloaded": 503},
            b"data: [DONE]",
            b'"prompt_tokens"',
        ),
        Wire(
            "azure.chat",
            "azure",
            lambda model, stream: "/azure/openai/v1/chat/completions",
            _chat_body,
            _chat_said,
            {"overloaded": 503},
            b"data: [DONE]",
            b'"prompt_tokens"',
        ),
        Wire(
            "perplexity.responses",
            "perplexity",
            lambda model, stream: "/perplexity/v1/responses",
            _responses_body,
            _responses_said,
            {"quota": 401, "overloaded": 503},
            b"event: response.completed",
            b'"total_cost"',
        ),
    )
}
