"""From the events of a stream to ours. ``message-end`` is the terminal marker."""

from typing import Any

import msgspec

from llm_orchestrator.dialects.cohere.decode import (
    FAILED,
    FINISH,
    Block,
    Call,
    Turn,
    WireUsage,
    beside,
    read_usage,
)
from llm_orchestrator.dialects.cohere.errors import broken_off
from llm_orchestrator.dialects.stream import SSEDecoder
from llm_orchestrator.types.events import (
    FinishEvent,
    ReasoningDelta,
    StartEvent,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    UsageEvent,
)
from llm_orchestrator.types.provider import Candidate


class _Delta(msgspec.Struct, gc=False):
    message: Turn | None = None
    finish_reason: str | None = None
    usage: WireUsage | None = None
    error: str | None = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    id: str | None = None
    index: int = 0
    delta: _Delta | None = None
    message: str | None = None


_read = msgspec.json.Decoder(_Event).decode


class EventDecoder(SSEDecoder):
    """Reads the events of one message, by the type in their data."""

    __slots__ = ("_calls", "_citations")

    def __init__(self, target: Candidate) -> None:
        super().__init__(target)
        self._calls: dict[int, int] = {}  # index on the wire to number of the tool call
        self._citations: list[Any] = []

    def _one(self, payload: bytes, out: list[StreamEvent]) -> None:
        if self.finished:
            return
        event = _read(payload)
        delta = event.delta or _Delta()
        turn = delta.message or Turn()
        match event.type:
            case "content-delta" | "content-start":
                self._content(turn.content, out)
            case "tool-plan-delta":
                out.append(ReasoningDelta(turn.tool_plan or ""))
            case "tool-call-start" | "tool-call-delta":
                self._call(event.index, turn.tool_calls, out)
            case "message-start":
                out.append(StartEvent(self._target.model.id, event.id or ""))
            case "citation-start":
                if turn.citations:
                    self._citations.append(turn.citations)
            case "message-end":
                self._end(delta, out)
            case "":  # no event at all, but the body of an error
                if event.message is not None:
                    self.failure = broken_off("ERROR", event.message, self._target)

    def _content(self, content: Any, out: list[StreamEvent]) -> None:
        if not isinstance(content, Block):
            return
        if content.thinking:
            out.append(ReasoningDelta(content.thinking))
        if content.text:
            out.append(TextDelta(content.text))

    def _call(self, index: int, call: Any, out: list[StreamEvent]) -> None:
        if not isinstance(call, Call):
            return
        begins = index not in self._calls
        number = self._calls.setdefault(index, len(self._calls))
        function = call.function
        out.append(
            ToolCallDelta(
                number,
                (function.arguments or "") if function else "",
                (call.id or f"call_{number}") if begins else call.id,
                function.name if function else None,
            )
        )

    def _end(self, delta: _Delta, out: list[StreamEvent]) -> None:
        if (usage := read_usage(delta.usage)) is not None:
            out.append(UsageEvent(usage))
        reason = delta.finish_reason or ""
        if delta.error or reason in FAILED:
            self.failure = broken_off(reason or "ERROR", delta.error, self._target)
            return
        self.finished = self.settled = True
        extra = beside(self._citations, delta.usage)
        out.append(FinishEvent(FINISH.get(reason, "other"), extra))


def events(target: Candidate) -> EventDecoder:
    """A decoder for one streamed reply."""
    return EventDecoder(target)
