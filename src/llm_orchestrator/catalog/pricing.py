"""From usage to cost: exact integers, and ``None`` wherever a rate that is needed is unknown."""

import datetime as dt
from typing import Literal, TypeAlias

import msgspec

from llm_orchestrator.types.model import Model, Price, Rates, Tier
from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.usage import Usage

Writes: TypeAlias = Literal["none", "short", "hour"]
"""What a request may write to the provider's cache: nothing, for minutes, or for an hour."""


class Part(msgspec.Struct, frozen=True):
    """One line of a bill: ``quantity`` tokens or pieces at ``rate`` pico-dollars each."""

    name: str
    quantity: int
    rate: Pico | None
    cost: Pico | None


class Breakdown(msgspec.Struct, frozen=True, kw_only=True):
    """How a cost came about."""

    parts: tuple[Part, ...]
    total: Pico | None
    """The sum, ``None`` when a rate is unknown."""
    tier: Tier = "standard"
    price_from: str | None = None
    """First day of the price, ``None`` when it always held."""
    above: int | None = None
    """The input size above which the long-context rates of this call hold."""
    estimated: bool = False
    """Whether the usage, or a general batch discount, was estimated."""

    @property
    def missing(self) -> tuple[str, ...]:
        """The rates that were needed and are unknown."""
        return tuple(part.name for part in self.parts if part.cost is None)


def price_on(model: Model, at: dt.date | None = None) -> Price | None:
    """The price that holds on a day or at a moment (now by default; UTC days)."""
    prices = model.prices
    if not prices:
        return None
    last = prices[-1]
    if last.from_ is None:
        return last
    if at is None:
        at = dt.datetime.now(dt.UTC)
    if isinstance(at, dt.datetime):
        at = at.astimezone(dt.UTC).date() if at.tzinfo else at.date()
    day = at.isoformat()
    for price in reversed(prices):
        if price.from_ is None or price.from_ <= day:
            return price
    return None


def cost(
    usage: Usage,
    model: Model,
    *,
    at: dt.date | None = None,
    tier: Tier = "standard",
    searches: int = 0,
) -> Pico | None:
    """What a call cost; ``None`` when the price, or a rate that this usage needs, is unknown."""
    price = price_on(model, at)
    if price is None:
        return None
    rates = _rates(price, usage.input_tokens, tier)
    if rates is None:
        return None
    plain = not (usage.cache_read_tokens or usage.cache_write_tokens or searches)
    if plain and rates.per_request is None and rates.input is not None and rates.output is not None:
        # Nearly all calls: two products instead of seven lines.
        return usage.input_tokens * rates.input + usage.output_tokens * rates.output
    total = 0
    for _, quantity, rate in _lines(usage, rates, searches):
        if quantity:
            if rate is None:
                return None
            total += quantity * rate
    return total


def breakdown(
    usage: Usage,
    model: Model,
    *,
    at: dt.date | None = None,
    tier: Tier = "standard",
    searches: int = 0,
) -> Breakdown:
    """The cost of a call by its parts; lines without a quantity are left out."""
    price = price_on(model, at)
    rates = None if price is None else _rates(price, usage.input_tokens, tier)
    parts = tuple(
        Part(name, quantity, rate, None if rate is None else quantity * rate)
        for name, quantity, rate in _lines(usage, rates or Rates(), searches)
        if quantity
    )
    known = rates is not None and all(part.cost is not None for part in parts)
    batch_estimated = tier == "batch" and price is not None and price.batch_estimated
    return Breakdown(
        parts=parts,
        total=sum(part.cost or 0 for part in parts) if known else None,
        tier=tier,
        price_from=None if price is None else price.from_,
        above=None if price is None else _threshold(price, usage.input_tokens),
        estimated=usage.estimated or batch_estimated,
    )


