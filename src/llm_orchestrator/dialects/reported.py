"""What a reply says beside the answer: its cost, and fields that only some providers have."""

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from llm_orchestrator.dialects.base import UNREADABLE
from llm_orchestrator.types.money import PICO_PER_USD, Pico
from llm_orchestrator.types.provider import Quirks

_MOST_USD = 10**6
"""No single call costs more: a larger number is none that we believe."""


def beside(body: bytes, quirks: Quirks, inside: str = "") -> tuple[dict[str, Any], Pico | None]:
    """The fields that the quirks keep, by the last word of each, and the cost that is reported.

    Places begin within the field ``inside``, where one is named. Fields that are missing or empty
    are left out; a cost that is none, or not believable, is ``None``.
    """
    if not quirks.keep and not quirks.cost:
        return {}, None
    reply = _read(body, quirks.keep, quirks.cost, inside)
    extra = {place.rpartition(".")[2]: _at(reply, place) for place in quirks.keep}
    return (
        {name: value for name, value in extra.items() if value not in (None, "", [], {})},
        _pico(_at(reply, quirks.cost)) if quirks.cost else None,
    )


def _read(body: bytes, keep: tuple[str, ...], cost: str, inside: str) -> Any:
    places = (inside,) if inside else (*keep, *((cost,) if cost else ()))
    names = tuple(dict.fromkeys(place.partition(".")[0] for place in places))
    try:
        found = _reader(names)(body)
    except UNREADABLE:
        return {}
    reply = {name: getattr(found, f"f{number}") for number, name in enumerate(names)}
    return reply[inside] if inside else reply


@lru_cache(maxsize=64)
def _reader(names: tuple[str, ...]) -> Callable[[bytes], Any]:
    """Reads these fields of an object and passes over all others."""
    fields = [(f"f{number}", Any, None) for number in range(len(names))]
    kind = msgspec.defstruct(
        "Beside", fields, rename={f"f{number}": name for number, name in enumerate(names)}
    )
    # Numbers with a point become decimals: an amount of money is never a float.
    return msgspec.json.Decoder(kind, float_hook=Decimal).decode


def _at(value: Any, place: str) -> Any:
    for name in place.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _pico(usd: Any) -> Pico | None:
    """The amount, rounded where it is finer than 10**-12 USD."""
    if isinstance(usd, bool) or not isinstance(usd, int | Decimal):
        return None
    if not 0 <= usd <= _MOST_USD:  # which no NaN is
        return None
    return int((Decimal(usd) * PICO_PER_USD).to_integral_value())
