"""Who gets how many items, in which lane: the words of planning."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import msgspec

from llm_orchestrator.types.money import Pico, to_usd

Lane: TypeAlias = Literal["batch", "online"]
"""A provider's batch, or calls in real time."""

SMALL = 100
"""Below so many items, single calls may do as well."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What an item of a task would cost and take with one model in one lane."""

    task: str
    provider: str
    model: str
    lane: Lane
    expected_pico: Pico | None
    """The expected cost of one item; ``None``: the price is unknown."""
    high_pico: Pico | None
    """The highest cost of one item; ``None``: nothing bounds it."""
    answer_pico: Pico = 0
    """What each token of the longest answer adds to that."""
    most_output: int = 0
    """Tokens of that answer."""
    likely_output: int = 0
    """Tokens of an answer as it is expected."""
    cuts: bool = False
    """Whether the longest answer may be made shorter: the task leaves it to us."""
    wait_s: float = 0.0
    """Until the answers are there, however many: how long the slower batches there take."""
    rate: float | None = None
    """Items a second that the provider's lane answers, of all tasks together; ``None``: as many as
    are asked at once."""
    least: int = 1
    """Items that there must be at least."""
    unit: int = 50_000
    """Items in one batch or chunk at most."""
    refusal: str | None = None
    """Why it cannot be had."""

    @property
    def target(self) -> str:
        """``provider/model``."""
        return f"{self.provider}/{self.model}"

    @property
    def place(self) -> tuple[str, str, Lane]:
        """What tasks share: the provider, its model and the lane."""
        return self.provider, self.model, self.lane

    def takes(self, items: int) -> bool:
        """Whether so few items can be had there at all."""
        return self.refusal is None and items >= self.least

    def high(self, tokens: int | None = None) -> Pico | None:
        """The highest cost of one item, with answers of so many tokens at most."""
        if self.high_pico is None or tokens is None or not self.cuts:
            return self.high_pico
        return self.high_pico - max(0, self.most_output - tokens) * self.answer_pico

    def longer(self, tokens: int) -> "Offer":
        """This offer with answers of up to so many tokens."""
        if tokens <= self.most_output:
            return self
        high = self.high_pico
        if high is not None:
            high += (tokens - self.most_output) * self.answer_pico
        return msgspec.structs.replace(self, most_output=tokens, high_pico=high)

    def seconds(self, items: int) -> float:
        """Until so many items are answered, if nobody else asks."""
        return self.wait_s + (items / self.rate if self.rate else 0.0)


class Group(msgspec.Struct, frozen=True):
    """Items of a task that may go to the same offers."""

    task: str
    items: int
    offers: tuple[Offer, ...]
    told: str = ""
    """Why not to others, where the user says so."""
    demand: int = 0
    """Whose items these are: its place among the demands."""


class Share(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Items of a task that go one way: ``items`` of them from ``first`` on, in their order."""

    task: str
    provider: str
    model: str
    lane: Lane
    first: int
    items: int
    expected_pico: Pico | None
    high_pico: Pico | None
    seconds: float
    """Until they are answered, by what is known."""
    unit: int
    """Items in one batch or chunk at most."""
    why: str
    demand: int = 0
    """Whose items these are: its place among the demands."""

    @property
    def target(self) -> str:
        """``provider/model``."""
        return f"{self.provider}/{self.model}"


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was decided, and why; the report shows them all."""

    kind: Literal["share", "limit", "cancel", "move", "wait", "note"]
    why: str
    at: float | None = None
    """Seconds since 1970 on the run's clock; ``None``: before it began."""
    task: str | None = None
    provider: str | None = None
    model: str | None = None
    lane: Lane | None = None
    items: int | None = None
    work_id: str | None = None


class BulkPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How a run, or what is left of one, is to be done."""

    shares: tuple[Share, ...]
    decisions: tuple[Decision, ...] = ()
    expected_pico: Pico | None
    high_pico: Pico | None
    """At most; under a cap never more than that."""
    seconds: float
    """Until the last item is answered, by what is known."""
    late: bool = False
    """Whether it will not be done by the deadline, whatever is done."""
    each: bool = False
    """Whether every item is asked of everybody, to be merged; else it is in one share."""
    max_tokens: Mapping[str, int] = {}
    """Tasks whose answers are cut to what the cap pays for."""

    @property
    def expected(self) -> Decimal | None:
        """USD that it will probably cost."""
        return None if self.expected_pico is None else to_usd(self.expected_pico)

    @property
    def high(self) -> Decimal | None:
        """USD that it costs at most."""
        return None if self.high_pico is None else to_usd(self.high_pico)

    def as_dict(self) -> dict[str, Any]:
        """As JSON data, for the run's row and its report."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return made
