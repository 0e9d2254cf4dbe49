"""What strategies see and say."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.request import Request


class Record(msgspec.Struct, frozen=True):
    """How often a model was right on work like this, by the user's own records."""

    right: float = 0.0
    asked: float = 0.0


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate that can take the request, with what is known of it beforehand."""

    candidate: Candidate
    expected_pico: Pico | None = None
    """What the request will probably cost there; ``None`` is an unknown price."""
    most_pico: Pico | None = None
    """The most that one attempt can cost; ``None`` when nothing bounds it."""
    first_token_s: float | None = None
    """Measured time to the first token, or the catalogue's; ``None`` is unknown."""
    tokens_per_s: float | None = None
    weight: float = 1.0
    warm: bool = False
    """The beginning of the request is in its prompt cache, at the price in ``expected_pico``."""
    spare: bool = False
    """Not a member of the chain or the ensemble: it may give a second opinion, or judge."""
    record: Record | None = None
    """``None`` is unknown."""

    @property
    def name(self) -> str:
        """``provider/model``."""
        return self.candidate.name


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One model's whole answer."""

    candidate: Candidate
    response: Response
    cost_pico: Pico | None = None
    """The cost of all attempts that it took; ``None`` is unknown."""
    latency_s: float = 0.0
    attempt_id: str = ""
    """The id of the attempt that brought it."""

    @property
    def name(self) -> str:
        """``provider/model``."""
        return self.candidate.name

    @property
    def text(self) -> str:
        """The answer's text."""
        return self.response.text


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a strategy did or left out, for `llmo explain`."""

    name: str
    """``provider/model``."""
    did: str
    """answered, failed, skipped, agreed, disagreed, judged or wrote."""
    why: str = ""
    confidence: float | None = None
    cost_pico: Pico | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer that a strategy chose, and why."""

    answer: Answer
    reason: str
    confidence: float | None = None
    """From 0 to 1; ``None`` where nothing measured it."""
    stopped: str = ""
    """Why it ended before it was satisfied, such as the call's cap: the answer is marked then."""
    members: tuple[Answer, ...] = ()
    """Every answer that was weighed, the chosen one among them."""
    steps: tuple[Step, ...] = ()
    notices: tuple[str, ...] = ()
    details: Mapping[str, Any] = {}
    """JSON values: agreement, dissent, all_confidences and the like."""


Ask: TypeAlias = Callable[[Candidate, Request], Awaitable[Answer]]
"""Asks one candidate, with its retries, and books what that costs.

Raises `BudgetError` when the call's cap does not pay for it, and the error of the last attempt when
the candidate does not answer. Any number may run at once.
"""

Strategy: TypeAlias = Callable[[Request, Sequence[Offer], Ask], Awaitable[Decision]]
"""Raises the first candidate's error when nobody answers; offers are never empty."""