def upper_bound(
    input_tokens: int,
    max_output: int | None,
    model: Model,
    *,
    at: dt.date | None = None,
    tier: Tier = "standard",
    writes: Writes = "short",
    searches: int = 0,
) -> Pico | None:
    """The most that a call can cost, to be held before it is sent; ``None`` when unknown.

    ``input_tokens`` is an upper bound itself, so every input size below it is thought of, and an
    answer as long as ``max_output`` (the model's own limit when ``None``). A tier whose price is
    unknown or estimated is held at the standard price.
    """
    price = price_on(model, at)
    output_tokens = model.max_output if max_output is None else max_output
    if price is None or (output_tokens is None and model.mode != "embedding"):
        return None
    if tier == "standard" and not price.above:
        return _bound(price, input_tokens, output_tokens or 0, writes, searches)
    if _special(price, tier) is None or (tier == "batch" and price.batch_estimated):
        tier = "standard"
    # Every size up to the bound may turn out to be real, so each block counts at its largest.
    sizes = [step.tokens for step in price.above if step.tokens < input_tokens]
    worst = 0
    for size in (*sizes, input_tokens):
        bound = _bound(_rates(price, size, tier), size, output_tokens or 0, writes, searches)
        if bound is None:
            return None
        worst = max(worst, bound)
    return worst


def _bound(
    rates: Rates | None, input_tokens: int, output_tokens: int, writes: Writes, searches: int
) -> Pico | None:
    if rates is None or rates.input is None or (output_tokens and rates.output is None):
        return None
    if searches and rates.search is None:
        return None
    dearest = max(rates.input, rates.cache_read or 0)
    if writes != "none":
        dearest = max(dearest, rates.cache_write or 0)
    if writes == "hour":
        dearest = max(dearest, rates.cache_write_1h or 0)
    return (
        input_tokens * dearest
        + output_tokens * (rates.output or 0)
        + (rates.per_request or 0)
        + searches * (rates.search or 0)
    )


def _lines(usage: Usage, rates: Rates, searches: int) -> tuple[tuple[str, int, Pico | None], ...]:
    hour = usage.cache_write_1h_tokens
    # A wire that reports more cached tokens than input must not make a call cheaper than nothing.
    fresh = max(0, usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens)
    read = rates.input if rates.cache_read is None else rates.cache_read
    return (
        ("input", fresh, rates.input),
        ("cache_read", usage.cache_read_tokens, read),
        ("cache_write", usage.cache_write_tokens - hour, rates.cache_write),
        ("cache_write_1h", hour, rates.cache_write_1h),
        ("output", usage.output_tokens, rates.output),
        ("request", 0 if rates.per_request is None else 1, rates.per_request),
        ("search", searches, rates.search),
    )


def _threshold(price: Price, input_tokens: int) -> int | None:
    return max((step.tokens for step in price.above if input_tokens > step.tokens), default=None)


def _special(block: Rates, tier: Tier) -> Rates | None:
    """The rates that a tier changes in a block; the block itself for the standard tier."""
    found: Rates | None = block if tier == "standard" else getattr(block, tier, None)
    return found


def _rates(price: Price, input_tokens: int, tier: Tier) -> Rates | None:
    """The rates of one call, ``None`` when the model has no price for the tier."""
    block: Rates = price
    for step in price.above:
        if input_tokens > step.tokens:
            block = step
    if tier == "standard" and block is price:
        return price
    if _special(price, tier) is None:
        return None
    # A tier that is not offered for long inputs leaves their standard rates.
    special = _special(block, tier) or block
    return Rates(
        input=block.input if special.input is None else special.input,
        output=block.output if special.output is None else special.output,
        cache_read=block.cache_read if special.cache_read is None else special.cache_read,
        cache_write=block.cache_write if special.cache_write is None else special.cache_write,
        cache_write_1h=(
            block.cache_write_1h if special.cache_write_1h is None else special.cache_write_1h
        ),
        per_request=price.per_request,
        search=price.search,
    )
