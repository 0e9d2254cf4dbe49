"""An answer as `bulk_items` keeps it, a small JSON text, and what its task makes of it."""

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from llm_orchestrator.store.bulk_rows import ItemState, Unit
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.request import ToolCall


class Answer(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What came for an item: a text, tool calls or vectors, and the value that a task made of it.

    ``finish_reason`` is ``stop`` unless it is told; ``model`` is who the provider says answered.
    """

    text: str = ""
    parsed: Any = None
    finish_reason: str = "stop"
    model: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    vectors: list[list[float]] | None = None
    id: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """What a task makes of an answer: its value, or why it will not do."""

    state: ItemState = ItemState.DONE
    parsed: object = None
    error: str | None = None


Judge: TypeAlias = Callable[[Unit, Response], Verdict | None]
"""Looks at the answer to an item, maybe in a thread; ``None`` takes it as it is."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Answer).decode


def encode_answer(
    response: Response, vectors: list[list[float]] | None = None, verdict: Verdict | None = None
) -> bytes:
    """The JSON of a response."""
    calls = tuple([part for part in response.parts if type(part) is ToolCall])
    return _encode(
        Answer(
            response.text,
            None if verdict is None else verdict.parsed,
            response.finish_reason,
            response.model,
            calls,
            vectors,
            response.id,
        )
    )


def decode_answer(data: bytes) -> Answer:
    """The answer in such a text."""
    return _decode(data)
