"""The answer that the pieces of a stream add up to."""

import msgspec

from llm_orchestrator.dialects.base import MALFORMED, UNREADABLE
from llm_orchestrator.errors import BadReplyError
from llm_orchestrator.types.events import (
    FinishEvent,
    NoticeEvent,
    ReasoningDelta,
    StartEvent,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)
from llm_orchestrator.types.reply import FinishReason, Response
from llm_orchestrator.types.request import Part, Reasoning, Text, ToolCall


class Assembly:
    """Collects events; `response` is the answer so far."""

    __slots__ = (
        "_calls",
        "_pieces",
        "_reasoning",
        "_signatures",
        "_text",
        "extra",
        "id",
        "model",
        "notices",
        "reason",
    )

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.restart()

    def restart(self) -> None:
        """Forget the answer so far."""
        self._text: list[str] = []
        self._reasoning: list[Reasoning] = []
        self._pieces: list[str] = []
        self._calls: dict[int, list[str]] = {}
        self._signatures: dict[int, str] = {}
        self.reason: FinishReason = "other"
        self.model = self.id = ""
        self.extra: dict[str, object] | None = None

    def add(self, event: StreamEvent) -> None:
        """One more piece."""
        match event:
            case TextDelta():
                self._text.append(event.text)
            case ReasoningDelta():
                self._thought(event)
            case ToolCallDelta():
                call = self._calls.setdefault(event.index, [event.id or "", event.name or ""])
                call[0], call[1] = event.id or call[0], event.name or call[1]
                call.append(event.arguments)
                if event.signature is not None:
                    self._signatures[event.index] = event.signature
            case StartEvent():
                self.model, self.id = event.model, event.id
            case FinishEvent():
                self.reason, self.extra = event.reason, event.extra
            case NoticeEvent():
                self.notices.append(event.text)

    def _thought(self, event: ReasoningDelta) -> None:
        if event.redacted is not None:
            self._reasoning.append(Reasoning(redacted=event.redacted))
        elif event.signature is not None:
            self._close_thought(event.signature)
        else:
            self._pieces.append(event.text)

    def _close_thought(self, signature: str | None) -> None:
        if self._pieces or signature:
            self._reasoning.append(Reasoning(text="".join(self._pieces), signature=signature))
            self._pieces = []

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    @property
    def begun(self) -> bool:
        """Whether the user has seen anything of the answer."""
        return bool(self._text or self._calls or self._pieces or self._reasoning)

    @property
    def continuable(self) -> bool:
        """Whether all of it is plain text, which another attempt can go on from."""
        return bool(self.text.strip()) and not self._calls

    def _check_calls(self) -> None:
        """A chunk that was skipped may have held a piece of a tool's arguments."""
        if MALFORMED not in self.notices:
            return
        for call in self._calls.values():
            try:
                msgspec.json.decode("".join(call[2:]) or "{}")
            except UNREADABLE:
                raise BadReplyError(
                    f"a malformed chunk took a piece of the arguments of {call[1]}",
                    code="malformed_chunk",
                ) from None

    def response(self) -> Response:
        """The answer; its usage is the attempts' to know.

        Raises `BadReplyError` when a malformed chunk left a tool call without its arguments.
        """
        self._check_calls()
        self._close_thought(None)
        parts: list[Part] = list(self._reasoning)
        if text := self.text:
            parts.append(Text(text=text))
        parts += [
            ToolCall(
                id=call[0],
                name=call[1],
                arguments="".join(call[2:]) or "{}",
                signature=self._signatures.get(index),
            )
            for index, call in sorted(self._calls.items())
        ]
        return Response(tuple(parts), self.reason, None, self.model, self.id, extra=self.extra)
