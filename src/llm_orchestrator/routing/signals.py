"""How sure one may be of an answer: the contract of confidence signals."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import msgspec

from llm_orchestrator.routing.base import Answer, Ask, Offer, Step
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """Where in a chain an answer is judged; known before anything is spent."""

    offer: Offer
    """Who answers."""
    earlier: tuple[Offer, ...] = ()
    """Who has answered before, the first one first."""
    others: tuple[Offer, ...] = ()
    """Who may give second opinions: members of the chain but its last, then spares; none of them
    has been asked so far."""
    offers: tuple[Offer, ...] = ()
    """Everybody who can be asked."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to be judged, with all that may help."""

    request: Request
    answer: Answer
    stage: Stage
    earlier: tuple[Answer, ...] = ()
    """What other models have answered so far, the first one first."""
    weights: Mapping[str, float] = {}
    """What the word of each model weighs, by ``provider/model``."""
    threshold: float = 0.6
    """Confidence that is enough: more need not be paid for."""
    final: bool = False
    """Nobody is left to turn to: what costs money would change nothing."""
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
    details: Mapping[str, Any] = {}


class Signal(Protocol):
    """Judges an answer; may ask models through `Case.ask`, whose `BudgetError` it lets through."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        ...

    async def __call__(self, case: Case) -> Judgement:
        """How sure one may be of the answer of a case."""
        ...

    def needs(self, stage: Stage) -> tuple[Offer, ...]:
        """Whom it will ask to judge an answer: each as often as it is asked."""
        ...


@runtime_checkable
class Preparing(Protocol):
    """A signal that needs something asked for along with the answers that it judges."""

    def prepare(self, request: Request, candidate: Candidate) -> Request:
        """The request as a member of the chain is asked."""
        ...


class Scorer(Protocol):
    """A learned estimate of whether an answer is right, from 0 to 1; ``None``: it does not know."""

    def __call__(self, request: Request, answer: Answer) -> float | None:
        """How likely the answer is to be right."""
        ...
