"""From the events of a stream to ours. Its last event holds the whole response and the usage."""

from typing import Any

import msgspec

from llm_orchestrator.dialects import reported
from llm_orchestrator.dialects.openai_faults import from_body
from llm_orchestrator.dialects.responses.decode import (
    Content,
    Item,
    WireResponse,
    call_id,
    failed,
    finish,
    notes,
    read_usage,
    seal,
)
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


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    response: WireResponse | None = None
    item: Item | None = None
    output_index: int = 0
    summary_index: int = 0
    delta: str | None = None
    error: Any = None
    message: Any = None
    code: Any = None


# Only what is read: events of other types may hold anything under the same names.
class _Kind(msgspec.Struct, gc=False):
    type: str = ""
    error: Any = None


_kind = msgspec.json.Decoder(_Kind).decode
_read = msgspec.json.Decoder(_Event).decode

_REFUSAL = "response.refusal.delta"
_TEXTS = frozenset(("response.output_text.delta", _REFUSAL))
_THOUGHTS = frozenset(("response.reasoning_summary_text.delta", "response.reasoning_text.delta"))
_ENDS = frozenset(("response.completed", "response.incomplete", "response.failed"))
_BEGINS = frozenset(("response.created", "response.in_progress", "response.queued"))
_READ = _TEXTS | _THOUGHTS | _ENDS | _BEGINS
_READ |= {
    "response.reasoning_summary_part.added",
    "response.output_item.added",
    "response.output_item.done",
    "response.function_call_arguments.delta",
    "error",
}


class EventDecoder(SSEDecoder):
    """Reads the events of one response, by the type in their data."""

    __slots__ = ("_calls", "_refused", "_started", "_told")

    def __init__(self, target: Candidate) -> None:
        super().__init__(target)
        self._started = False
        self._refused = False
        self._calls: dict[int, int] = {}  # output item to number of the tool call
        self._told: set[int] = set()  # output items of which pieces came

    def _one(self, payload: bytes, out: list[StreamEvent]) -> None:
        kind = _kind(payload)
        if kind.type not in _READ and not kind.error:
            return  # of the server's own tools, or what is told in pieces anyway
        event = _read(payload)
        if kind.type == "error" or (kind.error and kind.type not in _READ):
            error = event.error or {"message": event.message, "code": event.code}
            self._fail(from_body({"error": error}, self._target, None), out)
        elif self.finished:
            return
        elif kind.type in _TEXTS:
            self._told.add(event.output_index)
            self._refused = kind.type == _REFUSAL
            if event.delta:
                out.append(TextDelta(event.delta))
        elif kind.type in _ENDS:
            response = event.response or WireResponse()
            response.status = response.status or kind.type.removeprefix("response.")
            self._end(response, payload, out)
        elif kind.type in _BEGINS:
            self._start(event.response or WireResponse(), out)
        else:
            self._piece(event, out)

    def _piece(self, event: _Event, out: list[StreamEvent]) -> None:
        item = event.item or Item()
        match event.type:
            case "response.function_call_arguments.delta":
                if event.delta and event.output_index in self._calls:
                    self._told.add(event.output_index)
                    out.append(ToolCallDelta(self._calls[event.output_index], event.delta))
            case "response.output_item.added":
                self._begin(event.output_index, item, out)
            case "response.output_item.done":
                self._done(event.output_index, item, out)
            case "response.reasoning_summary_part.added":
                if event.summary_index:
                    out.append(ReasoningDelta("\n\n"))
            case _:
                out.append(ReasoningDelta(event.delta or ""))

    def _start(self, response: WireResponse, out: list[StreamEvent]) -> None:
        if not self._started:
            self._started = True
            out.append(StartEvent(response.model or self._target.model.id, response.id))

    def _begin(self, index: int, item: Item, out: list[StreamEvent]) -> None:
        if item.type == "function_call" and index not in self._calls:
            number = self._calls[index] = len(self._calls)
            if item.arguments:
                self._told.add(index)
            out.append(ToolCallDelta(number, item.arguments or "", call_id(item), item.name or ""))

    def _done(self, index: int, item: Item, out: list[StreamEvent]) -> None:
        """An item is whole: what had not come in pieces comes now."""
        if item.type == "reasoning":
            if sealed := seal(item):
                out.append(ReasoningDelta(signature=sealed))
        elif item.type == "function_call":
            if index not in self._calls:
                self._begin(index, item, out)
            elif index not in self._told and item.arguments:
                out.append(ToolCallDelta(self._calls[index], item.arguments))
        elif item.type == "message" and index not in self._told:
            out += [TextDelta(text) for piece in item.content or () if (text := _said(piece))]

    def _end(self, response: WireResponse, payload: bytes, out: list[StreamEvent]) -> None:
        extra, cost = reported.beside(payload, self._target.provider.quirks, "response")
        if (usage := read_usage(response)) is not None:
            out.append(UsageEvent(usage, cost, response.service_tier))
        if response.error or response.status in {"failed", "cancelled"}:
            self.failure = failed(response.error, response.status, self._target, None)
            return
        self.finished = self.settled = True
        reason = finish(response)
        if reason == "stop" and (self._calls or self._refused):
            reason = "tool_calls" if self._calls else "content_filter"
        extra |= notes(response.output or [])
        out.append(FinishEvent(reason, extra or None))


def _said(piece: Content) -> str:
    return piece.text or piece.refusal or ""


def events(target: Candidate) -> EventDecoder:
    """A decoder for one streamed reply."""
    return EventDecoder(target)
