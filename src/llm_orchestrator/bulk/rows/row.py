"""A row of the input, and why one cannot be asked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

RejectCode: TypeAlias = Literal[
    "broken", "encoding", "cells", "id", "duplicate", "column", "template", "request", "context"
]
"""What is wrong with a row: it cannot be read (``broken``), is no UTF-8, has more or fewer cells
than the header, no id, an id that was there before, lacks a column, breaks the template, makes a
request that nobody could take, or is longer than every model can read."""

Data: TypeAlias = Mapping[str, Any]
"""Names of columns to JSON values."""


class RowError(ValueError):
    """One row, or one task of it, cannot be asked; the run goes on without it."""

    def __init__(self, reason: str, code: RejectCode = "request") -> None:
        super().__init__(reason)
        self.reason = reason
        """For people: what is wrong and where."""
        self.code: RejectCode = code


class Row(msgspec.Struct, frozen=True, gc=False):
    """A row as it was read: its data, or why there are none."""

    number: int
    """The line in which it begins, from 1; the number of the row where the input has no lines."""
    data: Data | None
    error: RowError | None = None
    raw: Any = ""
    """The beginning of what could not be read, or data that count for nothing."""


class Reject(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A row that has no answer, as it stands in the file of rejects."""

    line: int | None = None
    """The line of the input, from 1; the row's number without lines; ``None`` is unknown."""
    reason: str
    code: str
    """A `RejectCode`, or a word of what came later in a run."""
    task: str | None = None
    """``None``: the row is of no use for any task."""
    id: str | None = None
    row: Any = None
    """Its data, or the beginning of its text."""

    @property
    def told(self) -> str:
        """What is wrong, for people, with its place."""
        return f"line {self.line:,}: {self.reason}" if self.line else self.reason


def rejects_path(folder: Path, run_id: str) -> Path:
    """Where rows of a run are noted that cannot be asked."""
    return folder / f"{run_id}.rejects.jsonl"
