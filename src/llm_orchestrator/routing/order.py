"""Strategies that choose whom to ask first: by price, by speed, by share. No answer is judged."""

from collections.abc import Callable, Sequence
from math import inf
from random import random
from typing import TypeAlias

import msgspec

from llm_orchestrator.routing.base import Offer

TYPICAL_TOKENS = 400
"""Length of the answer that speeds are compared by."""


class Ordered(msgspec.Struct, frozen=True):
    """The offers, the best one first, and why it is."""

    offers: tuple[Offer, ...]
    reason: str


Order: TypeAlias = Callable[[Sequence[Offer]], Ordered]
"""Puts offers in order; there is at least one."""


def cheapest(offers: Sequence[Offer]) -> Ordered:
    """By the expected cost of the whole request; unknown prices last. Equals keep their order."""
    best, *rest = ordered = tuple(sorted(offers, key=_price))
    if best.expected_pico is None:
        return Ordered(ordered, f"{best.name} is the first of those whose prices are unknown")
    if not rest:
        return Ordered(ordered, f"{best.name} is the only one that can take the request")
    return Ordered(ordered, f"{best.name} is the cheapest of {len(ordered)} that can take it")


def fastest(offers: Sequence[Offer]) -> Ordered:
    """By the time that an answer of ordinary length takes, as measured or else as published."""
    best, *rest = ordered = tuple(sorted(offers, key=expected_s))
    seconds = expected_s(best)
    if seconds == inf:
        return Ordered(ordered, "nothing is known of anybody's speed: the order is the list's")
    took = "measured" if best.tokens_per_s is not None else "published, not measured yet"
    among = f"the fastest of {len(ordered)}" if rest else "the only one"
    return Ordered(ordered, f"{best.name} is {among}: about {seconds:.1f} s ({took})")


def expected_s(offer: Offer) -> float:
    """Seconds for an answer of `TYPICAL_TOKENS`; infinite where nothing is known."""
    if offer.first_token_s is None:
        return inf
    if offer.tokens_per_s is None:
        return offer.first_token_s
    return offer.first_token_s + TYPICAL_TOKENS / offer.tokens_per_s


def weighted(draw: Callable[[], float] = random) -> Order:
    """By lot: each comes first as often as its weight says; the rest follow in the same way.

    A member that has the request's beginning in its cache, and is cheaper for it, keeps the call.
    """

    def order(offers: Sequence[Offer]) -> Ordered:
        warm = [offer for offer in offers if offer.warm]
        # Efraimidis and Spirakis: the largest u ** (1/w) of each draw is a sample by weight.
        lots = sorted(offers, key=lambda offer: draw() ** (1 / offer.weight), reverse=True)
        if warm:
            kept = max(warm, key=lambda offer: offer.weight)
            rest = [offer for offer in lots if offer is not kept]
            return Ordered((kept, *rest), f"{kept.name} has the beginning of the prompt cached")
        first, total = lots[0], sum(offer.weight for offer in offers)
        share = f"{100 * first.weight / total:.0f} % of the calls"
        return Ordered(tuple(lots), f"{first.name} was drawn: it takes {share}")

    return order


def in_order(offers: Sequence[Offer]) -> Ordered:
    """As they stand."""
    return Ordered(tuple(offers), f"{offers[0].name} comes first in the list")


def _price(offer: Offer) -> float:
    return inf if offer.expected_pico is None else offer.expected_pico
