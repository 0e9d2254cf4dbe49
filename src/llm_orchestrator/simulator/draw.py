"""Repeatable choices: the same seed gives the same draws on every machine and Python version."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """A stream of choices that depends only on the given seeds (any values with a stable repr)."""

    __slots__ = ("_count", "_seed")

    def __init__(self, *seeds: object) -> None:
        self._seed = hashlib.blake2b(
            repr(seeds).encode("utf-8", "replace"), digest_size=16
        ).digest()
        self._count = 0

    def _next(self) -> int:
        self._count += 1
        block = self._seed + self._count.to_bytes(8, "big")
        return int.from_bytes(hashlib.blake2b(block, digest_size=8).digest(), "big")

    def fraction(self) -> float:
        """A number from 0 (included) to 1 (excluded)."""
        return (self._next() >> 11) / (1 << 53)

    def below(self, bound: int) -> int:
        """An integer from 0 (included) to `bound` (excluded)."""
        return self._next() % bound

    def between(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def pick(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.below(len(items))]


def token(length: int, *seeds: object) -> str:
    """A repeatable id of `length` letters and digits, as providers put after their prefixes."""
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
    draw = Draw(*seeds)
    return "".join(draw.pick(alphabet) for _ in range(length))
