"""The pieces of a streamed answer, the same on every wire."""

from typing import Any

import msgspec

from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.reply import FinishReason, Reply
from llm_orchestrator.types.usage import Usage


class StreamEvent(msgspec.Struct, gc=False):
    """Base of all events. ``str(event)`` is the text to show, empty for all but `TextDelta`."""

    def __str__(self) -> str:
        return ""


class TextDelta(StreamEvent, gc=False):
    """A piece of the answer."""

    text: str

    def __str__(self) -> str:
        return self.text


class ReasoningDelta(StreamEvent, gc=False):
    """A piece of the model's thoughts; ``signature``/``redacted`` close a block."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None


class ToolCallDelta(StreamEvent, gc=False):
    """A piece of tool call number ``index``; ``id`` and ``name`` come with the first piece."""

    index: int
    arguments: str = ""
    id: str | None = None
    name: str | None = None
    signature: str | None = None


class UsageEvent(StreamEvent, gc=False):
    """What the answer has used so far; the last one counts."""

    usage: Usage
    reported_cost: Pico | None = None
    service_tier: str | None = None


class StartEvent(StreamEvent, gc=False):
    """The provider has begun to answer."""

    model: str = ""
    id: str = ""


class FinishEvent(StreamEvent, gc=False):
    """The terminal marker: without one, the answer is truncated."""

    reason: FinishReason
    extra: dict[str, Any] | None = None


class NoticeEvent(StreamEvent, gc=False):
    """Something was repaired on the way, such as a malformed chunk that was skipped."""

    text: str


class RestartEvent(StreamEvent, gc=False):
    """The answer broke off and starts again from its first word: forget the text so far."""

    reason: str
    provider: str
    model: str


class ContinueEvent(StreamEvent, gc=False):
    """The answer broke off and another attempt continues it where it stopped."""

    reason: str
    provider: str
    model: str


class EndEvent(StreamEvent, gc=True):
    """The last event: the whole reply, with cost and attempts."""

    reply: Reply
