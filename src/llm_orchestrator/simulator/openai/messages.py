"""Messages of the chat wire: checked one by one, then read as turns and prompt segments."""

from __future__ import annotations

import re
from typing import Any, Literal

from llm_orchestrator.simulator import images, tokens
from llm_orchestrator.simulator.ask import Segment, ToolCall, ToolResult, Turn
from llm_orchestrator.simulator.jsonschema import word
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.openai.errors import invalid

_ROLES: dict[str, Literal["system", "user", "assistant", "tool"]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_PER_MESSAGE = 3  # tokens that wrap each message


def read(messages: Any, model: Model) -> tuple[list[Turn], list[Segment]]:
    """All messages, or a Refusal that names the first wrong one."""
    if not isinstance(messages, list):
        raise invalid("Invalid type for 'messages': expected an array.", "messages", "invalid_type")
    if not messages:
        raise invalid(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an "
            "empty array instead.",
            "messages",
            "empty_array",
        )
    turns, segments = [], []
    for number, message in enumerate(messages):
        turn, part = _message(message, f"messages[{number}]", model)
        turns.append(turn)
        segments.append(part)
    _check_tools(turns)
    return turns, segments


def _message(message: Any, where: str, model: Model) -> tuple[Turn, Segment]:
    if not isinstance(message, dict):
        raise invalid(f"Invalid type for '{where}': expected an object.", where, "invalid_type")
    role = word(message.get("role"))
    if role is None:
        raise invalid(
            f"Missing required parameter: '{where}.role'.",
            f"{where}.role",
            "missing_required_parameter",
        )
    if role not in _ROLES:
        raise invalid(
            f"Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', "
            "'function', 'tool', and 'developer'.",
            f"{where}.role",
            "invalid_value",
        )
    turn = Turn(_ROLES[role])
    calls = message.get("tool_calls")
    if role == "assistant" and calls is not None:
        if not isinstance(calls, list) or not calls:
            raise invalid(f"Invalid '{where}.tool_calls': empty array.", where, "empty_array")
        turn.calls = [_call(c, f"{where}.tool_calls[{n}]") for n, c in enumerate(calls)]
    content = message.get("content")
    size = _PER_MESSAGE
    if content is None:
        if role != "assistant" or not (turn.calls or message.get("refusal")):
            raise invalid(
                f"Invalid value for 'content': expected a string, got null. ({where})",
                f"{where}.content",
                "invalid_type",
            )
    else:
        turn.text, turn.images, pictures = _content(content, role, f"{where}.content", model)
        size += pictures
    if role in {"tool", "function"}:
        turn.results = [ToolResult(str(message.get("tool_call_id", "")), turn.text)]
    called = "".join(call.name + call.arguments for call in turn.calls)
    text = f"{role}\n{turn.text}{called}"
    return turn, Segment(text, size + tokens.count(turn.text) + tokens.count(called))


def _call(call: Any, where: str) -> ToolCall:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(call.get("id"), str):
        raise invalid(f"Invalid '{where}': expected a function call with an id.", where)
    name, arguments = function.get("name"), function.get("arguments")
    if not isinstance(name, str) or not isinstance(arguments, str):
        raise invalid(
            f"Invalid type for '{where}.function.arguments': expected a string.",
            f"{where}.function.arguments",
            "invalid_type",
        )
    return ToolCall(call["id"], name, arguments)


def _content(content: Any, role: str, where: str, model: Model) -> tuple[str, int, int]:
    """Text, number of images, tokens of the images."""
    if isinstance(content, str):
        return content, 0, 0
    if not isinstance(content, list):
        raise invalid(f"Invalid type for '{where}'.", where, "invalid_type")
    texts, pictures, cost = [], 0, 0
    for number, part in enumerate(content):
        here = f"{where}[{number}]"
        kind = word(part.get("type")) if isinstance(part, dict) else None
        if kind in {"text", "refusal"} and isinstance(part.get(kind), str):
            texts.append(part[kind])
        elif kind == "image_url" and role == "user":
            digest, size = _image(part.get("image_url"), here, model)
            texts.append(f"[image {digest}]")
            pictures, cost = pictures + 1, cost + size
        elif kind in {"input_audio", "file"} and role == "user":
            cost += 100
        else:
            raise invalid(
                f"Invalid value: '{kind}'. Supported values are: 'text', 'image_url', "
                "'input_audio', 'refusal', 'audio', and 'file'.",
                here,
                "invalid_value",
            )
    return "\n".join(texts), pictures, cost


def _image(image: Any, where: str, model: Model) -> tuple[str, int]:
    url = image.get("url") if isinstance(image, dict) else None
    if not isinstance(url, str):
        raise invalid(
            f"Missing required parameter: '{where}.image_url.url'.",
            f"{where}.image_url",
            "missing_required_parameter",
        )
    if not model.can("vision"):
        raise invalid("Invalid content type. image_url is only supported by certain models.", where)
    data = re.fullmatch(r"data:([\w./+-]+);base64,(.*)", url, re.DOTALL)
    if data:
        try:
            picture = images.decode(data[2])
        except images.NotAnImageError as error:
            raise invalid(
                "You uploaded an unsupported image. Please make sure your image is valid "
                f"({error}).",
                where,
                "image_parse_error",
            ) from error
    elif re.match(r"https?://[\w.-]+", url) and ".invalid" not in url:
        picture = images.linked(url)
    else:
        raise invalid(
            f"Invalid 'image_url': expected a base64-encoded data URL or an address that can be "
            f"fetched, got '{url[:40]}'.",
            where,
            "invalid_image_url",
        )
    return picture.digest, images.tiles(picture, str(image.get("detail", "auto")))


def _check_tools(turns: list[Turn]) -> None:
    """Each tool message answers a call of the assistant message before it, and each call is."""
    open_calls: dict[str, None] = {}
    for number, turn in enumerate(turns):
        if turn.role == "tool":
            call_id = turn.results[0].call_id
            if call_id not in open_calls:
                raise invalid(
                    "Invalid parameter: messages with role 'tool' must be a response to a "
                    "preceding message with 'tool_calls'.",
                    f"messages.[{number}].role",
                )
            open_calls.pop(call_id)
            continue
        _all_answered(open_calls, number)
        open_calls = {call.id: None for call in turn.calls}
    _all_answered(open_calls, len(turns))


def _all_answered(open_calls: dict[str, None], number: int) -> None:
    if open_calls:
        raise invalid(
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. The following tool_call_ids did not have response messages: "
            + ", ".join(open_calls),
            f"messages.[{number}].role",
        )
