"""Ridge regression over sparse rows of ones, in plain Python, exactly the same every time.

It is solved in its dual form by conjugate gradients: one step looks at every number twice, by
`itemgetter`, which takes about 10 ns a number.
"""

from collections.abc import Callable, Sequence
from math import sqrt
from operator import itemgetter
from typing import TypeAlias

Vector: TypeAlias = Sequence[float]
_Getter: TypeAlias = Callable[[Sequence[float]], tuple[float, ...]]

_STEPS = 40
_CLOSE = 1e-3
"""The error, as a share of what it was at first, at which the solver stops."""


class Rows:
    """Rows of a sparse matrix of ones, scaled to length 1.

    Columns that fewer than ``seldom`` rows have are left out: they say nothing of other rows.
    """

    def __init__(self, rows: Sequence[Sequence[int]], *, seldom: int = 2) -> None:
        found: dict[int, list[int]] = {}
        for number, row in enumerate(rows):
            for column in row:
                found.setdefault(column, []).append(number)
        kept = {column: users for column, users in found.items() if len(users) >= seldom}
        place = {column: number for number, column in enumerate(kept)}
        self.columns: list[int] = list(kept)
        """Which columns are used."""
        self.counts = [len(users) for users in kept.values()]
        """How many rows have each of them."""
        # Two places that hold nothing, for rows and columns with fewer than two entries.
        self._none = len(place)
        inside = [[place[column] for column in row if column in place] for row in rows]
        others = {column for column, users in kept.items() if len(users) > seldom}
        self.shares = [
            sum(column in others for column in row) / len(row) if row else 0.0 for row in rows
        ]
        """How much of each row the columns would cover, had they been found without it."""
        self._scales = [1 / sqrt(len(row)) if row else 0.0 for row in inside]
        self._rows = [_getter(row, self._none) for row in inside]
        self._users = [_getter(users, len(rows)) for users in kept.values()]

    def __len__(self) -> int:
        return len(self._rows)

    def weights(self, dual: Vector) -> list[float]:
        """What the columns weigh, for the weights of the rows."""
        scaled = [*map(float.__mul__, dual, self._scales), 0.0, 0.0]
        return [sum(users(scaled)) for users in self._users]

    def values(self, weights: Vector) -> list[float]:
        """What the rows come to by these weights of the columns."""
        padded = [*weights, 0.0, 0.0]
        return [
            scale * sum(row(padded)) for scale, row in zip(self._scales, self._rows, strict=True)
        ]

    def fit(self, targets: Vector, penalty: float) -> list[float]:
        """The weights that come nearest to the targets, weights being dear by ``penalty``."""
        dual = [0.0] * len(targets)
        rest = list(targets)
        way = rest
        error = first = _dot(rest, rest)
        for _ in range(_STEPS):
            if error <= first * _CLOSE**2:
                break
            seen = self.values(self.weights(way))
            turned = [value + penalty * one for value, one in zip(seen, way, strict=True)]
            step = error / _dot(way, turned)
            dual = [one + step * two for one, two in zip(dual, way, strict=True)]
            rest = [one - step * two for one, two in zip(rest, turned, strict=True)]
            before, error = error, _dot(rest, rest)
            way = [one + error / before * two for one, two in zip(rest, way, strict=True)]
        return self.weights(dual)


def _getter(places: Sequence[int], nothing: int) -> _Getter:
    padded = places if len(places) > 1 else [*places, nothing, nothing + 1]
    getter: _Getter = itemgetter(*padded)
    return getter


def _dot(one: Vector, two: Vector) -> float:
    return sum(map(float.__mul__, one, two))
