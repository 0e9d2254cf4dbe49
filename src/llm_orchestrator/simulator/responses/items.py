"""Input items of the Responses wire: read as turns and prompt segments."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any, Final, Literal

from llm_orchestrator.simulator import images, tokens
from llm_orchestrator.simulator.ask import Segment, ToolCall, ToolResult, Turn
from llm_orchestrator.simulator.jsonschema import word
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.openai.errors import invalid

_ROLES: Final[dict[str, Literal["system", "user", "assistant"]]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_PER_ITEM: Final = 3
_SEAL: Final = b"sim-reasoning"
_IGNORED: Final = ("item_reference", "web_search_call", "file_search_call", "compaction")


def seal(number: int) -> str:
    """The encrypted content of a reasoning item."""
    body = _SEAL + number.to_bytes(8, "big")
    return base64.b64encode(body + hashlib.blake2b(body, digest_size=16).digest()).decode()


def _sealed(text: Any) -> bool:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        return False
    return hashlib.blake2b(data[:-16], digest_size=16).digest() == data[-16:]


def read(given: Any, model: Model) -> tuple[list[Turn], list[Segment]]:
    """All items, or a Refusal that names the first wrong one."""
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    if not isinstance(given, list):
        raise invalid("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    if not given:
        raise invalid("Invalid 'input': empty array.", "input", "empty_array")
    turns, segments = [], []
    for number, item in enumerate(given):
        where = f"input[{number}]"
        if not isinstance(item, dict):
            raise invalid(f"Invalid type for '{where}': expected an object.", where, "invalid_type")
        kind = word(item.get("type")) or "message"
        if kind in _IGNORED:
            continue
        reader = _READERS.get(kind)
        if reader is None:
            names = ", ".join(f"'{name}'" for name in _READERS)
            message = f"Invalid value: '{kind}'. Supported values are: {names}."
            raise invalid(message, where, "invalid_value")
        turn, size = reader(item, where, model)
        if turn is None:
            continue
        called = "".join(call.name + call.arguments for call in turn.calls)
        turns.append(turn)
        size += tokens.count(turn.text) + tokens.count(called) + _PER_ITEM
        segments.append(Segment(f"{turn.role}\n{turn.text}{called}", size))
    _check_calls(turns)
    return turns, segments


Read = tuple[Turn | None, int]


def _message(item: dict[str, Any], where: str, model: Model) -> Read:
    role = word(item.get("role"))
    if role not in _ROLES:
        raise invalid(
            f"Invalid value: '{role}'. Supported values are: 'assistant', 'system', 'developer', "
            "and 'user'.",
            where,
            "invalid_value",
        )
    turn = Turn(_ROLES[role])
    return turn, _content(item.get("content"), turn, f"{where}.content", model)


def _content(content: Any, turn: Turn, where: str, model: Model) -> int:
    """Read text and images into a turn; returns the tokens of the images."""
    if isinstance(content, str):
        turn.text = content
        return 0
    if not isinstance(content, list):
        raise invalid(f"Invalid type for '{where}'.", where, "invalid_type")
    texts, size = [], 0
    wanted = "output_text" if turn.role == "assistant" else "input_text"
    for number, part in enumerate(content):
        here = f"{where}[{number}]"
        kind = word(part.get("type")) if isinstance(part, dict) else None
        if kind == wanted and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind == "refusal" and turn.role == "assistant":
            texts.append(str(part.get("refusal")))
        elif kind == "input_image" and turn.role == "user":
            picture = _image(part, here, model)
            texts.append(f"[image {picture.digest}]")
            turn.images += 1
            size += images.tiles(picture, str(part.get("detail", "auto")))
        elif kind == "input_file" and turn.role == "user":
            size += 100
        else:
            raise invalid(
                f"Invalid value: '{kind}'. Supported values are: '{wanted}', 'input_image', "
                "'input_file', and 'refusal'.",
                here,
                "invalid_value",
            )
    turn.text = "\n".join(texts)
    return size


def _image(part: dict[str, Any], where: str, model: Model) -> images.Picture:
    """The address is a text here, not an object."""
    url = part.get("image_url") or part.get("file_id")
    if not isinstance(url, str):
        message = f"Invalid type for '{where}.image_url': expected a string."
        raise invalid(message, f"{where}.image_url", "invalid_type")
    if not model.can("vision"):
        raise invalid("Invalid content type. image_url is only supported by certain models.", where)
    data = re.fullmatch(r"data:[\w./+-]+;base64,(.*)", url, re.DOTALL)
    if data:
        try:
            return images.decode(data[1])
        except images.NotAnImageError as error:
            message = "The image data you provided does not represent a valid image."
            raise invalid(message, where, "invalid_image") from error
    if not re.match(r"https?://|file-", url) or ".invalid" in url:
        raise invalid(f"Invalid 'image_url': '{url[:40]}'.", where, "invalid_image_url")
    return images.linked(url)


def _call(item: dict[str, Any], where: str, model: Model) -> Read:
    del model
    for name in ("call_id", "name", "arguments"):
        if not isinstance(item.get(name), str):
            message = f"Missing required parameter: '{where}.{name}'."
            raise invalid(message, f"{where}.{name}", "missing_required_parameter")
    call = ToolCall(item["call_id"], item["name"], item["arguments"])
    return Turn("assistant", calls=[call]), 0


def _output(item: dict[str, Any], where: str, model: Model) -> Read:
    call = item.get("call_id")
    if not isinstance(call, str):
        message = f"Missing required parameter: '{where}.call_id'."
        raise invalid(message, f"{where}.call_id", "missing_required_parameter")
    inner = Turn("user")
    size = _content(item.get("output"), inner, f"{where}.output", model)
    return Turn("tool", inner.text, results=[ToolResult(call, inner.text)]), size


def _reasoning(item: dict[str, Any], where: str, model: Model) -> Read:
    """Earlier reasoning is not read again; what is encrypted must be as it left."""
    del model
    encrypted = item.get("encrypted_content")
    if encrypted is not None and not _sealed(encrypted):
        message = f"The encrypted content for item {item.get('id')} could not be verified."
        raise invalid(message, where, "invalid_encrypted_content")
    return None, 0


_READERS: Final = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _output,
    "reasoning": _reasoning,
}


def _check_calls(turns: list[Turn]) -> None:
    """Every call has an output somewhere after it, and every output a call before it."""
    waiting: dict[str, None] = {}
    for turn in turns:
        waiting |= {call.id: None for call in turn.calls}
        for result in turn.results:
            if result.call_id not in waiting:
                raise invalid(
                    f"No tool call found for function call output with call_id {result.call_id}.",
                    "input",
                )
            waiting.pop(result.call_id)
    if waiting:
        raise invalid(f"No tool output found for function call {next(iter(waiting))}.", "input")
