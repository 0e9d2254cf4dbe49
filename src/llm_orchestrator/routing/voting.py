"""A vote: whose word weighs how much, whom to ask first, and when it is decided."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from llm_orchestrator.routing.base import Offer

_EXACT_UP_TO = 12
"""Members of whom all sets are tried; beyond, the heaviest come first."""


def next_wave(
    waiting: Sequence[Offer], weights: Mapping[str, float], lead: float, second: float
) -> tuple[Offer, ...]:
    """Whom to ask next: the cheapest set that decides the vote if all of it joins the leaders.

    ``lead`` and ``second`` are the weights of the two strongest opinions so far. Empty when those
    that are waiting cannot change who leads.
    """
    total = sum(weights[one.name] for one in waiting)
    if not waiting or lead > second + total:
        return ()

    def decides(asked: Sequence[Offer]) -> bool:
        joined = sum(weights[one.name] for one in asked)
        return lead + joined > second + total - joined

    if len(waiting) <= _EXACT_UP_TO:
        sets = [
            asked
            for size in range(1, len(waiting) + 1)
            for asked in combinations(waiting, size)
            if decides(asked)
        ]
        if sets:
            return min(sets, key=lambda asked: (_cost(asked), len(asked)))
        return tuple(waiting)
    heaviest = sorted(waiting, key=lambda one: -weights[one.name])
    for size in range(1, len(heaviest) + 1):
        if decides(heaviest[:size]):
            return tuple(heaviest[:size])
    return tuple(waiting)


def _cost(offers: Sequence[Offer]) -> float:
    """The expected cost of all; unknown prices count for more than any known one."""
    return sum(
        1e30 if offer.expected_pico is None else float(offer.expected_pico) for offer in offers
    )


def dominant(members: Sequence[Offer], weights: Mapping[str, float]) -> Offer | None:
    """The member that the others together cannot outvote; ``None`` where members are equals."""
    best = max(members, key=lambda one: weights[one.name])
    others = sum(weights[one.name] for one in members) - weights[best.name]
    return best if weights[best.name] > others else None
