"""``--split``: who gets how much, as the user says it.

claude=1500:batch,gemini=1000:online,openai=rest:batch
claude=60%,gemini=40%
price      the cheapest that is in time (the default)
share      all of them alike
each       every row of everybody, to be merged
"""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Literal, TypeAlias, cast

import msgspec

from llm_orchestrator.bulk.planning.plan import Lane
from llm_orchestrator.errors import InvalidRequestError

Mode: TypeAlias = Literal["price", "share", "each", "parts"]
_PART = re.compile(
    r"(?P<name>[^=,\s]+)=(?P<amount>rest|\d[\d_]*|\d+(?:\.\d+)?%)(?::(?P<lane>batch|online))?"
)


class Part(msgspec.Struct, frozen=True):
    """What one of them gets of each task."""

    name: str
    """As the user wrote it; after `Split.named`, ``provider/model``."""
    amount: int | Fraction | None
    """Rows, a part of all rows, or ``None``: what is left."""
    lane: Lane | None = None
    """``None``: the cheaper one that is in time."""


class Split(msgspec.Struct, frozen=True):
    """How rows are shared out."""

    mode: Mode = "price"
    parts: tuple[Part, ...] = ()

    @classmethod
    def read(cls, text: "str | Split | None") -> "Split":
        """From the option; raises `InvalidRequestError` saying what is expected."""
        if text is None:
            return cls()
        if isinstance(text, Split):
            return text
        word = text.strip()
        if word in {"price", "share", "each"}:
            return cls(cast("Mode", word))
        parts = tuple(_part(piece.strip()) for piece in word.split(",") if piece.strip())
        if not parts:
            raise InvalidRequestError("split: it is empty; write claude=1500:batch,openai=rest")
        if sum(part.amount is None for part in parts) > 1:
            raise InvalidRequestError("split: only one of them can get the rest")
        whole = sum(part.amount for part in parts if isinstance(part.amount, Fraction))
        if whole > 1:
            raise InvalidRequestError(f"split: {float(whole) * 100:g} % is more than all rows")
        return cls("parts", parts)

    def named(self, target: Callable[[str], str]) -> "Split":
        """This split, each name replaced by what ``target`` returns for it."""
        made = (Part(target(part.name), part.amount, part.lane) for part in self.parts)
        return Split(self.mode, tuple(made))

    def amounts(self, items: int) -> list[int]:
        """How many of so many rows each part gets, in order; they add up to all.

        With fewer rows than the parts ask for, the later ones get less. Raises
        `InvalidRequestError` where rows would be left.
        """
        fractions = sum(
            (part.amount for part in self.parts if isinstance(part.amount, Fraction)), Fraction()
        )
        wanted = [part.amount if isinstance(part.amount, int) else 0 for part in self.parts]
        shared = _rounded(
            [
                part.amount if isinstance(part.amount, Fraction) else Fraction()
                for part in self.parts
            ],
            items,
        )
        wanted = [plain or part for plain, part in zip(wanted, shared, strict=True)]
        rest = next((n for n, part in enumerate(self.parts) if part.amount is None), None)
        left = items
        found = []
        for n, amount in enumerate(wanted):
            # What comes after the rest is served before it.
            found.append(0 if n == rest else min(amount, left))
            left -= found[-1]
        if rest is not None:
            found[rest] = left
        elif left:
            told = "" if not fractions else f" ({float(fractions) * 100:g} % of all)"
            raise InvalidRequestError(
                f"split: {items - left:,} of {items:,} rows have somebody to ask{told}; give one "
                "of them the rest, such as openai=rest"
            )
        return found


def _part(text: str) -> Part:
    found = _PART.fullmatch(text)
    if found is None:
        raise InvalidRequestError(
            f"split: {text!r} is not name=rows[:lane]; write claude=1500:batch, gemini=40% or "
            "openai=rest:online, or one of price, share, each"
        )
    amount = found["amount"]
    size: int | Fraction | None
    if amount == "rest":
        size = None
    elif amount.endswith("%"):
        size = Fraction(amount[:-1]) / 100
    else:
        size = int(amount)
    return Part(found["name"], size, cast("Lane | None", found["lane"]))


def _rounded(parts: list[Fraction], items: int) -> list[int]:
    """Whole rows of each part: the largest remainders get the rows that rounding leaves."""
    exact = [part * items for part in parts]
    whole = [int(one) for one in exact]
    spare = round(sum(exact)) - sum(whole)
    order = sorted(range(len(parts)), key=lambda n: whole[n] - exact[n])
    for n in order[:spare]:
        whole[n] += 1
    return whole
