"""Several models at once: a vote, a judge, or the classic scoring."""

from collections.abc import Mapping, Sequence
from typing import Any

from llm_orchestrator.routing.base import Ask, Decision, Offer, Strategy
from llm_orchestrator.types.request import Request

SIZE = 3


def auto(
    *, size: int = SIZE, weights: Mapping[str, float] | None = None, judge: str | None = None
) -> Strategy:
    """`vote` where the answers can be compared, else `judge` over the answers there are."""
    return _todo()


def vote(
    *, size: int = SIZE, weights: Mapping[str, float] | None = None, early: bool = True
) -> Strategy:
    """The answer with the most weight behind it.

    ``weights`` (``provider/model`` -> weight) stand in for those made from the offers' records.
    With ``early``, members that cannot change the result are not asked.
    """
    return _todo()


def judge(*, size: int = SIZE, by: str | None = None, synthesise: bool = True) -> Strategy:
    """A judge (``by``, else the cheapest that can) picks an answer or writes a better one."""
    return _todo()


def classic(*, size: int = SIZE, levels: Mapping[str, int] | None = None) -> Strategy:
    """The classic scoring: 50 % confidence, 30 % level of the model (1 to 4), 20 % length."""
    return _todo()


def synthesize_responses(responses: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The classic synthesis of answers that are there: dicts with ``response``, ``model`` etc."""
    raise NotImplementedError


def _todo() -> Strategy:
    async def strategy(request: Request, offers: Sequence[Offer], ask: Ask) -> Decision:
        raise NotImplementedError

    return strategy
