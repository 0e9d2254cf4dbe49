"""From a `Request` to the body of ``/v2/chat``."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from llm_orchestrator.dialects.base import Notices, no_media, unsupported
from llm_orchestrator.dialects.fitting import pictures_apart
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.request import (
    Image,
    Media,
    Message,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)

_encode_json = msgspec.json.Encoder().encode
_JSON = {"Content-Type": "application/json"}
_CHOICES = {"none": "NONE", "required": "REQUIRED"}
_NO_FIELD = ("user", "service_tier")
_NO_MARKERS = ("a cache marker", "has no meaning here: this provider caches by itself")
_BOUNDS: dict[str, tuple[str, float, float]] = {
    "temperature": ("temperature", 0, 1),
    "top_p": ("p", 0.01, 0.99),
    "top_k": ("k", 0, 500),
    "frequency_penalty": ("frequency_penalty", 0, 1),
    "presence_penalty": ("presence_penalty", 0, 1),
}
"""Our names to those of this wire, with the least and the most that it takes."""
_BUDGETS = {"minimal": 512, "low": 2048, "medium": 8192}
"""Tokens of thinking; for more effort than that there is no limit."""
_LONGEST_TEXT = 65_536
"""Characters that can be tokenized at once."""
_PAGE = 100


def encode(request: Request, target: Candidate) -> HTTPCall:
    """The request as one POST to ``/v2/chat``."""
    notices = Notices(request, target)
    body: dict[str, Any] = {"model": target.model.id}
    body["messages"] = _messages(request.messages, target, notices)
    body["stream"] = request.stream
    _limits(body, request, target, notices)
    if request.tools:
        _tools(body, request, target, notices)
    if request.schema:
        _schema(body, request, target, notices)
    if request.extra:
        body |= request.extra
    url = root(target.provider) + (target.provider.quirks.chat_path or "/v2/chat")
    return HTTPCall(url, _encode_json(body), _JSON, notices=tuple(notices))


def root(provider: Provider) -> str:
    """The address that all versions of the API lie below."""
    return provider.base_url.removesuffix("/v2").removesuffix("/v1")


def _limits(body: dict[str, Any], request: Request, target: Candidate, notices: Notices) -> None:
    refused = target.provider.quirks.unsupported
    if request.max_tokens is not None:
        body["max_tokens"] = request.max_tokens
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.seed is not None:
        body["seed"] = request.seed
    able = target.can("sampling")
    for name, (wire_name, least, most) in _BOUNDS.items():
        value = getattr(request, name)
        if value is None:
            continue
        if not able or name in refused:
            notices.drop(name, "is not supported by this model")
            continue
        if not least <= value <= most:
            value = least if value < least else most
            notices.drop(f"a {name} beyond {value}", "was set to that, the nearest here")
        body[wire_name] = value
    for name in _NO_FIELD:
        if getattr(request, name) is not None:
            notices.drop(name)
    if request.effort is not None:
        _thinking(body, request.effort, target, notices)


def _thinking(body: dict[str, Any], effort: str, target: Candidate, notices: Notices) -> None:
    if not target.can("reasoning"):
        if effort != "none":
            notices.drop("effort", "is not supported by this model")
    elif effort == "none":
        body["thinking"] = {"type": "disabled"}
    else:
        budget = _BUDGETS.get(effort)
        body["thinking"] = {"type": "enabled"} | ({"token_budget": budget} if budget else {})


def _tools(body: dict[str, Any], request: Request, target: Candidate, notices: Notices) -> None:
    if not target.can("tools"):
        raise unsupported("tools are not supported by this model", target)
    tools, choice = request.tools, request.tool_choice
    if choice and choice.name:
        # There is no way to name one tool, but the only one that is offered is that one.
        tools = tuple(tool for tool in tools if tool.name == choice.name)
    body["tools"] = [_tool(tool) for tool in tools]
    if all(tool.strict for tool in tools):
        body["strict_tools"] = True
    elif any(tool.strict for tool in tools):
        notices.drop("strict", "of some tools only: this wire has it for all or none")
    if choice and (word := _CHOICES.get("required" if choice.name else choice.mode)):
        body["tool_choice"] = word
    if request.parallel_tool_calls is False:
        notices.drop("parallel_tool_calls")
    if any(tool.cache for tool in tools):
        notices.drop(*_NO_MARKERS)


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


def _schema(body: dict[str, Any], request: Request, target: Candidate, notices: Notices) -> None:
    schema = request.schema
    assert schema is not None  # noqa: S101 - for the type checker: the caller looked
    if target.can("schema") and not request.tools:
        body["response_format"] = {"type": "json_object", "schema": schema.schema}
        return
    why = "there is no schema mode beside tools here" if request.tools else "no schema mode here"
    notices.drop("the output schema", f"is asked for in the prompt: {why}")
    text = _encode_json(schema.schema).decode()
    rule = f"Answer with JSON only, by this JSON schema: {text}"
    body["messages"].insert(0, {"role": "system", "content": rule})


def _messages(
    messages: Sequence[Message], target: Candidate, notices: Notices
) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for message in pictures_apart(messages, notices):
        if message.name:
            notices.drop("the name of a speaker")
        if type(message.content) is str:
            out.append({"role": message.role, "content": message.content})
        else:
            out.extend(_turns(message, target, notices))
    if out and out[-1]["role"] == "assistant":
        raise unsupported("ending with an assistant turn (prefill) is not supported here", target)
    return out


def _turns(message: Message, target: Candidate, notices: Notices) -> list[dict[str, Any]]:
    """One turn of parts as one or more wire messages: tool results stand alone here."""
    results: list[dict[str, Any]] = []
    content: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for part in message.content:
        match part:
            case Text():
                content.append({"type": "text", "text": part.text})
            case Image() | Media():
                content.append(_picture(part, target))
            case ToolCall():
                function = {"name": part.name, "arguments": part.arguments}
                calls.append({"id": part.id, "type": "function", "function": function})
            case ToolResult():
                text = f"Error: {part.text}" if part.is_error else part.text
                document = {"type": "document", "document": {"data": text}}
                results.append(
                    {"role": "tool", "tool_call_id": part.call_id, "content": [document]}
                )
            case Reasoning():
                if part.signature or part.redacted or not part.text:
                    notices.drop("earlier reasoning", "of another wire cannot be sent on this one")
                else:
                    content.append({"type": "thinking", "thinking": part.text})
        if not isinstance(part, str) and part.cache:
            notices.drop(*_NO_MARKERS)
    if calls:
        turn: dict[str, Any] = {"role": "assistant", "tool_calls": calls}
        # What is said before tools are called has a field of its own.
        if plan := "".join(part.get("text") or part.get("thinking", "") for part in content):
            turn["tool_plan"] = plan
        return [*results, turn]
    return [*results, {"role": message.role, "content": _content(content)}] if content else results


def _picture(part: Image | Media, target: Candidate) -> dict[str, Any]:
    if isinstance(part, Media):
        raise no_media(target)
    if not target.can("vision"):
        raise unsupported("images are not supported by this model", target)
    image = {"url": part.url} | ({"detail": part.detail} if part.detail else {})
    return {"type": "image_url", "image_url": image}


def _content(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    if all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def list_models(provider: Provider, page: str | None) -> HTTPCall:
    """``GET /v1/models``, a hundred at a time."""
    after = f"&page_token={quote(page, safe='')}" if page else ""
    path = provider.quirks.models_path or "/v1/models"
    return HTTPCall(f"{root(provider)}{path}?page_size={_PAGE}{after}", method="GET")


def most_texts(target: Candidate) -> int:
    """How many texts one request for vectors may hold."""
    return 96


def encode_embeddings(texts: Sequence[str], target: Candidate, dimensions: int | None) -> HTTPCall:
    """The texts, as documents to be searched, as one POST to ``/v2/embed``."""
    body: dict[str, Any] = {
        "model": target.model.id,
        "texts": list(texts),
        "input_type": "search_document",
        "embedding_types": ["float"],
    }
    if dimensions:
        body["output_dimension"] = dimensions
    url = root(target.provider) + (target.provider.quirks.embeddings_path or "/v2/embed")
    return HTTPCall(url, _encode_json(body), _JSON)


def encode_count(request: Request, target: Candidate) -> HTTPCall:
    """``POST /v1/tokenize`` of all texts; tools, images and long prompts cannot be counted."""
    plain = all(
        isinstance(message.content, str) or all(isinstance(part, Text) for part in message.content)
        for message in request.messages
    )
    text = "\n".join(message.text for message in request.messages)
    if not plain or request.tools or len(text) > _LONGEST_TEXT:
        raise unsupported(
            f"an exact count of images, tools or more than {_LONGEST_TEXT} characters", target
        )
    body = {"model": target.model.id, "text": text}
    url = root(target.provider) + (target.provider.quirks.count_path or "/v1/tokenize")
    return HTTPCall(url, _encode_json(body), _JSON)
