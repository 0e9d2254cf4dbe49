"""A fair sample of rows, however many come by."""

import math
from collections.abc import Iterable, Iterator
from random import Random

from llm_orchestrator.bulk.rows.row import Data, Row

SIZE = 400
"""Rows of a sample."""


class Sampler:
    """Keeps some of the rows that it is shown, each as probably as any other.

    Of the same rows it always keeps the same ones. Most rows cost it no more than a comparison.
    """

    def __init__(self, size: int = SIZE) -> None:
        self.size = size
        self.count = 0
        """Rows that it was shown."""
        self.broken = 0
        """Rows that could not be read."""
        self.kept: list[tuple[int, Data]] = []
        """Their numbers and data."""
        self._random = Random(0)
        self._next = size
        self._weight = 1.0

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows, as they are passed on."""
        for row in rows:
            if row.data is None:
                self.broken += 1
            else:
                self.add(row.number, row.data)
            yield row

    def add(self, number: int, data: Data) -> None:
        """Show it a row."""
        place = self.count
        self.count += 1
        if place < self.size:
            self.kept.append((number, data))
        elif place >= self._next:
            self.kept[self._random.randrange(self.size)] = (number, data)
        else:
            return
        if place >= self.size - 1:
            self._skip(place)

    def _skip(self, place: int) -> None:
        """How many rows are passed by before the next one is kept."""
        self._weight *= math.exp(math.log(self._random.random()) / self.size)
        jump = math.log(self._random.random()) / math.log1p(-self._weight)
        self._next = place + 1 + int(jump)
