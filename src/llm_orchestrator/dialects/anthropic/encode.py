"""From a `Request` to the body of Messages."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from llm_orchestrator.dialects.anthropic.thinking import thinking
from llm_orchestrator.dialects.base import (
    Notices,
    data_url,
    no_media,
    raw_json,
    unsealed,
    unsupported,
)
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.request import (
    CacheTTL,
    Image,
    Media,
    Message,
    Part,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

SAMPLING_VERSION = "2023-06-01"
"""The version that still takes sampling parameters; later ones refuse even default values."""
DEFAULT_MAX_TOKENS = 4096

_encode_json = msgspec.json.Encoder().encode
_MODES = {"auto": "auto", "none": "none", "required": "any"}
_NO_FIELD = ("seed", "frequency_penalty", "presence_penalty")


def encode(request: Request, target: Candidate) -> HTTPCall:
    """The request as one POST to ``/messages``."""
    notices = Notices(request, target)
    version = target.provider.quirks.version or SAMPLING_VERSION
    body = _prompt(request, target, notices)
    # The wire requires a limit; the model's own is the neutral choice.
    body["max_tokens"] = request.max_tokens or target.model.max_output or DEFAULT_MAX_TOKENS
    if request.stop:
        if stops := [stop for stop in request.stop if stop.strip()]:
            body["stop_sequences"] = stops
        if len(stops) < len(request.stop):
            notices.drop("a stop sequence of white space")
    thinks = thinking(body, request, target, notices)
    if _sampling(body, request, target, notices, thinks=thinks):
        version = SAMPLING_VERSION
    if request.user:
        body["metadata"] = {"user_id": request.user}
    if request.service_tier:
        body["service_tier"] = request.service_tier
    for name in _NO_FIELD:
        if getattr(request, name) is not None:
            notices.drop(name)
    if request.stream:
        body["stream"] = True
    if request.extra:
        body |= request.extra
    headers = {"Content-Type": "application/json", "anthropic-version": version}
    path = target.provider.quirks.chat_path or "/messages"
    if target.provider.quirks.version_in_body:
        headers = _moved(body, target)
        path = path.replace("{model}", quote(target.model.id, safe="@"))
        path = path.replace("{method}", "streamRawPredict" if request.stream else "rawPredict")
    url = target.provider.base_url + path
    return HTTPCall(url, _encode_json(body), headers, notices=tuple(notices))


def _moved(body: dict[str, Any], target: Candidate) -> dict[str, str]:
    """Put the version into the body instead of the headers, which are left; drop the model."""
    del body["model"]
    body["anthropic_version"] = target.provider.quirks.version
    return {"Content-Type": "application/json"}


def _prompt(request: Request, target: Candidate, notices: Notices) -> dict[str, Any]:
    """The fields that count as input: model, messages, system, tools and schema."""
    body: dict[str, Any] = {"model": target.model.id}
    body["messages"] = _messages(request.messages, target, notices)
    if system := _system(request.messages):
        body["system"] = system
    if request.tools:
        if not target.can("tools"):
            raise unsupported("tools are not supported by this model", target)
        body["tools"] = [_tool(tool) for tool in request.tools]
        if any(tool.strict for tool in request.tools):
            notices.drop("strict", "of a tool is not enforced on this wire")
        if choice := _tool_choice(request.tool_choice, parallel=request.parallel_tool_calls):
            body["tool_choice"] = choice
    if request.schema:
        if target.can("schema"):
            schema = {"type": "json_schema", "schema": request.schema.schema}
            body["output_config"] = {"format": schema}
        else:
            notices.drop("the output schema", "is asked for in the prompt: no schema mode here")
            text = _encode_json(request.schema.schema).decode()
            rule = {"type": "text", "text": f"Answer with JSON only, by this JSON schema: {text}"}
            earlier = body.get("system", [])
            if isinstance(earlier, str):
                earlier = [{"type": "text", "text": earlier}]
            body["system"] = [*earlier, rule]
    return body


def _sampling(
    body: dict[str, Any], request: Request, target: Candidate, notices: Notices, *, thinks: bool
) -> bool:
    """Whether any sampling parameter was put in."""
    asked = {
        name: value
        for name in ("temperature", "top_p", "top_k")
        if (value := getattr(request, name)) is not None
    }
    if not asked:
        return False
    if not target.can("sampling") or thinks:
        why = "cannot be combined with thinking" if thinks else "is not supported by this model"
        for name in asked:
            notices.drop(name, why)
        return False
    if asked.get("temperature", 0) > 1:
        notices.drop("a temperature above 1", "was lowered to 1, the most this wire takes")
        asked["temperature"] = 1
    body |= asked
    return True


def _system(messages: Sequence[Message]) -> str | list[dict[str, Any]]:
    """All system turns as the one system prompt of this wire."""
    turns = [message for message in messages if message.role == "system"]
    if not turns:
        return ""
    if len(turns) == 1 and isinstance(turns[0].content, str):
        return turns[0].content
    blocks: list[dict[str, Any]] = []
    for turn in turns:
        if isinstance(turn.content, str):
            blocks.append({"type": "text", "text": turn.content})
        else:
            blocks += [
                _marked({"type": "text", "text": part.text}, part.cache)
                for part in turn.content
                if isinstance(part, Text)
            ]
    return blocks


def _messages(
    messages: Sequence[Message], target: Candidate, notices: Notices
) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    spoken = False
    for message in messages:
        if message.role == "system":
            if spoken:
                notices.drop("a later system turn", "was moved to the front")
            continue
        spoken = True
        if message.name:
            notices.drop("the name of a speaker")
        if type(message.content) is tuple and any(map(_has_detail, message.content)):
            notices.drop("the detail of an image")
        role = "user" if message.role == "tool" else message.role
        content = _content(message, target, notices)
        if not content and isinstance(message.content, tuple):
            continue  # it held nothing but what was left out
        if out and out[-1]["role"] == role:
            # Tool results of one turn belong into one user message.
            out[-1]["content"] = _as_blocks(out[-1]["content"]) + _as_blocks(content)
        else:
            out.append({"role": role, "content": content})
    if out and out[-1]["role"] == "assistant" and not target.can("prefill"):
        raise unsupported("ending with an assistant turn (prefill) is not supported here", target)
    return out


def _has_detail(part: Part) -> bool:
    return isinstance(part, Image) and part.detail is not None


def _as_blocks(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _content(message: Message, target: Candidate, notices: Notices) -> str | list[dict[str, Any]]:
    if isinstance(message.content, str):
        return message.content
    blocks: list[dict[str, Any]] = []
    for part in message.content:
        if isinstance(part, Text) and not part.text:
            continue  # this wire refuses empty texts
        if not isinstance(part, Reasoning) or part.redacted or unsealed(part.signature):
            blocks.append(_marked(_block(part, target), part.cache))
        elif part.text:  # without one it is another wire's signature, which says nothing
            notices.drop("earlier reasoning", "is not this model's own and was left out")
    return blocks


def _marked(block: dict[str, Any], cache: CacheTTL | None) -> dict[str, Any]:
    if cache:
        # The five minutes are the default of this wire and go without saying.
        block["cache_control"] = {"type": "ephemeral"} | ({"ttl": "1h"} if cache == "1h" else {})
    return block


def _block(part: Part, target: Candidate) -> dict[str, Any]:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Image():
            if not target.can("vision"):
                raise unsupported("images are not supported by this model", target)
            if found := data_url(part.url):
                source = {"type": "base64", "media_type": found[0], "data": found[1]}
            else:
                source = {"type": "url", "url": part.url}
            return {"type": "image", "source": source}
        case Media():
            raise no_media(target)
        case ToolCall():
            tool = {"type": "tool_use", "id": part.id, "name": part.name}
            return tool | {"input": raw_json(part.arguments)}
        case ToolResult():
            content = part.content
            result = {
                "type": "tool_result",
                "tool_use_id": part.call_id,
                "content": content
                if isinstance(content, str)
                else [_marked(_block(one, target), one.cache) for one in content],
            }
            return result | ({"is_error": True} if part.is_error else {})
        case Reasoning(redacted=str() as data):
            return {"type": "redacted_thinking", "data": data}
        case Reasoning():
            signature = unsealed(part.signature)
            return {"type": "thinking", "thinking": part.text, "signature": signature}


def _tool(tool: Tool) -> dict[str, Any]:
    out: dict[str, Any] = {"name": tool.name}
    if tool.description:
        out["description"] = tool.description
    out["input_schema"] = tool.parameters or {"type": "object", "properties": {}}
    return _marked(out, tool.cache)


def _tool_choice(choice: ToolChoice | None, *, parallel: bool | None) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if choice and choice.name:
        out = {"type": "tool", "name": choice.name}
    elif choice:
        out = {"type": _MODES[choice.mode]}
    if parallel is False:
        out = (out or {"type": "auto"}) | {"disable_parallel_tool_use": True}
    return out


def _headers(provider: Provider) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "anthropic-version": provider.quirks.version or SAMPLING_VERSION,
    }


def list_models(provider: Provider, page: str | None) -> HTTPCall:
    """``GET /models``, a thousand at a time; ``page`` is the last id of the page before."""
    after = f"&after_id={quote(page, safe='')}" if page else ""
    path = provider.quirks.models_path or "/models"
    url = f"{provider.base_url}{path}?limit=1000{after}"
    return HTTPCall(url, b"", _headers(provider), method="GET")


def most_texts(target: Candidate) -> int:
    """How many texts one request for vectors may hold: there are none on this wire."""
    return 1


def encode_embeddings(texts: Sequence[str], target: Candidate, dimensions: int | None) -> HTTPCall:
    """Not on this wire."""
    raise unsupported("embeddings are not offered by this provider", target)


def encode_count(request: Request, target: Candidate) -> HTTPCall:
    """``POST /messages/count_tokens``: the body of a request without its limits."""
    body = _prompt(request, target, Notices(request, target))
    url = target.provider.base_url + (target.provider.quirks.count_path or "/messages/count_tokens")
    headers = _headers(target.provider)
    if target.provider.quirks.version_in_body:  # the path names no model here
        headers = _moved(body, target)
        body["model"] = target.model.id
    return HTTPCall(url, _encode_json(body), headers)
