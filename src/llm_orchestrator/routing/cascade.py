"""Fallback by confidence: a chain of models, the cheap ones first, until an answer convinces."""

from collections.abc import Sequence

from llm_orchestrator.routing.base import Ask, Decision, Offer, Strategy
from llm_orchestrator.routing.signals import Scorer, Signal
from llm_orchestrator.types.request import Request

THRESHOLD = 0.6


def fallback(
    *,
    confidence: str | Signal = "agreement",
    threshold: float = THRESHOLD,
    k: int = 3,
    scorer: Scorer | None = None,
    judge: str | None = None,
    planned: bool = True,
) -> Strategy:
    """Asks the offers in their order until an answer is at least as sure as ``threshold``.

    ``confidence`` is a signal or the name of one: agreement, self_consistency (of ``k`` answers),
    logprobs, judge (by the model ``judge``, else the cheapest that can), learned (by ``scorer``)
    or phrases. Offers marked ``spare`` give second opinions only. With ``planned``, a chain that
    will probably cost more than its last member alone is not begun: that one is asked at once.

    Raises `InvalidRequestError` for a threshold outside 0..1, an unknown signal, or one that lacks
    what it needs.
    """

    async def strategy(request: Request, offers: Sequence[Offer], ask: Ask) -> Decision:
        raise NotImplementedError

    return strategy
