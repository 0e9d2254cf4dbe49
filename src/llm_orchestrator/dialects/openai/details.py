"""Thoughts with details that a router wants back unchanged, whoever made them.

They are kept in the signature of our `Reasoning`, sealed with the name of their field.
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any

import msgspec

from llm_orchestrator.dialects.base import UNREADABLE, sealed, unsealed
from llm_orchestrator.types.request import Part, Reasoning

FIELD = "reasoning_details"
_GROWING = ("text", "summary")
"""What comes in pieces in a stream."""


def signature(details: Any) -> str | None:
    """What holds the details of thoughts; ``None`` when there are none."""
    if not isinstance(details, list) or not details:
        return None
    return sealed(b64encode(msgspec.json.encode(details)).decode(), FIELD)


def returned(parts: Sequence[Part]) -> list[Any]:
    """The details that the parts of a turn hold, as they came."""
    out: list[Any] = []
    for part in parts:
        if isinstance(part, Reasoning) and (held := unsealed(part.signature, FIELD)):
            try:
                found = msgspec.json.decode(b64decode(held, validate=True))
            except (ValueError, *UNREADABLE):
                continue  # it is not what we made
            out += found if isinstance(found, list) else []
    return out


class Gathered:
    """The details of a stream, whose texts come in pieces."""

    __slots__ = ("_blocks",)

    def __init__(self) -> None:
        self._blocks: list[Any] = []

    def add(self, details: Any) -> None:
        """The next pieces, or whole blocks."""
        for piece in details if isinstance(details, list) else ():
            last: Any = self._blocks[-1] if self._blocks else None
            if _continues(piece, last):
                for name, value in piece.items():
                    grows = name in _GROWING and isinstance(last.get(name), str)
                    if grows and isinstance(value, str):
                        last[name] += value
                    elif value is not None:
                        last[name] = value
            else:
                self._blocks.append(piece)

    @property
    def signature(self) -> str | None:
        """What holds all of them."""
        return signature(self._blocks)


def _continues(piece: Any, last: Any) -> bool:
    if not isinstance(piece, dict) or not isinstance(last, dict):
        return False
    same = all(piece.get(name) == last.get(name) for name in ("type", "index"))
    return same and any(name in piece for name in _GROWING)
