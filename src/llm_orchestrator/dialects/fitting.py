"""Values that a server takes only in a form of its own."""

from collections.abc import Sequence
from hashlib import sha256
from string import ascii_letters, digits
from typing import get_args

import msgspec

from llm_orchestrator.dialects.base import Notices
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Effort, Image, Message, Part, Text, ToolResult

_SCALE: tuple[str, ...] = get_args(Effort)
_SIGNS = digits + ascii_letters


def nearest_effort(effort: str, target: Candidate, notices: Notices) -> str:
    """The effort itself, or the nearest of those that the provider takes, which is noted."""
    known = target.provider.quirks.efforts
    if not known or effort in known:
        return effort
    place = _SCALE.index(effort)
    found = min(known, key=lambda word: abs(_SCALE.index(word) - place) if word in _SCALE else 9)
    notices.drop(f"effort {effort}", f"became {found}, the nearest that is known here")
    return found


def short_id(id: str, length: int) -> str:
    """The id if it has that many letters and digits, else one made from it: the same each time."""
    if len(id) == length and id.isascii() and id.isalnum():
        return id
    number = int.from_bytes(sha256(id.encode("utf-8", "surrogatepass")).digest())
    signs = []
    for _ in range(length):
        number, place = divmod(number, len(_SIGNS))
        signs.append(_SIGNS[place])
    return "".join(signs)


def pictures_apart(messages: Sequence[Message], notices: Notices) -> Sequence[Message]:
    """The messages with the pictures of tool results in the user turn after them, which is noted.

    For wires on which a tool result holds text alone.
    """
    if not any(_shows(part) for message in messages for part in _parts(message)):
        return messages
    out: list[Message] = []
    pictures: list[Text | Image] = []
    for message in messages:
        parts = [_told(part, pictures, notices) for part in _parts(message)]
        if pictures and message.role == "user":
            parts, pictures = [*pictures, *parts], []
        elif pictures and message.role != "tool":  # all results come before anything else
            out.append(Message("user", tuple(pictures)))
            pictures = []
        out.append(Message(message.role, tuple(parts), message.name))
    if pictures:
        out.append(Message("user", tuple(pictures)))
    return out


def _parts(message: Message) -> Sequence[Part]:
    content = message.content
    return (Text(text=content),) if isinstance(content, str) else content


def _shows(part: Part) -> bool:
    return isinstance(part, ToolResult) and bool(part.images)


def _told(part: Part, pictures: list[Text | Image], notices: Notices) -> Part:
    """The part without pictures, which are added to the others."""
    if not isinstance(part, ToolResult) or not part.images:
        return part
    notices.drop("an image in a tool result", "was put into the user turn after it")
    pictures += [Text(text=f"What the tool call {part.call_id} has shown:"), *part.images]
    text = part.text or "What it has shown follows in the next message."
    return msgspec.structs.replace(part, content=text)
