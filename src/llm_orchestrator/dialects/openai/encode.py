"""From a `Request` to the body of Chat Completions."""

from collections.abc import Sequence
from typing import Any

import msgspec

from llm_orchestrator.dialects.base import Notices, no_media, unsealed, unsupported
from llm_orchestrator.dialects.fitting import nearest_effort, pictures_apart, short_id
from llm_orchestrator.dialects.openai.details import FIELD, returned
from llm_orchestrator.dialects.openai_lists import address, renamed
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import (
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

_encode_json = msgspec.json.Encoder().encode
_JSON = {"Content-Type": "application/json"}

_SAMPLING = ("temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty")
_NO_MARKERS = ("a cache marker", "has no meaning here: this provider caches by itself")
_PLAIN = ("seed", "user", "service_tier")


def encode(request: Request, target: Candidate) -> HTTPCall:
    """The request as one POST to ``/chat/completions``."""
    notices = Notices(request, target)
    quirks = target.provider.quirks
    body: dict[str, Any] = {"model": target.model.id}
    turns = body["messages"] = _messages(request.messages, target, notices)
    if quirks.prefill and turns and turns[-1]["role"] == "assistant":
        turns[-1][quirks.prefill] = True
    _limits(body, request, target, notices)
    if request.tools:
        _tools(body, request, target, notices)
    if request.schema:
        _schema(body, request, target, notices)
    if request.stream:
        body["stream"] = True
        if quirks.stream_usage and "stream_options" not in quirks.unsupported:
            body["stream_options"] = {"include_usage": True}
    body = renamed(body, target)
    if request.extra:
        if request.extra.get("n") not in (None, 1):
            raise InvalidRequestError("extra: n must be 1, as a reply holds one answer: call again")
        body |= request.extra
    url = address(target, quirks.chat_path or "/chat/completions")
    return HTTPCall(url, _encode_json(body), _JSON, notices=tuple(notices))


def _limits(body: dict[str, Any], request: Request, target: Candidate, notices: Notices) -> None:
    """Sampling, stop, effort and the like: what the target does not take is dropped and said."""
    refused = target.provider.quirks.unsupported

    def put(name: str, value: Any, *, able: bool = True) -> None:
        if value is None:
            return
        if name in refused or not able:
            notices.drop(
                name, "is not supported by this model" if not able else "has no meaning here"
            )
        else:
            body[name] = value

    if request.max_tokens is not None:
        body[target.provider.quirks.max_tokens] = request.max_tokens
    if request.temperature is not None or request.top_p is not None or request.top_k is not None:
        able = target.can("sampling")
        for name in _SAMPLING[:3]:
            put(name, getattr(request, name), able=able)
    if request.frequency_penalty is not None or request.presence_penalty is not None:
        able = target.can("sampling")
        for name in _SAMPLING[3:]:
            put(name, getattr(request, name), able=able)
    if request.stop:
        put("stop", list(request.stop), able=target.can("sampling"))
    if request.effort is not None:
        able = target.can("reasoning")
        effort = nearest_effort(request.effort, target, notices) if able else request.effort
        put("reasoning_effort", effort, able=able)
    for name in _PLAIN:
        put(name, getattr(request, name))


def _tools(body: dict[str, Any], request: Request, target: Candidate, notices: Notices) -> None:
    if not target.can("tools"):
        raise unsupported("tools are not supported by this model", target)
    body["tools"] = [_tool(tool) for tool in request.tools]
    if choice := request.tool_choice:
        word = "named" if choice.name else choice.mode
        if word in target.provider.quirks.tool_choices:
            body["tool_choice"] = _tool_choice(choice)
        else:
            notices.drop(f"tool_choice {choice.name or word}", "cannot be asked for here")
    if any(tool.cache for tool in request.tools):
        notices.drop(*_NO_MARKERS)
    if request.parallel_tool_calls is None:
        return
    if "parallel_tool_calls" in target.provider.quirks.unsupported:
        notices.drop("parallel_tool_calls", "has no meaning here")
    else:
        body["parallel_tool_calls"] = request.parallel_tool_calls


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    if tool.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _tool_choice(choice: ToolChoice) -> str | dict[str, Any]:
    if choice.name:
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def _schema(body: dict[str, Any], request: Request, target: Candidate, notices: Notices) -> None:
    schema = request.schema
    assert schema is not None  # noqa: S101 - for the type checker: the caller looked
    how, why = target.provider.quirks.schema, "the model has no schema mode"
    if not target.can("schema"):
        how = "prompt"
    for name in target.provider.quirks.schema_without:
        if getattr(request, name, None):
            how, why = "prompt", f"there is no schema mode with {name} here"
    if how == "json_schema":
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": schema.name, "schema": schema.schema, "strict": True},
        }
        return
    if how == "json_object":
        body["response_format"] = {"type": "json_object"}
    notices.drop("the output schema", f"is asked for in the prompt: {why}")
    text = _encode_json(schema.schema).decode()
    rule = f"Answer with JSON only, by this JSON schema: {text}"
    body["messages"].insert(0, {"role": target.provider.quirks.system_role, "content": rule})


