"""How sure one may be of an answer: the contract of confidence signals."""

from typing import Any, Protocol

import msgspec

from llm_orchestrator.routing.base import Answer, Ask, Offer, Step
from llm_orchestrator.types.request import Request


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to be judged, with all that may help."""

    request: Request
    answer: Answer
    offer: Offer
    """Who gave it."""
    earlier: tuple[Answer, ...] = ()
    """What other models have answered so far, the first one first."""
    others: tuple[Offer, ...] = ()
    """Who may be asked for a second opinion: not asked so far, the chain's order, then spares."""
    ask: Ask


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """How sure one may be, and why."""

    confidence: float | None
    """From 0 to 1; ``None``: the signal cannot tell."""
    why: str = ""
    best: Answer | None = None
    """The answer that it is about, where that is not the one that was asked about."""
    asked: tuple[Answer, ...] = ()
    """New answers of other models, which the chain need not ask again."""
    steps: tuple[Step, ...] = ()
    notices: tuple[str, ...] = ()
    details: dict[str, Any] = {}


class Signal(Protocol):
    """Judges an answer; may ask models through `Case.ask`, whose `BudgetError` it lets through."""

    @property
    def name(self) -> str: ...

    async def __call__(self, case: Case) -> Judgement: ...

    def extra(self, offer: Offer, others: tuple[Offer, ...]) -> int | None:
        """What judging an answer of ``offer`` will cost, in pico-dollars; ``None`` is unknown."""
        ...


class Scorer(Protocol):
    """A learned estimate of whether an answer is right, from 0 to 1; ``None``: it does not know."""

    def __call__(self, request: Request, answer: Answer) -> float | None: ...
