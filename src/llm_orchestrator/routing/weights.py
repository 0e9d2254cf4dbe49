"""What the word of a model weighs: the log-odds that it is right, clipped."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import msgspec

from llm_orchestrator.routing.base import Offer, Record

USUAL = 0.7
"""How often a model of which nothing is known is right."""
_DOUBT = 10.0
"""Answers that the usual share counts for, next to those on record."""
LEAST, MOST = 0.05, 3.0
"""Bounds of a weight. A model that is mostly wrong still counts for more than nothing."""
_TRUST_IN_START = 25.0
"""Ballots that the weights to start from count for, when weights are fitted."""
_ROUNDS = 500


def share(record: Record | None, usual: float = USUAL) -> float:
    """How often a model is right, by its record and, where that is short, what is usual."""
    if record is None:
        return usual
    return (record.right + _DOUBT * usual) / (record.asked + _DOUBT)


def weight(right: float) -> float:
    """The weight of a model that is right so often."""
    right = min(max(right, 1e-3), 1 - 1e-3)
    return min(max(math.log(right / (1 - right)), LEAST), MOST)


def of(offers: Sequence[Offer], given: Mapping[str, float] | None = None) -> dict[str, float]:
    """The weight of each offer: as given, by its record, or the usual one.

    Models without a record are taken for as good as the others are on the average.
    """
    known = [share(offer.record) for offer in offers if offer.record and offer.record.asked > 0]
    usual = sum(known) / len(known) if known else USUAL
    made = {offer.name: weight(share(offer.record, usual)) for offer in offers}
    return {name: (given or {}).get(name, own) for name, own in made.items()}


class Ballot(msgspec.Struct, frozen=True):
    """A past vote: who said the same as whom, and whose answer was right."""

    sets: tuple[frozenset[str], ...]
    right: frozenset[str]


def fitted(ballots: Iterable[Ballot], start: Mapping[str, float]) -> dict[str, float]:
    """The weights under which the right answers of past votes would most likely have won.

    Unlike weights made of each model's record alone, they know that models err together. The fewer
    ballots, the nearer they stay to ``start``.
    """
    told = Counter(found for ballot in ballots if (found := _told(ballot, start)) is not None)
    weights = dict(start)
    step = 1.0 / (0.5 * told.total() + _TRUST_IN_START)
    for _ in range(_ROUNDS):
        pull = {name: _TRUST_IN_START * (start[name] - now) for name, now in weights.items()}
        for (sets, wanted), times in told.items():
            shares = soft([sum(weights[name] for name in names) for names in sets])
            for names, want, got in zip(sets, wanted, shares, strict=True):
                for name in names:
                    pull[name] += times * (want - got)
        weights = {
            name: min(max(now + step * pull[name], LEAST), MOST) for name, now in weights.items()
        }
    return weights


_Told: TypeAlias = tuple[tuple[tuple[str, ...], ...], tuple[float, ...]]


def _told(ballot: Ballot, known: Mapping[str, float]) -> _Told | None:
    """The sets of a ballot and how right each was; ``None`` where it teaches nothing."""
    all_sets = sorted(tuple(sorted(names & known.keys())) for names in ballot.sets)
    sets = tuple(names for names in all_sets if names)
    right = [sum(name in ballot.right for name in names) / len(names) for names in sets]
    total = sum(right)
    if len(sets) < 2 or not total:
        return None
    return sets, tuple(value / total for value in right)


def soft(scores: Sequence[float]) -> list[float]:
    """Scores as shares that add up to 1."""
    most = max(scores)
    raised = [math.exp(score - most) for score in scores]
    total = sum(raised)
    return [value / total for value in raised]