def _messages(
    messages: Sequence[Message], target: Candidate, notices: Notices
) -> list[dict[str, Any]]:
    system_role = target.provider.quirks.system_role
    out: list[dict[str, Any]] = []
    for message in pictures_apart(messages, notices):
        role = system_role if message.role == "system" else message.role
        if type(message.content) is str:
            turn: dict[str, Any] = {"role": role, "content": message.content}
            if message.name and "name" in target.provider.quirks.unsupported:
                notices.drop("the name of a speaker")
            elif message.name:
                turn["name"] = message.name
            out.append(turn)
        else:
            out.extend(_turns(message, role, target, notices))
    return out


def _turns(
    message: Message, role: str, target: Candidate, notices: Notices
) -> list[dict[str, Any]]:
    """One turn of parts as one or more wire messages: tool results stand alone here."""
    digits = target.provider.quirks.call_ids

    def mine(call_id: str) -> str:
        return short_id(call_id, digits) if digits else call_id

    details = _thoughts(message.content, target, notices)
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
                calls.append({"id": mine(part.id), "type": "function", "function": function})
            case ToolResult():
                text = f"Error: {part.text}" if part.is_error else part.text
                results.append(
                    {"role": "tool", "tool_call_id": mine(part.call_id), "content": text}
                )
        if not isinstance(part, str) and part.cache:
            notices.drop(*_NO_MARKERS)
    if not (content or calls):
        return results
    turn: dict[str, Any] = {"role": role, "content": _content(content)}
    if calls:
        turn["tool_calls"] = calls
    if details:
        turn[FIELD] = details
    return [*results, turn]


def _thoughts(parts: Sequence[Part | str], target: Candidate, notices: Notices) -> list[Any]:
    """What a router gets back of earlier thoughts; elsewhere they are dropped."""
    thoughts = [part for part in parts if isinstance(part, Reasoning)]
    if not thoughts:
        return []
    details = returned(thoughts) if target.provider.quirks.reasoning_details else []
    if not (details and all(unsealed(part.signature, FIELD) for part in thoughts)):
        notices.drop("earlier reasoning", "cannot be sent back on this wire")
    return details


def _picture(part: Image | Media, target: Candidate) -> dict[str, Any]:
    if isinstance(part, Media):
        raise no_media(target)
    if not target.can("vision"):
        raise unsupported("images are not supported by this model", target)
    image = {"url": part.url} | ({"detail": part.detail} if part.detail else {})
    return {"type": "image_url", "image_url": image}


def _content(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]] | None:
    """Text alone goes as a plain string, which every compatible server accepts."""
    if not parts:
        return None
    if all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def encode_count(request: Request, target: Candidate) -> HTTPCall:
    """The prompt as input items of Responses; plain text turns and tools only."""
    if not target.provider.quirks.count_path:
        raise unsupported("an exact count of input tokens is not offered here", target)
    items: list[dict[str, Any]] = []
    for message in request.messages:
        if not isinstance(message.content, str) and any(
            not isinstance(part, Text) for part in message.content
        ):
            raise unsupported("an exact count of images and tool turns", target)
        items.append({"role": message.role, "content": message.text})
    body: dict[str, Any] = {"model": target.model.id, "input": items}
    if request.tools:
        body["tools"] = [{"type": "function", **_tool(tool)["function"]} for tool in request.tools]
    url = address(target, target.provider.quirks.count_path)
    return HTTPCall(url, _encode_json(body), _JSON)
