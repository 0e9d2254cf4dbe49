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
_EMPTY = frozenset((str, list, dict))


def beside(body: bytes, quirks: Quirks, inside: str = "") -> tuple[dict[str, Any], Pico | None]:
    """The fields that the quirks keep, by the last word of each, and the cost that is reported.

    Places begin within the field ``inside``, where one is named. Fields that are missing or empty
    are left out; a cost that is none, or not believable, is ``None``.
    """
    if not quirks.keep and not quirks.cost:
        return {}, None
    plan = _plan(quirks.keep, quirks.cost, inside)
    try:
        found = plan.read(body)
    except UNREADABLE:
        return {}, None
    extra: dict[str, Any] = {}
    for name, field, rest in plan.kept:
        value = _at(getattr(found, field), rest)
        if value or (value is not None and type(value) not in _EMPTY):
            extra[name] = value
    if plan.cost is None or (usd := _at(getattr(found, plan.cost[0]), plan.cost[1])) is None:
        return extra, None
    return extra, _pico(usd)


class _Plan(msgspec.Struct, frozen=True):
    """How the places of some quirks are read, worked out once."""

    read: Callable[[bytes], Any]
    """Reads the fields that the places begin with, and passes over all others."""
    kept: tuple[tuple[str, str, tuple[str, ...]], ...]
    """What a place is called, the field that it begins with, and the way from there."""
    cost: tuple[str, tuple[str, ...]] | None


@lru_cache(maxsize=64)
def _plan(keep: tuple[str, ...], cost: str, inside: str) -> _Plan:
    places = [place.split(".") for place in (*keep, *((cost,) if cost else ()))]
    fields = {name: f"f{at}" for at, name in enumerate(dict.fromkeys(way[0] for way in places))}
    ways = [(fields[first], tuple(rest)) for first, *rest in places]
    return _Plan(
        _reader(fields, inside),
        tuple((places[at][-1], *ways[at]) for at in range(len(keep))),
        ways[-1] if cost else None,
    )


def _reader(fields: dict[str, str], inside: str) -> Callable[[bytes], Any]:
    own = [(field, Any, None) for field in fields.values()]
    names = {field: name for name, field in fields.items()}
    kind = msgspec.defstruct("Beside", own, rename=names, gc=False)
    # Numbers with a point become decimals: an amount of money is never a float.
    if not inside:
        return msgspec.json.Decoder(kind, float_hook=Decimal).decode
    whole = msgspec.defstruct("Whole", [("reply", kind)], rename={"reply": inside})
    read = msgspec.json.Decoder(whole, float_hook=Decimal).decode
    return lambda body: read(body).reply  # type: ignore[attr-defined]


def _at(value: Any, way: tuple[str, ...]) -> Any:
    for name in way:
        if type(value) is not dict:
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
