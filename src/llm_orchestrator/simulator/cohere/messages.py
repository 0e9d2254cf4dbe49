"""Messages of Cohere's chat: read as turns and prompt segments."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from llm_orchestrator.simulator import images, tokens
from llm_orchestrator.simulator.ask import Segment, ToolCall, ToolResult, Turn
from llm_orchestrator.simulator.cohere.errors import invalid
from llm_orchestrator.simulator.models import Model

ROLES: Final = ("user", "assistant", "system", "tool")
_DATA: Final = re.compile(r"data:image/[\w.+-]+;base64,(.*)", re.DOTALL)


def read(given: Any, model: Model) -> tuple[list[Turn], list[Segment]]:
    """All messages, or a Refusal that names the first wrong one."""
    if not isinstance(given, list) or not given:
        raise invalid("messages must be a list of at least one message.")
    turns, segments = [], []
    for number, message in enumerate(given):
        turn, segment = _message(message, f"messages[{number}]", model)
        turns.append(turn)
        segments.append(segment)
    _check_tools(turns)
    return turns, segments


def _message(message: Any, where: str, model: Model) -> tuple[Turn, Segment]:
    role = message.get("role") if isinstance(message, dict) else None
    if role not in ROLES:
        raise invalid(f"{where}.role must be one of {', '.join(ROLES)}.")
    turn = Turn(role)
    calls = message.get("tool_calls") or []
    if calls and role != "assistant":
        raise invalid(f"{where}.tool_calls are only allowed in assistant messages.")
    if not isinstance(calls, list):
        raise invalid(f"{where}.tool_calls must be a list.")
    turn.calls = [_call(call, f"{where}.tool_calls[{n}]") for n, call in enumerate(calls)]
    content, size = message.get("content"), 0
    if content is not None:
        turn.text, size = _content(content, turn, f"{where}.content", model)
    elif not turn.calls:
        raise invalid(f"{where}.content is required.")
    if role == "tool":
        call = message.get("tool_call_id")
        if not isinstance(call, str):
            raise invalid(f"{where}.tool_call_id is required.")
        turn.results = [ToolResult(call, turn.text)]
    plan = str(message.get("tool_plan") or "")
    said = f"{plan}{turn.text}" + "".join(call.name + call.arguments for call in turn.calls)
    return turn, Segment(f"{role}\n{said}", tokens.count(said) + size)


def _call(call: Any, where: str) -> ToolCall:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(call.get("id"), str):
        raise invalid(f"{where} must have an id and a function.")
    name, arguments = function.get("name"), function.get("arguments")
    if not isinstance(name, str) or not isinstance(arguments, str):
        raise invalid(f"{where}.function.arguments must be JSON text.")
    return ToolCall(call["id"], name, arguments)


def _content(content: Any, turn: Turn, where: str, model: Model) -> tuple[str, int]:
    """Text, and the tokens of images."""
    if isinstance(content, str):
        return content, 0
    if not isinstance(content, list):
        raise invalid(f"{where} must be a text or a list of parts.")
    texts, size = [], 0
    for number, part in enumerate(content):
        here = f"{where}[{number}]"
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind == "thinking" and turn.role == "assistant":
            continue  # thoughts of earlier turns are not read again
        elif kind == "document" and turn.role == "tool":
            texts.append(_document(part.get("document"), here))
        elif kind == "image_url" and turn.role == "user":
            picture = _image(part.get("image_url"), here, model)
            texts.append(f"[image {picture.digest}]")
            turn.images += 1
            size += images.area(picture)
        else:
            raise invalid(f"{here}.type '{kind}' is not allowed in a {turn.role} message.")
    return "\n".join(texts), size


def _document(document: Any, where: str) -> str:
    data = document.get("data") if isinstance(document, dict) else None
    if isinstance(data, str):
        return data
    if isinstance(data, dict):
        return json.dumps(data, ensure_ascii=False)
    raise invalid(f"{where}.document.data is required.")


def _image(image: Any, where: str, model: Model) -> images.Picture:
    url = image.get("url") if isinstance(image, dict) else image
    if not model.can("vision"):
        raise invalid(f"{where}: model '{model.id}' does not support image inputs.")
    data = _DATA.fullmatch(url) if isinstance(url, str) else None
    if data:
        try:
            return images.decode(data[1])
        except images.NotAnImageError as error:
            raise invalid(f"{where}: could not decode the image: {error}.") from error
    if isinstance(url, str) and url.startswith(("http://", "https://")) and ".invalid" not in url:
        return images.linked(url)
    raise invalid(f"{where}: could not load the image.")


def _check_tools(turns: list[Turn]) -> None:
    """Each call is answered by a tool message right after it, and nothing else is."""
    waiting: list[str] = []
    for turn in turns:
        if turn.role == "tool":
            call = turn.results[0].call_id
            if call not in waiting:
                raise invalid(f"tool call id {call} not found in previous tool calls.")
            waiting.remove(call)
            continue
        if waiting:
            break
        waiting = [call.id for call in turn.calls]
    if waiting:
        raise invalid(f"tool calls {', '.join(waiting)} have no tool results.")
