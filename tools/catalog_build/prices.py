"""The form in which both sources are brought before they are merged."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal

Rates = dict[str, int]
"""Rate name -> pico-dollars per token (per request or query for the last two names)."""

NAMES = (
    "input",
    "output",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "per_request",
    "search",
)
TOKEN_NAMES = NAMES[:5]
TIERS = ("batch", "flex", "priority")


@dataclass
class Block:
    """Rates up to a size of the input, and what the service tiers change in them."""

    rates: Rates = field(default_factory=dict)
    tiers: dict[str, Rates] = field(default_factory=dict)


@dataclass
class Period:
    """The price from a day on (``None`` is always): the base block and the long-context ones."""

    start: str | None = None
    base: Block = field(default_factory=Block)
    above: dict[int, Block] = field(default_factory=dict)

    def same_price(self, other: Period) -> bool:
        """Whether everything but the first day is equal."""
        return self.base == other.base and self.above == other.above

    def without(self, name: str) -> None:
        """Takes a rate out everywhere."""
        for block in (self.base, *self.above.values()):
            for rates in (block.rates, *block.tiers.values()):
                rates.pop(name, None)


def pico(usd: Decimal, per: int = 1) -> int:
    """Pico-dollars of one unit when ``per`` units cost ``usd``; the nearest whole number."""
    exact = usd * 10**12 / per
    return int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))


def as_rows(periods: list[Period]) -> list[dict[str, object]]:
    """The ``prices`` list of the data file."""
    rows: list[dict[str, object]] = []
    for period in periods:
        row: dict[str, object] = {} if period.start is None else {"from": period.start}
        row |= _block(period.base)
        if period.above:
            row["above"] = [
                {"tokens": tokens} | _block(block, TOKEN_NAMES)
                for tokens, block in sorted(period.above.items())
            ]
        rows.append(row)
    return rows


def _block(block: Block, names: tuple[str, ...] = NAMES) -> dict[str, object]:
    row: dict[str, object] = {name: block.rates[name] for name in names if name in block.rates}
    for tier in TIERS:
        if tier in block.tiers:
            rates = block.tiers[tier]
            row[tier] = {name: rates[name] for name in TOKEN_NAMES if name in rates}
    return row
