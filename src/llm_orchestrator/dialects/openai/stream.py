"""From the chunks of a stream to events."""

from collections.abc import Sequence
from typing import Any

import msgspec

from llm_orchestrator.dialects import reported
from llm_orchestrator.dialects.openai.decode import (
    BROKEN,
    FINISH,
    Call,
    Choice,
    Completion,
    WireUsage,
    flat,
    read_usage,
)
from llm_orchestrator.dialects.openai.details import Gathered
from llm_orchestrator.dialects.openai.thoughts import ThinkTags, in_chunks
from llm_orchestrator.dialects.openai_faults import from_body
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
from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.provider import Candidate

_read = msgspec.json.Decoder(Completion).decode


class ChunkDecoder(SSEDecoder):
    """Reads ``chat.completion.chunk`` events; a ``finish_reason`` is the terminal marker.

    ``[DONE]`` is not required. Of several answers that come mixed, the first is read.
    """

    __slots__ = (
        "_answer",
        "_call",
        "_details",
        "_extra",
        "_finish",
        "_quirks",
        "_started",
        "_tags",
        "_tier",
    )

    def __init__(self, target: Candidate) -> None:
        super().__init__(target)
        self._quirks = target.provider.quirks
        self._tags = ThinkTags() if self._quirks.think_tags else None
        self._details = Gathered() if self._quirks.reasoning_details else None
        self._extra: dict[str, Any] = {}
        self._started = False
        self._tier: str | None = None
        self._answer: Any = None
        self._call = -1
        self._finish: str | None = None

    def close(self) -> Sequence[StreamEvent]:
        """The events of a last chunk without its blank line."""
        out = self._all(self._sse.close())
        if self.failure is None:
            self._rest(out)
        return out

    def _one(self, payload: bytes, out: list[StreamEvent]) -> None:
        chunk = _read(payload)
        if fault := chunk.fault():
            self._fail(from_body(fault, self._target, None), out)
            return
        self._tier = chunk.service_tier or self._tier
        if not self._started:
            self._started = True
            out.append(StartEvent(chunk.model or self._target.model.id, chunk.id or ""))
        extra, cost = reported.beside(payload, self._quirks)
        self._extra |= extra
        if chunk.choices:
            for choice in chunk.choices:
                index = choice.index or 0
                if self._answer is None:
                    self._answer = index
                if index == self._answer:
                    self._choice(choice, out)
        wire_usage = chunk.usage
        if wire_usage is None and chunk.x_groq is not None:
            wire_usage = chunk.x_groq.usage
        if wire_usage is not None:
            self._usage(wire_usage, cost, out)

    def _usage(self, wire_usage: WireUsage, cost: Pico | None, out: list[StreamEvent]) -> None:
        if (usage := read_usage(wire_usage, apart=self._quirks.apart)) is None:
            return
        # Servers that report usage all along send the final one with or after the finish;
        # a cost that comes before is not final, and may be 0.
        out.append(UsageEvent(usage, cost if self.finished else None, self._tier))
        self.settled = self.finished

    def _choice(self, choice: Choice, out: list[StreamEvent]) -> None:
        turn = choice.delta or choice.message
        if turn is not None:
            if turn.content:
                self._content(turn.content, out)
            elif turn.refusal:
                self._finish = "content_filter"
                out.append(TextDelta(turn.refusal))
            if thought := turn.reasoning_content or turn.reasoning:
                out.append(ReasoningDelta(thought))
            if self._details is not None and turn.reasoning_details:
                self._details.add(turn.reasoning_details)
            out.extend(self._piece(call) for call in turn.tool_calls or ())
        if not choice.finish_reason or self.finished:
            return
        if choice.finish_reason == "error":
            self.failure = from_body(BROKEN, self._target, None)
            return
        self.finished = True
        reason = FINISH.get(self._finish or choice.finish_reason, "other")
        if reason == "stop" and self._call >= 0:
            reason = "tool_calls"
        self._rest(out)
        if self._details is not None and (sealed := self._details.signature):
            out.append(ReasoningDelta(signature=sealed))
        out.append(FinishEvent(reason, dict(self._extra) or None))

    def _content(self, content: str | list[Any], out: list[StreamEvent]) -> None:
        if type(content) is str and self._tags is None:
            out.append(TextDelta(content))
        elif isinstance(content, str):
            self._told(*(self._tags.feed(content) if self._tags else ("", content)), out)
        else:
            self._told(in_chunks(content), flat(content), out)

    def _told(self, thought: str, text: str, out: list[StreamEvent]) -> None:
        if thought:
            out.append(ReasoningDelta(thought))
        if text:
            out.append(TextDelta(text))

    def _rest(self, out: list[StreamEvent]) -> None:
        """What is held back because a tag might follow."""
        if self._tags is not None:
            self._told(*self._tags.close(), out)

    def _piece(self, call: Call) -> ToolCallDelta:
        """A piece of a tool call; without an index, a name begins a new call."""
        function = call.function
        name = function.name if function else None
        index = call.index
        if index is None:
            index = self._call + 1 if name or self._call < 0 else self._call
        begins = index > self._call
        self._call = max(self._call, index)
        return ToolCallDelta(
            index,
            (function.arguments or "") if function else "",
            (call.id or f"call_{index}") if begins else call.id,
            name,
        )


def events(target: Candidate) -> ChunkDecoder:
    """A decoder for one streamed reply."""
    return ChunkDecoder(target)
