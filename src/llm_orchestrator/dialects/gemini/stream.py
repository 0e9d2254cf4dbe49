"""From the chunks of a stream to events. A finish reason is the terminal marker."""

import msgspec

from llm_orchestrator.dialects.base import sealed
from llm_orchestrator.dialects.gemini.contents import WIRE
from llm_orchestrator.dialects.gemini.decode import (
    Generated,
    WirePart,
    call_of,
    failure_of,
    finish_of,
    read_usage,
    searches_of,
    tier,
    told,
    wire_parts,
)
from llm_orchestrator.dialects.gemini.errors import from_body
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
from llm_orchestrator.types.reply import FinishReason

_read = msgspec.json.Decoder(Generated).decode


class ChunkDecoder(SSEDecoder):
    """Reads chunks that are whole replies in small; their usage is cumulative.

    Nothing marks the end but the connection's, so the answer is never settled before. A tool call
    may come after the finish reason: then a second finish event says so.
    """

    __slots__ = (
        "_calls",
        "_extra",
        "_finish",
        "_id",
        "_searches",
        "_started",
    )

    def __init__(self, target: Candidate) -> None:
        super().__init__(target)
        self._started = False
        self._id: str | None = None
        self._calls = 0
        self._searches = 0
        self._finish: FinishReason | None = None
        self._extra: dict[str, object] = {}

    def _one(self, payload: bytes, out: list[StreamEvent]) -> None:
        chunk = _read(payload)
        if chunk.error:
            self._fail(from_body({"error": chunk.error}, self._target, None), out)
            return
        self._id = self._id or chunk.response_id
        if not self._started:
            self._started = True
            out.append(StartEvent(chunk.model_version or self._target.model.id, self._id or ""))
        calls = self._calls
        for part in wire_parts(chunk):
            self._part(part, out)
        finish = finish_of(chunk)
        self._add_usage(chunk, out, last=self.finished or finish is not None)
        if not self.finished:
            self.failure = failure_of(chunk, self._target)
        if self.failure is None and (finish or (self.finished and self._calls > calls)):
            self._end(finish, chunk, out)

    def _part(self, part: WirePart, out: list[StreamEvent]) -> None:
        signature = sealed(part.thought_signature, WIRE)
        if part.function_call is not None:
            call = call_of(part.function_call, self._calls, self._id, signature)
            out.append(
                ToolCallDelta(self._calls, call.arguments, call.id, call.name, call.signature)
            )
            self._calls += 1
            return
        if part.text:
            out.append(ReasoningDelta(part.text) if part.thought else TextDelta(part.text))
        if signature:
            out.append(ReasoningDelta(signature=signature))

    def _add_usage(self, chunk: Generated, out: list[StreamEvent], *, last: bool) -> None:
        self._searches += searches_of(chunk, self._target)
        if (usage := read_usage(chunk.usage_metadata, self._searches)) is None:
            return
        if not last:  # of an answer that breaks off here, it is the least
            usage = msgspec.structs.replace(usage, estimated=True)
        out.append(UsageEvent(usage, None, tier(chunk.usage_metadata)))

    def _end(self, finish: FinishReason | None, chunk: Generated, out: list[StreamEvent]) -> None:
        self.finished = True
        self._finish = finish or self._finish or "other"
        self._extra |= told(chunk)
        reason = "tool_calls" if self._calls and self._finish == "stop" else self._finish
        out.append(FinishEvent(reason, self._extra or None))


def events(target: Candidate) -> ChunkDecoder:
    """A decoder for one streamed reply."""
    return ChunkDecoder(target)
