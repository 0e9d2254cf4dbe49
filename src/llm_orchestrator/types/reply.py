"""What comes back: of one attempt (`Response`) and of the whole call (`Reply`)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import msgspec

from llm_orchestrator.types.money import Pico, to_usd
from llm_orchestrator.types.request import Part, Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import Usage

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "other"]


class Response(msgspec.Struct, frozen=True, gc=False):
    """A decoded reply of one attempt."""

    parts: tuple[Part, ...]
    finish_reason: FinishReason
    usage: Usage | None
    """``None`` when the provider reported none: unknown, not zero."""
    model: str = ""
    """The model that the provider says answered."""
    id: str = ""
    request_id: str | None = None
    reported_cost: Pico | None = None
    """The cost that the provider itself reports, which wins over any table."""
    service_tier: str | None = None
    extra: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The answer's text."""
        if len(self.parts) == 1 and type(self.parts[0]) is Text:
            return self.parts[0].text
        return "".join(part.text for part in self.parts if isinstance(part, Text))


class AttemptInfo(msgspec.Struct, frozen=True, gc=False):
    """One wire request of a call, as the ledger has it."""

    id: str
    provider: str
    model: str
    status: str
    """ok, error, truncated, cancelled, or dropped: it was refused before it went out."""
    error: str | None = None
    status_code: int | None = None
    cost_pico: Pico | None = None
    usage: Usage | None = None
    latency_s: float = 0.0

    @property
    def cost(self) -> Decimal | None:
        """USD; ``None`` is unknown."""
        return None if self.cost_pico is None else to_usd(self.cost_pico)


class Reply(msgspec.Struct, frozen=True):
    """The answer to a call, with who gave it, what it cost and what was tried."""

    content: str
    provider: str
    model: str
    cost_pico: Pico | None
    usage: Usage
    attempts: tuple[AttemptInfo, ...]
    finish_reason: FinishReason
    id: str
    parts: tuple[Part, ...] = ()
    parsed: Any = None
    """The answer as the type that was asked for with ``schema=``."""
    notices: tuple[str, ...] = ()
    """What was dropped, translated or repaired on the way."""
    latency_s: float = 0.0
    request_id: str | None = None
    extra: dict[str, Any] | None = None
    cached: bool = False
    """It came from the cache: nothing was sent, ``cost`` is 0 and ``usage`` what it took once."""
    saved_pico: Pico | None = None
    """What it cost when it was made, if it is `cached`."""
    strategy: str = "fallback"
    """How the answer was sought."""
    confidence: float | None = None
    """How sure the strategy is of it, from 0 to 1; ``None`` where nothing measured it."""
    stopped: str = ""
    """Why the strategy ended before it was satisfied, such as the call's cap."""
    routing: Mapping[str, Any] | None = None
    """Who could have answered, why this one did, and what the others said: as JSON values."""

    @property
    def cost(self) -> Decimal | None:
        """USD of all attempts whose cost is known; ``None`` when the answer's own is not.

        ``notices`` name the attempts that are missing in it.
        """
        return None if self.cost_pico is None else to_usd(self.cost_pico)

    @property
    def saved(self) -> Decimal | None:
        """USD that were not spent, as the answer was `cached`; ``None`` is unknown, or nothing."""
        return None if self.saved_pico is None else to_usd(self.saved_pico)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools that the model wants called."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))

    @property
    def reasoning(self) -> str:
        """The model's thoughts, where the provider shows them."""
        return "".join(part.text for part in self.parts if isinstance(part, Reasoning))

    def __str__(self) -> str:
        return self.content
