"""What the sections of the configuration are made of: bounded types, and marks for the reader."""

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from llm_orchestrator.types.money import from_usd, rate_from_usd_per_million


class Check:
    """Marks a value with a check of its own, which raises `ValueError` saying what is expected."""

    def __init__(self, test: Callable[[Any], object]) -> None:
        self.test = test


_MOST_USD = 1_000_000


def _price(usd: Decimal) -> None:
    """One with which a long answer's cost still fits into 64 bits of 10**-12 USD."""
    rate_from_usd_per_million(usd)
    if usd > _MOST_USD:
        raise ValueError(f"expected a price of at most {_MOST_USD:,} USD, got {usd}")


Seconds: TypeAlias = Annotated[float, Meta(gt=0, le=1_000_000_000)]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
Tries: TypeAlias = Annotated[int, Meta(ge=0, le=100)]
Tokens: TypeAlias = Annotated[int, Meta(ge=1)]
USD: TypeAlias = Annotated[Decimal, Check(from_usd)]
Rate: TypeAlias = Annotated[Decimal, Check(_price)]
Fee: TypeAlias = Annotated[Decimal, Check(from_usd), Check(_price)]
FirstToken: TypeAlias = Seconds | Literal["auto", "off"]


class NotAKey:
    """Marks a field that the reader fills and the user cannot set."""


class PartOf:
    """Marks a mapping that may set some of a struct's fields (``timeouts`` of one provider)."""

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        self.kind = kind


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections."""
