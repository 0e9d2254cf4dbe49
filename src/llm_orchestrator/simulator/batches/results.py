"""The results of a batch on disk, and what they add up to so far."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from llm_orchestrator.simulator.batches.files import Spool
from llm_orchestrator.simulator.batches.format import Answered
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.prices import Usage

_MARK: Final = struct.Struct("<BIIQqH8I")
_UNPRICED: Final = -1
_NAMES: Final = tuple(Usage().as_dict())
GOOD, BAD, LOST = 0, 1, 2
"""Kinds of items: paid for, failed, and without a result."""


@dataclass(slots=True)
class Tally:
    """What the finished items of one model add up to; `cost` in picodollars."""

    requests: int = 0
    cost: int = 0
    unpriced: int = 0
    figures: list[int] = field(default_factory=lambda: [0] * len(_NAMES))

    @property
    def usage(self) -> Usage:
        """The tokens."""
        return Usage(*self.figures)


@dataclass(frozen=True, slots=True)
class Billed:
    """One item as it is on the bill."""

    key: str
    model: str
    work: int
    good: bool
    usage: Usage
    cost: int | None


class Results:
    """Written once, read as far as time has come. Sizes are in bytes."""

    def __init__(self, spool: Spool) -> None:
        self.out, self.err = spool.path("output"), spool.path("error")
        self._marks, self._keys = spool.path("marks"), spool.path("keys")
        self._files: list[BinaryIO] = []
        self.written = 0
        self._models: list[Model] = []
        self._numbers: dict[tuple[str, str], int] = {}
        self.read = 0
        self.sizes = [0, 0]
        self.kinds = [0, 0, 0]
        self.tallies: dict[int, Tally] = {}
        self.closed = False

    def _number(self, model: Model | None) -> int:
        if model is None:
            return 0xFFFF
        key = (model.provider, model.id)
        if key not in self._numbers:
            self._numbers[key] = len(self._models)
            self._models.append(model)
        return self._numbers[key]

    def _open(self) -> list[BinaryIO]:
        if not self._files:
            names = (self.out, self.err, self._marks, self._keys)
            self._files = [path.open("ab", 1 << 16) for path in names]
        return self._files

    def rest(self) -> None:
        """Close the files until more is written: there may be many batches."""
        for file in self._files:
            file.close()
        self._files = []

    def add(self, key: str, work: int, kind: int, answered: Answered, lines: list[bytes]) -> None:
        """One item: its lines go to the output, or to the errors when they are [b"", line]."""
        out, err, marks, keys = self._open()
        good, bad = lines
        out.write(good)
        err.write(bad)
        cost = answered.cost if kind == GOOD else 0
        figures = answered.usage.as_dict().values() if answered.usage and kind == GOOD else _NONE
        marks.write(
            _MARK.pack(
                kind,
                len(good),
                len(bad),
                work,
                _UNPRICED if cost is None else cost,
                self._number(answered.model),
                *figures,
            )
        )
        keys.write(msgspec.json.encode(key) + b"\n")
        self.written += 1

    def advance(self, count: int) -> None:
        """Add up the first `count` items."""
        if count <= self.read:
            return
        for file in self._files:
            file.flush()
        with self._marks.open("rb") as marks:
            marks.seek(self.read * _MARK.size)
            while self.read < count:
                wanted = min(count - self.read, 4096) * _MARK.size
                for mark in _MARK.iter_unpack(marks.read(wanted)):
                    self._count(mark)

    def _count(self, mark: tuple[int, ...]) -> None:
        kind, good, bad, _, cost, model, *figures = mark
        self.read += 1
        self.kinds[kind] += 1
        self.sizes[0] += good
        self.sizes[1] += bad
        if kind != GOOD:
            return
        tally = self.tallies.setdefault(model, Tally())
        tally.requests += 1
        tally.unpriced += cost == _UNPRICED
        tally.cost += max(cost, 0)
        if any(figures):
            tally.figures = [a + b for a, b in zip(tally.figures, figures, strict=True)]

    def model(self, number: int) -> Model:
        """The model of a tally."""
        return self._models[number]

    def items(self) -> Iterator[Billed]:
        """The items added up so far."""
        if not self.read:
            return
        for file in self._files:
            file.flush()
        with self._marks.open("rb") as marks, self._keys.open("rb") as keys:
            for _ in range(self.read):
                mark = _MARK.unpack(marks.read(_MARK.size))
                kind, _, _, work, cost, model, *figures = mark
                yield Billed(
                    msgspec.json.decode(next(keys), type=str),
                    self._models[model].id if model != 0xFFFF else "",
                    work,
                    kind == GOOD,
                    Usage(*figures),
                    None if cost == _UNPRICED else cost,
                )

    def cut(self) -> None:
        """Drop what was written beyond the items added up so far; nothing comes after."""
        self._open()
        self.rest()
        for path, size in zip((self.out, self.err), self.sizes, strict=True):
            os.truncate(path, size)

    def left(self, line: bytes, *, error: bool) -> None:
        """One item that was not reached."""
        self._open()[error].write(line)
        self.sizes[error] += len(line)

    def close(self) -> None:
        """Nothing more will be written."""
        self.rest()
        self.closed = True

    @property
    def folder(self) -> list[Path]:
        """The files with results."""
        return [self.out, self.err]


_NONE: Final = (0,) * len(_NAMES)
