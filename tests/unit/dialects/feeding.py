"""Feeding a stream's bytes to a decoder in pieces, and what came of it."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from llm_orchestrator.dialects.base import Dialect
from llm_orchestrator.engine.assembly import Assembly
from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.types.events import (
    NoticeEvent,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    UsageEvent,
)
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.usage import Usage


class Outcome(msgspec.Struct):
    """All events of a stream, and how it ended."""

    events: list[StreamEvent]
    finished: bool
    settled: bool
    error: OrchestratorError | None = None

    @property
    def response(self) -> Response:
        """The answer that the events add up to."""
        answer = Assembly()
        for event in self.events:
            answer.add(event)
        return answer.response()

    @property
    def text(self) -> str:
        return "".join(str(event) for event in self.events)

    @property
    def usage(self) -> Usage | None:
        """The last usage, which is the one that counts."""
        return next((e.usage for e in reversed(self.events) if isinstance(e, UsageEvent)), None)

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, NoticeEvent)]

    @property
    def meaning(self) -> tuple[object, ...]:
        """What must not depend on how the bytes were cut."""
        try:
            response: Response | str = self.response
        except OrchestratorError as error:  # broken arguments of a tool call
            response = repr(error)
        return (
            response,
            self.usage,
            self.notices,
            self.finished,
            self.settled,
            repr(self.error),
        )

    def pieces(self) -> list[StreamEvent]:
        """The pieces of the answer alone."""
        kinds = TextDelta | ReasoningDelta | ToolCallDelta
        return [event for event in self.events if isinstance(event, kinds)]


def feed(dialect: Dialect, target: Candidate, pieces: Iterable[bytes]) -> Outcome:
    """Feed the pieces, as long as no error comes, and close."""
    decoder = dialect.events(target)
    events: list[StreamEvent] = []
    for piece in pieces:
        events += decoder.feed(piece)
        if decoder.failure is not None:
            break
    else:
        events += decoder.close()
    return Outcome(events, decoder.finished, decoder.settled, decoder.failure)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """The bytes in pieces, cut at these places in any order."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def one_by_one(data: bytes) -> list[bytes]:
    """Each byte alone."""
    return [data[place : place + 1] for place in range(len(data))]
