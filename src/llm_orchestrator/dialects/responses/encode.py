"""From a `Request` to the body of Responses."""

from collections.abc import Sequence
from typing import Any

import msgspec

from llm_orchestrator.dialects.base import Notices, no_media, unsealed, unsupported
from llm_orchestrator.dialects.fitting import nearest_effort
from llm_orchestrator.dialects.openai_lists import address, renamed
from llm_orchestrator.dialects.responses.decode import WIRE
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import (
    Image,
    Media,
    Message,
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
_NO_FIELD = ("top_k", "frequency_penalty", "presence_penalty", "seed", "stop")
_NO_MARKERS = ("a cache marker", "has no meaning here: this provider caches by itself")


def encode(request: Request, target: Candidate) -> HTTPCall:
    """The request as one POST to ``/responses``."""
    notices = Notices(request, target)
    body = _prompt(request, target, notices)
    _limits(body, request, target, notices)
    if request.stream:
        body["stream"] = True
    body = renamed(body, target)
    for name, value in request.extra.items():
        # Several of our fields share an object with others: those are added to it.
        ours = body.get(name)
        both = isinstance(ours, dict) and isinstance(value, dict)
        body[name] = ours | value if both else value
    url = address(target, target.provider.quirks.chat_path or "/responses")
    return HTTPCall(url, _encode_json(body), _JSON, notices=tuple(notices))


def _prompt(request: Request, target: Candidate, notices: Notices) -> dict[str, Any]:
    """The fields that count as input."""
    body: dict[str, Any] = {"model": target.model.id}
    first = next(
        (n for n, message in enumerate(request.messages) if message.role != "system"),
        len(request.messages),
    )
    rules = [message.text for message in request.messages[:first]]
    if request.schema and (rule := _schema(body, request, target, notices)):
        rules.append(rule)
    if rules:
        body["instructions"] = "\n\n".join(rules)
    body["input"] = _input(request.messages[first:], target, notices)
    if request.tools:
        _tools(body, request, target, notices)
    return body


def _limits(body: dict[str, Any], request: Request, target: Candidate, notices: Notices) -> None:
    """Everything beside the prompt: what the target does not take is dropped and said."""
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

    sampling = target.can("sampling")
    put("max_output_tokens", request.max_tokens)
    put("temperature", request.temperature, able=sampling)
    put("top_p", request.top_p, able=sampling)
    put("user", request.user)
    put("service_tier", request.service_tier)
    for name in _NO_FIELD:
        if getattr(request, name) not in {None, ()}:
            notices.drop(name)
    thinks = target.model.abilities is not None and "reasoning" in target.model.abilities
    if request.effort is not None:
        able = target.can("reasoning")
        effort = nearest_effort(request.effort, target, notices) if able else request.effort
        put("reasoning", {"effort": effort}, able=able)
    if "store" not in refused:
        body["store"] = False
    if thinks and "include" not in refused:
        body["include"] = ["reasoning.encrypted_content"]


def _schema(
    body: dict[str, Any], request: Request, target: Candidate, notices: Notices
) -> str | None:
    """Put the output schema in; the rule that the prompt must hold where there is no mode."""
    schema, how = request.schema, target.provider.quirks.schema
    assert schema is not None  # noqa: S101 - for the type checker: the caller looked
    if how == "json_schema" and target.can("schema"):
        body["text"] = {
            "format": {
                "type": "json_schema",
                "name": schema.name,
                "schema": schema.schema,
                "strict": True,
            }
        }
        return None
    if how == "json_object":
        body["text"] = {"format": {"type": "json_object"}}
    notices.drop("the output schema", "is asked for in the prompt: the model has no schema mode")
    return f"Answer with JSON only, by this JSON schema: {_encode_json(schema.schema).decode()}"


def _tools(body: dict[str, Any], request: Request, target: Candidate, notices: Notices) -> None:
    if not target.can("tools"):
        raise unsupported("tools are not supported by this model", target)
    quirks = target.provider.quirks
    body["tools"] = [_tool(tool) for tool in request.tools]
    if choice := request.tool_choice:
        word = "named" if choice.name else choice.mode
        if word in quirks.tool_choices and "tool_choice" not in quirks.unsupported:
            body["tool_choice"] = _tool_choice(choice)
        elif word != "auto":
            notices.drop(f"tool_choice {choice.name or word}", "cannot be asked for here")
    if request.parallel_tool_calls is not None:
        if "parallel_tool_calls" in quirks.unsupported:
            notices.drop("parallel_tool_calls", "has no meaning here")
        else:
            body["parallel_tool_calls"] = request.parallel_tool_calls
    if any(tool.cache for tool in request.tools):
        notices.drop(*_NO_MARKERS)


def _tool(tool: Tool) -> dict[str, Any]:
    out: dict[str, Any] = {"type": "function", "name": tool.name}
    if tool.description:
        out["description"] = tool.description
    # Left out, this wire takes a tool as strict.
    return out | {"parameters": tool.parameters, "strict": tool.strict}


def _tool_choice(choice: ToolChoice) -> str | dict[str, Any]:
    return {"type": "function", "name": choice.name} if choice.name else choice.mode


def _input(
    messages: Sequence[Message], target: Candidate, notices: Notices
) -> list[dict[str, Any]]:
    """The turns as items; thoughts, tool calls and their results stand alone here."""
    out: list[dict[str, Any]] = []
    for message in messages:
        if message.name:
            notices.drop("the name of a speaker")
        role = target.provider.quirks.system_role if message.role == "system" else message.role
        if isinstance(message.content, str):
            out.append({"role": role, "content": message.content})
            continue
        said: list[dict[str, Any]] = []
        for part in message.content:
            if isinstance(part, Text | Image):
                said.append(_content(part, target))
            elif item := _item(part, target, notices):
                out += [*_turn(role, said), item]
                said = []
            if part.cache:
                notices.drop(*_NO_MARKERS)
        out += _turn(role, said)
    return out


def _turn(role: str, content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not content:
        return []
    if all(part["type"] == "input_text" for part in content):
        return [{"role": role, "content": "".join(part["text"] for part in content)}]
    return [{"role": role, "content": content}]


def _content(part: Text | Image, target: Candidate) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    if not target.can("vision"):
        raise unsupported("images are not supported by this model", target)
    return {"type": "input_image", "image_url": part.url, "detail": part.detail or "auto"}


def _item(
    part: Media | ToolCall | ToolResult | Reasoning, target: Candidate, notices: Notices
) -> dict[str, Any] | None:
    match part:
        case Media():
            raise no_media(target)
        case ToolCall():
            call = {"type": "function_call", "call_id": part.id, "name": part.name}
            return call | {"arguments": part.arguments}
        case ToolResult():
            output: str | list[dict[str, Any]] = (
                f"Error: {part.text}" if part.is_error else part.text
            )
            if not isinstance(part.content, str) and part.images:
                output = [_content(one, target) for one in part.content]
            return {"type": "function_call_output", "call_id": part.call_id, "output": output}
        case Reasoning() if signature := unsealed(part.signature, WIRE):
            name, _, content = signature.partition(".")
            summary = [{"type": "summary_text", "text": part.text}] if part.text else []
            item = {"type": "reasoning", "id": name, "summary": summary}
            return item | {"encrypted_content": content}
    notices.drop("earlier reasoning", "of another wire cannot be sent on this one")
    return None


def encode_count(request: Request, target: Candidate) -> HTTPCall:
    """``POST /responses/input_tokens`` where there is one: the prompt, without its limits."""
    if not target.provider.quirks.count_path:
        raise unsupported("an exact count of input tokens is not offered here", target)
    body = _prompt(request, target, Notices(request, target))
    url = address(target, target.provider.quirks.count_path)
    return HTTPCall(url, _encode_json(body), _JSON)
