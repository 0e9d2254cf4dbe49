"""Money: integers of 10**-12 USD inside, `Decimal` at the edge, never a float.

One USD per million tokens is 1,000,000 of these per token, so every published price is exact.
"""

from decimal import Context, Decimal
from typing import TypeAlias

Pico: TypeAlias = int
"""An amount of money in 10**-12 USD."""

PICO_PER_USD = 10**12
_PICO_PER_TOKEN = 10**6  # of a price of 1 USD per million tokens
_EXPONENT = Decimal(1).scaleb(-12)
_EXACT = Context(prec=60)
"""Programs set a precision of their own, which must not round money."""


def to_usd(amount: Pico) -> Decimal:
    """The amount in USD, exact and without trailing zeros (``Decimal('0.00105')``)."""
    usd = _EXACT.normalize(_EXACT.multiply(Decimal(amount), _EXPONENT))
    # normalize() turns 100 into 1E+2, which nobody wants to read on a bill.
    return _EXACT.quantize(usd, Decimal(1)) if usd == usd.to_integral_value() else usd


def usd_text(amount: Pico) -> str:
    """The amount in USD for people: exact, never with an exponent (``0.00000004``)."""
    return f"{to_usd(amount):f}"


def from_usd(usd: Decimal | int | str) -> Pico:
    """The amount of a sum in USD; raises `ValueError` when it is finer than 10**-12 USD."""
    scaled = _EXACT.multiply(Decimal(usd), Decimal(PICO_PER_USD))
    amount = int(scaled)
    if amount != scaled:
        raise ValueError(f"{usd} USD is finer than 10**-12 USD")
    return amount


def rate_from_usd_per_million(price: Decimal | int | str) -> Pico:
    """Pico-dollars per token of a price in USD per million tokens."""
    scaled = _EXACT.multiply(Decimal(price), Decimal(_PICO_PER_TOKEN))
    rate = int(scaled)
    if rate != scaled:
        raise ValueError(f"a price of {price} USD per million tokens is too fine")
    return rate
