"""What a cascade will probably cost, worked out before anything is spent."""

from collections.abc import Mapping, Sequence

import msgspec

from llm_orchestrator.routing import weights
from llm_orchestrator.routing.base import Offer
from llm_orchestrator.routing.signals import Signal, Stage
from llm_orchestrator.types.money import Pico, usd_text

_CONVINCES = 0.85
"""How often a right answer is known for one, so that the chain ends with it."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a chain is expected to cost, next to its last member alone."""

    expected_pico: Pico | None
    """``None``: a price is unknown."""
    strong_pico: Pico | None
    asks: int
    """How often models are asked at most, retries apart."""

    @property
    def worth(self) -> bool:
        """Whether the chain is not expected to cost more than its last member alone."""
        if self.expected_pico is None or self.strong_pico is None:
            return True
        return self.expected_pico <= self.strong_pico

    def why(self, strong: Offer) -> str:
        """Why the chain is not begun."""
        return (
            f"the chain would probably cost {usd_text(self.expected_pico or 0)} USD, more than"
            f" {strong.name} alone ({usd_text(self.strong_pico or 0)} USD)"
        )


def stage(chain: Sequence[Offer], spares: Sequence[Offer], at: int, asked: Sequence[str]) -> Stage:
    """Where in the chain the answer of its ``at``-th member is judged."""
    last = chain[-1]
    # A second opinion that costs as much as the last member is none: that one can be asked itself.
    cheap = [spare for spare in spares if _below(spare.expected_pico, last.expected_pico)]
    others = [one for one in (*chain[at + 1 : -1], *cheap) if one.name not in asked]
    offers = (*chain, *spares)
    by_name = {offer.name: offer for offer in offers}
    return Stage(
        offer=chain[at],
        earlier=tuple(by_name[name] for name in asked if name != chain[at].name),
        others=tuple(one for one in others if one is not chain[at]),
        offers=offers,
    )


def _below(one: Pico | None, other: Pico | None) -> bool:
    return other is None if one is None else other is None or one < other


def plan(chain: Sequence[Offer], spares: Sequence[Offer], signal: Signal) -> Plan:
    """The plan of a chain whose answers ``signal`` judges; raises what `Signal.needs` raises.

    A member ends the chain as often as it is right, by its record or else as models usually are,
    and known to be.
    """
    expected: float | None = 0.0
    reached, most = 1.0, 0
    asked: list[str] = []
    for at, offer in enumerate(chain):
        paid = [] if offer.name in asked else [offer]
        if at < len(chain) - 1:
            needed = signal.needs(stage(chain, spares, at, [*asked, offer.name]))
            asked += [one.name for one in needed if one.name != offer.name]
            paid += needed
        asked.append(offer.name)
        most += len(paid)
        for one in paid:
            if one.expected_pico is None or expected is None:
                expected = None
            else:
                expected += reached * one.expected_pico
        reached *= 1 - _CONVINCES * weights.share(offer.record)
    return Plan(
        expected_pico=None if expected is None else round(expected),
        strong_pico=chain[-1].expected_pico,
        asks=most,
    )


def shown(found: Plan) -> Mapping[str, Pico | int | None]:
    """The plan for records."""
    return {"expected_pico": found.expected_pico, "strong_pico": found.strong_pico}
