"""From the frames of ConverseStream to our events. ``messageStop`` is the terminal marker."""

from collections.abc import Sequence
from typing import Any

import msgspec

from llm_orchestrator.dialects.base import LATE_ERROR, MALFORMED, UNREADABLE
from llm_orchestrator.dialects.bedrock.decode import (
    FINISH,
    SERVER_TOOL,
    ServiceTier,
    WireUsage,
    read_usage,
)
from llm_orchestrator.dialects.bedrock.errors import (
    MALFORMED_STOPS,
    damaged,
    malformed,
    thrown,
)
from llm_orchestrator.dialects.bedrock.frames import Frame, FrameParser
from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.types.events import (
    FinishEvent,
    NoticeEvent,
    ReasoningDelta,
    StartEvent,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    UsageEvent,
)
from llm_orchestrator.types.provider import Candidate


class _ToolStart(msgspec.Struct, gc=False, rename="camel"):
    tool_use_id: str | None = None
    name: str | None = None
    type: str | None = None


class _Start(msgspec.Struct, gc=False, rename="camel"):
    tool_use: _ToolStart | None = None


class _ToolInput(msgspec.Struct, gc=False):
    input: str | None = None


class _Thought(msgspec.Struct, gc=False, rename="camel"):
    text: str | None = None
    redacted_content: str | None = None
    signature: str | None = None


class _Delta(msgspec.Struct, gc=False, rename="camel"):
    text: str | None = None
    tool_use: _ToolInput | None = None
    reasoning_content: _Thought | None = None


class _Event(msgspec.Struct, gc=False, rename="camel"):
    """The payload of any event; each kind has its own few fields."""

    content_block_index: int = 0
    delta: _Delta | None = None
    start: _Start | None = None
    stop_reason: str | None = None
    usage: WireUsage | None = None
    service_tier: ServiceTier | None = None
    additional_model_response_fields: Any = None


_read = msgspec.json.Decoder(_Event).decode


class EventDecoder:
    """Reads the frames of one answer; usage comes after the terminal marker."""

    __slots__ = (
        "_calls",
        "_frames",
        "_malformed",
        "_target",
        "failure",
        "finished",
        "settled",
    )

    def __init__(self, target: Candidate) -> None:
        self._target = target
        self._frames = FrameParser()
        self._calls: dict[int, int] = {}  # content block to number of the tool call
        self._malformed: OrchestratorError | None = None
        self.finished = False
        self.settled = False
        self.failure: OrchestratorError | None = None

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        """The events that these bytes complete."""
        out: list[StreamEvent] = []
        for frame in self._frames.feed(data):
            if self.failure is None and not self.settled:
                self._one(frame, out)
        if self._frames.damage is not None and self.failure is None and not self.settled:
            self._fail(damaged(self._frames.damage, self._target), out)
        return out

    def close(self) -> Sequence[StreamEvent]:
        """A frame that is not whole says nothing; a malformed answer fails at last."""
        if self.failure is None:
            self.failure = self._malformed
        return ()

    def _one(self, frame: Frame, out: list[StreamEvent]) -> None:
        headers = frame.headers
        if headers.get(":message-type", "event") != "event":
            self._fail(thrown(headers, frame.payload, self._target), out)
            return
        try:
            event = _read(frame.payload)
        except UNREADABLE:
            out.append(NoticeEvent(MALFORMED))
            return
        match headers.get(":event-type"):
            case "contentBlockDelta":
                if event.delta is not None:
                    self._delta(event.content_block_index, event.delta, out)
            case "contentBlockStart":
                if event.start is not None and event.start.tool_use is not None:
                    self._begin(event.content_block_index, event.start.tool_use, out)
            case "messageStart":
                out.append(StartEvent(self._target.model.id))
            case "messageStop":
                self._stop(event, out)
            case "metadata":
                self._settle(event, out)
            case _:  # the end of a block, or something new
                pass

    def _fail(self, error: OrchestratorError, out: list[StreamEvent]) -> None:
        if self.finished:
            self.settled = True
            out.append(NoticeEvent(LATE_ERROR))
        else:
            self.failure = error

    def _begin(self, index: int, tool: _ToolStart, out: list[StreamEvent]) -> None:
        if tool.type != SERVER_TOOL:
            number = self._calls[index] = len(self._calls)
            out.append(ToolCallDelta(number, "", tool.tool_use_id, tool.name))

    def _delta(self, index: int, delta: _Delta, out: list[StreamEvent]) -> None:
        if delta.text:
            out.append(TextDelta(delta.text))
        elif (tool := delta.tool_use) is not None:
            if tool.input and index in self._calls:
                out.append(ToolCallDelta(self._calls[index], tool.input))
        elif (thought := delta.reasoning_content) is not None:
            if thought.redacted_content is not None:
                out.append(ReasoningDelta(redacted=thought.redacted_content))
            elif thought.signature is not None:
                out.append(ReasoningDelta(signature=thought.signature))
            elif thought.text:
                out.append(ReasoningDelta(thought.text))

    def _stop(self, event: _Event, out: list[StreamEvent]) -> None:
        if self.finished or self._malformed is not None:
            return
        if event.stop_reason in MALFORMED_STOPS:
            # Not raised yet: the usage that is paid for comes with the next event.
            self._malformed = malformed(event.stop_reason, self._target, None)
            return
        self.finished = True
        more = event.additional_model_response_fields
        extra = {"additionalModelResponseFields": more} if more else None
        out.append(FinishEvent(FINISH.get(event.stop_reason or "", "other"), extra))

    def _settle(self, event: _Event, out: list[StreamEvent]) -> None:
        if (usage := read_usage(event.usage)) is not None:
            tier = event.service_tier.type if event.service_tier else None
            out.append(UsageEvent(usage, service_tier=tier))
        if self._malformed is not None:
            self.failure = self._malformed
        self.settled = self.finished


def events(target: Candidate) -> EventDecoder:
    """A decoder for one streamed reply."""
    return EventDecoder(target)
