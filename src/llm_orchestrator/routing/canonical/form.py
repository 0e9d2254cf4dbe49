"""The form in which answers are compared."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Literal, TypeAlias

import msgspec

from llm_orchestrator.routing.canonical import units

Kind: TypeAlias = Literal[
    "choice", "boolean", "number", "expression", "literal", "list", "json", "code", "text"
]


class Canonical(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer says, without how it is said. `same` compares two of them."""

    kind: Kind
    key: str
    unit: str = ""
    """Of numbers; the brackets of lists; ``str`` for text in quotes. Empty matches any."""
    value: Fraction | float | None = None
    """Of numbers, in the unit as written; a float is a closed form that was computed."""
    places: int | None = None
    """Digits behind the point, as written; ``None``: exact, such as a fraction."""
    marked: bool = True
    """Whether the text itself says that this is the answer."""

    def __str__(self) -> str:
        return f"{self.key} {self.unit}".rstrip() if self.kind == "number" else self.key


def same(one: Canonical, other: Canonical) -> bool:
    """Whether two answers to the same question say the same.

    A missing unit matches any unit, so that of three answers the first may match the second and
    the second the third only: `sets` sorts that out.
    """
    if one.kind != other.kind:
        return False
    if one.kind == "number":
        return _same_number(one, other)
    return one.key == other.key and (one.unit == other.unit or not (one.unit and other.unit))


def _same_number(one: Canonical, other: Canonical) -> bool:
    if one.value is None or other.value is None:
        return False
    if one.unit == other.unit or not (one.unit and other.unit):
        return _close(one.value, other.value) or _rounded(one, other) or _rounded(other, one)
    factors = units.factors(one.unit, other.unit)
    if factors is None:
        return False
    return _close(_exact(one.value) * factors[0], _exact(other.value) * factors[1])


def _exact(value: Fraction | float) -> Fraction:
    return value if isinstance(value, Fraction) else Fraction(value)


def _close(one: Fraction | float, other: Fraction | float) -> bool:
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return one == other
    left, right = _exact(one), _exact(other)
    return bool(abs(left - right) * 10**9 <= max(abs(left), abs(right)))


def _rounded(short: Canonical, long: Canonical) -> bool:
    """Whether ``short`` is ``long``, rounded to two places or more."""
    if short.value is None or long.value is None or short.places is None or short.places < 2:
        return False
    endless = long.places is None and not _ends(long.value)
    if not endless and (long.places is None or long.places < short.places + 2):
        return False
    written = _exact(short.value)
    digits = len(str(abs(written.numerator * 10**short.places // written.denominator)))
    if digits < (2 if endless else 3):
        return False
    gap: Fraction = (_exact(long.value) - written) * 10**short.places * 2
    return -1 <= gap <= 1


def _ends(value: Fraction | float) -> bool:
    """Whether the decimal digits of a number end."""
    if isinstance(value, float):
        return False
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


def sets(answers: Sequence[Canonical | None]) -> list[list[int]]:
    """The positions of answers that say the same, the largest set first; ``None`` is in no set.

    What has no unit joins those that say the same with one, unless it may be several of them.
    """
    units_of = [None if answer is None else answer.unit for answer in answers]
    found = _grouped(answers, [at for at, unit in enumerate(units_of) if unit])
    alone: list[list[int]] = []
    for group in _grouped(answers, [at for at, unit in enumerate(units_of) if unit == ""]):
        fitting = [other for other in found if _any_same(answers, group[0], other)]
        most = max(map(len, fitting), default=0)
        largest = [other for other in fitting if len(other) == most]
        if len(largest) == 1:
            largest[0] += group
        else:
            alone.append(group)
    found = [sorted(group) for group in (*found, *alone)]
    return sorted(found, key=lambda group: (-len(group), group[0]))


def _grouped(answers: Sequence[Canonical | None], positions: Iterable[int]) -> list[list[int]]:
    found: list[list[int]] = []
    for at in positions:
        for group in found:
            if all(_any_same(answers, at, [other]) for other in group):
                group.append(at)
                break
        else:
            found.append([at])
    return found


def _any_same(answers: Sequence[Canonical | None], at: int, others: Iterable[int]) -> bool:
    one = answers[at]
    return one is not None and any(
        other is not None and same(one, other) for other in map(answers.__getitem__, others)
    )


def shown(value: Fraction | float) -> str:
    """A number for people and keys: ``0.75``, ``1/3``, ``1.41421356237``."""
    if isinstance(value, float):
        return f"{value:.12g}"
    if value.denominator == 1:
        return str(value.numerator)
    if _ends(value) and len(str(value.denominator)) <= 12:
        return f"{(Decimal(value.numerator) / Decimal(value.denominator)).normalize():f}"
    return f"{value.numerator}/{value.denominator}"
