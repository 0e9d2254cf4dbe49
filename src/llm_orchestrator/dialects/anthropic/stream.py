"""From the events of a stream to ours. A ``stop_reason`` is the terminal marker."""

from typing import Any

import msgspec

from llm_orchestrator.dialects.anthropic.decode import (
    FINISH,
    Block,
    WireMessage,
    WireUsage,
    read_usage,
)
from llm_orchestrator.dialects.anthropic.errors import from_body
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
    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    stop_reason: str | None = None
    stop_details: Any = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    index: int = 0
    message: WireMessage | None = None
    content_block: Block | None = None
    delta: _Delta | None = None
    usage: WireUsage | None = None
    error: Any = None


_read = msgspec.json.Decoder(_Event).decode


class EventDecoder(SSEDecoder):
    """Reads the events of one message; usage is cumulative and may come in two halves."""

    __slots__ = ("_calls", "_counted", "_usage")

    def __init__(self, target: Candidate) -> None:
        super().__init__(target)
        self._calls: dict[int, int] = {}  # content block to number of the tool call
        self._usage = WireUsage()
        self._counted = False

    def _one(self, payload: bytes, out: list[StreamEvent]) -> None:
        event = _read(payload)
        match event.type:
            case "content_block_delta":
                if event.delta is not None:
                    self._delta(event.index, event.delta, out)
            case "content_block_start":
                if event.content_block is not None:
                    self._begin(event.index, event.content_block, out)
            case "message_start":
                message = event.message or WireMessage()
                out.append(StartEvent(message.model or self._target.model.id, message.id))
                self._add_usage(message.usage, out)
            case "message_delta":
                self._counted |= event.usage is not None and event.usage.output_tokens is not None
                self._add_usage(event.usage, out)
                if event.delta is not None and event.delta.stop_reason:
                    self._finish(event.delta, out)
            case "message_stop":
                self.settled = True
                self._finish(_Delta(), out)
            case _:  # a ping, the end of a block, an error, or something new
                if event.type == "error" or event.error:
                    self._fail(from_body({"error": event.error}, self._target, None), out)

    def _finish(self, delta: _Delta, out: list[StreamEvent]) -> None:
        if self.finished:
            return
        self.finished = True
        extra = {"stop_details": delta.stop_details} if delta.stop_details else None
        out.append(FinishEvent(FINISH.get(delta.stop_reason or "", "other"), extra))

    def _begin(self, index: int, block: Block, out: list[StreamEvent]) -> None:
        if block.type == "tool_use":
            number = self._calls[index] = len(self._calls)
            out.append(ToolCallDelta(number, "", block.id, block.name))
        elif block.type == "text" and block.text:
            out.append(TextDelta(block.text))
        elif block.type == "redacted_thinking":
            out.append(ReasoningDelta(redacted=block.data or ""))

    def _delta(self, index: int, delta: _Delta, out: list[StreamEvent]) -> None:
        match delta.type:
            case "text_delta":
                if delta.text:
                    out.append(TextDelta(delta.text))
            case "input_json_delta":
                if delta.partial_json and index in self._calls:
                    out.append(ToolCallDelta(self._calls[index], delta.partial_json))
            case "thinking_delta":
                out.append(ReasoningDelta(delta.thinking or ""))
            case "signature_delta":
                out.append(ReasoningDelta(signature=delta.signature))

    def _add_usage(self, usage: WireUsage | None, out: list[StreamEvent]) -> None:
        """Later numbers replace earlier ones; those that a later event omits stay."""
        if usage is None:
            return
        for name in WireUsage.__struct_fields__:
            if (value := getattr(usage, name)) is not None:
                setattr(self._usage, name, value)
        if (found := read_usage(self._usage)) is not None:
            if not self._counted:  # the output of message_start is a placeholder
                found = msgspec.structs.replace(found, estimated=True)
            out.append(UsageEvent(found, service_tier=self._usage.service_tier))


def events(target: Candidate) -> EventDecoder:
    """A decoder for one streamed reply."""
    return EventDecoder(target)
