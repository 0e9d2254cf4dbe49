"""What is known of a model: its prices, its limits and what it can do."""

from typing import Literal, TypeAlias

import msgspec

from llm_orchestrator.types.money import Pico

Ability: TypeAlias = Literal[
    "system",
    "sampling",
    "tools",
    "parallel_tools",
    "vision",
    "schema",
    "reasoning",
    "adaptive_thinking",
    "effort",
    "cache",
    "prefill",
    "pdf",
    "audio",
    "web_search",
    "embeddings",
]

Tier: TypeAlias = Literal["standard", "batch", "flex", "priority"]


class Rates(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Prices in pico-dollars per token (per piece for the last two); ``None`` is unknown."""

    input: Pico | None = None
    output: Pico | None = None
    cache_read: Pico | None = None
    cache_write: Pico | None = None
    cache_write_1h: Pico | None = None
    per_request: Pico | None = None
    search: Pico | None = None


class LongContext(Rates, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Rates for ALL tokens of a request whose input is above ``tokens``."""

    tokens: int
    batch: Rates | None = None
    flex: Rates | None = None
    priority: Rates | None = None


class Price(
    Rates,
    frozen=True,
    gc=False,
    omit_defaults=True,
    kw_only=True,
    rename={"from_": "from"},
):
    """The price of a model from a date on, with its long-context and service tiers."""

    from_: str | None = None
    """First day of this price, ``YYYY-MM-DD``; ``None`` is always."""
    above: tuple[LongContext, ...] = ()
    batch: Rates | None = None
    flex: Rates | None = None
    priority: Rates | None = None
    batch_estimated: bool = False
    """Whether the batch rates are the provider's general discount, not a published price."""


class Model(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A model as one provider offers it."""

    provider: str
    id: str
    """The name on the wire."""
    prices: tuple[Price, ...] = ()
    abilities: frozenset[str] | None = None
    """`Ability` words; ``None`` is unknown: nothing is dropped or refused on its account."""
    context: int | None = None
    max_output: int | None = None
    mode: str = "chat"
    aliases: tuple[str, ...] = ()
    family: str | None = None
    released: str | None = None
    deprecated: str | None = None
    retired: str | None = None
    successor: str | None = None
    dimensions: int | None = None
    known: bool = True
    """Whether the catalogue has an entry for it."""
    found_at: int | None = None
    """When the provider's own list named it, in unix microseconds; ``None`` if none is known."""

    def can(self, ability: Ability) -> bool:
        """Whether the model has the ability, or nothing is known of its abilities."""
        return self.abilities is None or ability in self.abilities
