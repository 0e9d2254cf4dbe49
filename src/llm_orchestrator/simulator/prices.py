"""What a request costs, computed in the simulator's own way: Decimal dollars, exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from llm_orchestrator.simulator import catalogue
from llm_orchestrator.simulator.catalogue import Entry
from llm_orchestrator.simulator.models import Model

BATCH: Final = "batch"
"""The service tier of what batches cost."""
PICO = Decimal("0.000000000001")
MILLION = Decimal(1_000_000)


_TOKENS: Final = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
"""Rates that a discount on batches may change."""


@dataclass(slots=True)
class Usage:
    """Tokens as billed.

    `input_tokens` holds cached ones too, `output_tokens` reasoning too, and `cache_write_tokens`
    those that are kept for an hour (`cache_write_1h_tokens`). `citation_tokens` and `searches` (a
    count) are on top.
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    citation_tokens: int = 0
    searches: int = 0

    def as_dict(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.__slots__}


def _rates(price: Mapping[str, Any]) -> dict[str, Decimal]:
    """Dollars a token from picodollars a token."""
    return {name: Decimal(value) * PICO for name, value in price.items() if isinstance(value, int)}


def _discounted(model: Model, rates: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """The rates that the provider's general discount changes."""
    discount = catalogue.DISCOUNTS.get(model.provider, {})
    percent = discount.get("models", {}).get(model.id, discount.get("percent", 0))
    kept = discount.get("keep", ())
    share = Decimal(100 - percent) / 100
    return {n: rates[n] * share for n in _TOKENS if n in rates and n not in kept}


def _override(price: Mapping[str, Any]) -> Entry:
    """A row from dollars a million tokens, the way price pages print them."""
    picos = {}
    for name, value in price.items():
        exact = Decimal(str(value)) / MILLION / PICO
        if exact != exact.to_integral_value():
            raise ValueError(f"price {name}={value} is finer than a picodollar a token")
        picos[name] = int(exact)
    return {"prices": [picos]}


class Prices:
    """Prices by provider and model.

    `overrides` maps a model (or "provider/model") to dollars a million tokens:
    {"sim-chat": {"input": "0.15", "output": "0.60", "cache_read": "0.075"}}. What batches cost is
    the model's own batch price, else its provider's discount (`catalogue.DISCOUNTS`).
    """

    def __init__(
        self,
        rows: Mapping[str, Mapping[str, Entry]],
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._rows = rows
        self._overrides = {name: _override(price) for name, price in (overrides or {}).items()}

    def _row(self, model: Model) -> Entry | None:
        for name in (f"{model.provider}/{model.id}", model.id):
            if name in self._overrides:
                return self._overrides[name]
        listed = self._rows.get(model.provider, {}).get(model.id)
        return listed if listed is not None else catalogue.simulated(model.id)

    def rates(self, model: Model, day: str, tier: str, total_input: int) -> dict[str, Decimal]:
        """Dollars a token for this day, service tier and prompt size; empty when unknown."""
        row = self._row(model)
        valid = [p for p in (row or {}).get("prices", []) if p.get("from", "") <= day]
        if not valid:
            return {}
        price = valid[-1]
        steps = sorted(price.get("above", []), key=lambda step: int(step["tokens"]))
        layers = [price, *(step for step in steps if total_input > step["tokens"])]
        rates = _rates(catalogue.SUPPLEMENTS.get((model.provider, model.id), {}))
        for layer in layers:
            rates |= _rates(layer)
            if tier and isinstance(layer.get(tier), Mapping):
                rates |= _rates(layer[tier])
        if tier == BATCH and BATCH not in price:
            rates |= _discounted(model, rates)
        return rates

    def parts(
        self, model: Model, usage: Usage, day: str, tier: str = "", flat: int | None = None
    ) -> dict[str, Decimal] | None:
        """The exact cost in dollars by what it is for, or None when a needed price is unknown.

        `flat` is what the request itself costs, in picodollars, where that depends on it.
        """
        if usage.input_tokens == 0 and usage.output_tokens == 0:
            return {}
        rates = self.rates(model, day, tier, usage.input_tokens)
        if "input" not in rates:
            return None
        hour = usage.cache_write_1h_tokens
        written = usage.cache_write_tokens - hour
        fresh = usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens
        output = rates.get("output", Decimal(0) if model.mode == "embedding" else None)
        if output is None:
            return None
        said = usage.output_tokens - usage.reasoning_tokens
        none = Decimal(0)
        return {
            "input": fresh * rates["input"],
            "cache_read": usage.cache_read_tokens * rates.get("cache_read", rates["input"]),
            "cache_write": written * rates.get("cache_write", rates["input"])
            + hour * rates.get("cache_write_1h", rates.get("cache_write", rates["input"])),
            "output": said * output,
            "reasoning": usage.reasoning_tokens * rates.get("reasoning", output),
            "citation": usage.citation_tokens * rates.get("citation", none),
            "search": usage.searches * rates.get("search", none),
            "request": rates.get("per_request", none) if flat is None else flat * PICO,
        }

    def cost(
        self, model: Model, usage: Usage, day: str, tier: str = "", flat: int | None = None
    ) -> Decimal | None:
        """The exact cost in dollars, or None when a needed price is unknown."""
        parts = self.parts(model, usage, day, tier, flat)
        return None if parts is None else sum(parts.values(), Decimal(0))


def picos(cost: Decimal) -> int:
    """A cost in whole picodollars; every published price makes it exact."""
    return int(cost / PICO)


def dollars(cost: Decimal) -> str:
    """A cost as plain exact decimal text."""
    text = f"{cost:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
