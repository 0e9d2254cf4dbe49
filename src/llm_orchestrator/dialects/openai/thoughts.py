"""Thoughts that stand in the text or in its chunks, told apart from the answer."""

from typing import Any

_OPEN, _CLOSE = "<think>", "</think>"


class ThinkTags:
    """Cuts a text that comes in pieces into thoughts and answer.

    Only a text that begins with ``<think>`` has thoughts; white space round the tags is dropped.
    """

    __slots__ = ("_held", "_state")

    def __init__(self) -> None:
        self._state = "start"
        self._held = ""
        """What may turn out to be a tag or the white space beside one."""

    def feed(self, piece: str) -> tuple[str, str]:
        """The thoughts and the answer that are certain with this piece."""
        if self._state == "answer":
            return "", piece
        held = self._held + piece
        thoughts = answer = ""
        if self._state == "start":
            begin = held.lstrip()
            if begin.startswith(_OPEN):
                self._state, held = "opened", begin.removeprefix(_OPEN)
            elif not _OPEN.startswith(begin):
                self._state, answer, held = "answer", held, ""
        if self._state == "opened":
            held = held.lstrip()
            if held:
                self._state = "thoughts"
        if self._state == "thoughts":
            before, tag, after = held.partition(_CLOSE)
            thoughts = before.rstrip() if tag else _without_tag_begin(before)
            held = after if tag else before[len(thoughts) :]
            if tag:
                self._state = "closed"
        if self._state == "closed":
            held = held.lstrip()
            if held:
                self._state, answer, held = "answer", held, ""
        self._held = held
        return thoughts, answer

    def close(self) -> tuple[str, str]:
        """What is still held when no more comes."""
        held, self._held = self._held, ""
        if self._state == "thoughts":
            return held.rstrip(), ""
        return "", held if self._state == "start" else ""


def _without_tag_begin(text: str) -> str:
    """The text without an end that a closing tag, or the space before it, may begin with."""
    for length in range(min(len(_CLOSE) - 1, len(text)), 0, -1):
        if _CLOSE.startswith(text[-length:]):
            text = text[:-length]
            break
    return text.rstrip()


def in_chunks(content: list[Any]) -> str:
    """The thoughts of a content that comes as a list of chunks."""
    return "".join(
        _words(chunk.get("thinking"))
        for chunk in content
        if isinstance(chunk, dict) and chunk.get("type") == "thinking"
    )


def _words(value: Any) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return ""
    return "".join(
        part["text"] for part in value if isinstance(part, dict) and type(part.get("text")) is str
    )
