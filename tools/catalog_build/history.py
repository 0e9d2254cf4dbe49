"""Reads genai-prices: effective dates, long-context cliffs and tiers of the models it knows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tools.catalog_build.prices import TIERS, Block, Period, Rates, pico

MILLION = 10**6
_UNITS = {
    "input_mtok": ("input", MILLION),
    "output_mtok": ("output", MILLION),
    "cache_read_mtok": ("cache_read", MILLION),
    "cache_write_mtok": ("cache_write", MILLION),
    "cache_write_1h_mtok": ("cache_write_1h", MILLION),
    "requests_kcount": ("per_request", 1000),
    "web_searches_kcount": ("search", 1000),
}
_CONTEXTS: dict[str, dict[str, str]] = {
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
}


def providers() -> dict[str, Any]:
    """The providers of the installed package by its own ids."""
    # A development tool only: the package itself must never be imported at run time.
    from genai_prices import data

    return {provider.id: provider for provider in data.providers}


def find(provider: Any, model_id: str) -> Any | None:
    """The entry that its patterns give for a model id, if any."""
    return provider.find_model(model_id)


def names(model: Any) -> list[str]:
    """Names that the entry's pattern spells out in full."""
    return sorted({name for name in _equals(model.match) if name != model.id})


def _equals(clause: Any) -> Iterator[str]:
    kind = type(clause).__name__
    if kind == "ClauseEquals":
        yield clause.equals
    elif kind == "ClauseOr":
        for inner in clause.or_:
            yield from _equals(inner)


def is_free(model: Any) -> bool:
    """Whether the entry says that the model costs nothing (it has a price without rates)."""
    if isinstance(model.prices, list):
        return False
    return not any(value is not None for value in model.prices.__dict__.values())


def periods(model: Any) -> list[Period]:
    """The prices of an entry, oldest first; rates that are no token rates are left out.

    A variant (a batch or service-tier rate) carries the day on which its source was checked, not
    the day on which the discount began, so its first appearance is carried back over the days
    with the same standard rates.
    """
    dates = _dates(model)
    spans = [_period(model, date) for date in dates]
    for later, earlier in zip(spans[:0:-1], spans[-2::-1], strict=True):
        _carry_back(earlier, later)
    merged: list[Period] = []
    for span in spans:
        if not merged or not merged[-1].same_price(span):
            merged.append(span)
    return merged


def _dates(model: Any) -> list[dt.date | None]:
    found: set[dt.date] = set()
    conditions = model.prices if isinstance(model.prices, list) else []
    for condition in [*conditions, *(model.price_variants or [])]:
        if condition.constraint is None:
            continue
        if not hasattr(condition.constraint, "start_date"):
            raise ValueError(f"{model.id}: prices by time of day are not understood")
        found.add(condition.constraint.start_date)
    return [None, *sorted(found)]


def _period(model: Any, date: dt.date | None) -> Period:
    # "Always" is read a long time ago, when no dated price was active.
    day = date or dt.date(1990, 1, 1)
    moment = dt.datetime(day.year, day.month, day.day, 12, tzinfo=dt.UTC)
    standard = model.get_prices(moment)
    period = Period(start=None if date is None else date.isoformat())
    thresholds = _thresholds(standard)
    variants: dict[str, Any] = {}
    for tier, context in _CONTEXTS.items():
        if _has_variant(model, context, day):
            variants[tier] = model.get_prices(moment, context)
            thresholds |= _thresholds(variants[tier])
    period.base = _block(standard, variants, 0)
    for tokens in sorted(thresholds):
        # A cliff: the rate holds above the threshold, so it is read one token further.
        period.above[tokens] = _block(standard, variants, tokens + 1)
    return period


def _has_variant(model: Any, context: dict[str, str], day: dt.date) -> bool:
    return any(
        variant.when == context
        and (variant.constraint is None or variant.constraint.start_date <= day)
        for variant in model.price_variants or ()
    )


def _thresholds(price: Any) -> set[int]:
    return {
        tier.start
        for name, value in price.__dict__.items()
        if name in _UNITS and hasattr(value, "tiers")
        for tier in value.tiers
    }


def _block(standard: Any, variants: dict[str, Any], tokens: int) -> Block:
    block = Block(rates=_rates(standard, tokens))
    for tier in TIERS:
        if tier in variants:
            rates = _rates(variants[tier], tokens)
            changed = {
                name: rate
                for name, rate in rates.items()
                if rate != block.rates.get(name) or name in ("input", "output")
            }
            block.tiers[tier] = changed
    return block


def _rates(price: Any, tokens: int) -> Rates:
    rates: Rates = {}
    for name, value in price.__dict__.items():
        if value is not None and name in _UNITS:
            ours, per = _UNITS[name]
            rates[ours] = pico(_at(value, tokens), per)
    return rates


def _at(value: Any, tokens: int) -> Decimal:
    if isinstance(value, Decimal):
        return value
    rate: Decimal = value.base
    for tier in value.tiers:
        if tokens > tier.start:
            rate = tier.price
    return rate


def _carry_back(earlier: Period, later: Period) -> None:
    same = earlier.base.rates == later.base.rates and earlier.above.keys() == later.above.keys()
    if not same or any(
        earlier.above[tokens].rates != block.rates for tokens, block in later.above.items()
    ):
        return
    for tier, rates in later.base.tiers.items():
        if tier not in earlier.base.tiers:
            earlier.base.tiers[tier] = rates
            for tokens, block in later.above.items():
                if tier in block.tiers:
                    earlier.above[tokens].tiers[tier] = block.tiers[tier]
