"""Rows of the input, one after another: of a file, of standard input or of an iterable.

What cannot be read is a row with an error, and the reading goes on. Nothing is held but the piece
that is being read.
"""

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias, cast

import msgspec

from llm_orchestrator.bulk.rows.formats import csv_rows, json_rows, jsonl_rows
from llm_orchestrator.bulk.rows.parquet import parquet_rows
from llm_orchestrator.bulk.rows.row import Row, RowError
from llm_orchestrator.bulk.rows.stream import Stream
from llm_orchestrator.errors import InvalidRequestError

Format: TypeAlias = Literal["csv", "jsonl", "json", "parquet"]
Source: TypeAlias = str | os.PathLike[str] | BinaryIO | Iterable[Any]
"""The path of a file (``-`` is standard input), an open binary file, or mappings."""

FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""Endings of files."""


class Reading:
    """One pass over the input. ``count``, ``digest`` and ``changed`` are known at its end."""

    def __init__(self, source: Source, format: Format | None) -> None:
        self._source = source
        self.format: Format | Literal["rows"] = format or "rows"
        self.name = "the input"
        """What is read, for people."""
        self.lines = False
        """Whether `Row.number` is that of a line."""
        self.count = 0
        """Rows so far, those that cannot be read among them."""
        self.digest = ""
        """The digest of the input, as 32 hexadecimal digits, once it was read."""
        self.changed = ""
        """How the file has changed while it was read; empty if it has not."""
        self._begun = False
        self._path = _path(source)
        if self._path is not None:
            self.name = str(self._path)
        elif source == "-":
            self.name = "standard input"
        self._format = format

    def __iter__(self) -> Iterator[Row]:
        """The rows; once. Raises `InvalidRequestError` for what cannot be read at all."""
        if self._begun:
            raise InvalidRequestError(f"{self.name} was read already; open it again")
        self._begun = True
        rows = self._rows()
        for row in rows:
            self.count += 1
            yield row

    def _rows(self) -> Iterator[Row]:
        if self._path is not None:
            return self._of_file(self._path)
        source: Any = sys.stdin.buffer if self._source == "-" else self._source
        if hasattr(source, "read"):
            return self._of_stream(Stream(source, self.name))
        if not isinstance(source, Iterable) or isinstance(source, str | bytes | Mapping):
            raise InvalidRequestError("expected the path of a file, or an iterable of mappings")
        return self._of_iterable(source)

    def _of_file(self, path: Path) -> Iterator[Row]:
        try:
            before = path.stat()
            file = path.open("rb")
        except OSError as error:
            raise InvalidRequestError(f"cannot read {path}: {error.strerror}") from None
        with file:
            meant = self._format or FORMATS.get(path.suffix.lower())
            if meant == "parquet":
                self.format = "parquet"
                yield from self._of_parquet(path)
            else:
                yield from self._of_stream(Stream(file, self.name), meant)
            self.changed = _difference(before, os.fstat(file.fileno()), path)

    def _of_parquet(self, path: Path) -> Iterator[Row]:
        yield from parquet_rows(path)
        # Its parts are read in an order of their own, so the bytes are digested by themselves.
        hashed = hashlib.blake2b(digest_size=16)
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                hashed.update(piece)
        self.digest = hashed.hexdigest()

    def _of_stream(self, stream: Stream, format: Format | None = None) -> Iterator[Row]:
        given = format or self._format
        self.format = found = stream.check(given)
        if found == "parquet":
            raise InvalidRequestError(
                f"{self.name}: Parquet must be a file, as its end comes first"
            )
        self.lines = found != "json"
        make = {"csv": csv_rows, "jsonl": jsonl_rows, "json": json_rows}[found]
        yield from make(stream)
        self.digest = stream.digest

    def _of_iterable(self, source: Iterable[Any]) -> Iterator[Row]:
        hashed = hashlib.blake2b(digest_size=16)
        for number, value in enumerate(source, 1):
            if not isinstance(value, Mapping):
                what = f"expected a mapping, got {type(value).__name__}"
                yield Row(number, None, RowError(what, "broken"), repr(value)[:500])
                continue
            try:
                hashed.update(msgspec.json.encode(value))
            except (TypeError, ValueError, RecursionError) as error:
                what = f"this cannot be written as JSON: {error}"
                yield Row(number, None, RowError(what, "broken"), repr(value)[:500])
                continue
            yield Row(number, value)
        self.digest = hashed.hexdigest()


def read_rows(source: Source, *, format: Format | None = None) -> Reading:
    """The rows of a file, of standard input (``-``), of an open binary file or of mappings.

    The format is that of the file's ending, or what its first bytes look like.
    """
    return Reading(source, read_format(format))


def read_format(name: str | None) -> Format | None:
    """The format of that name; raises `InvalidRequestError`."""
    found = next((one for one in FORMATS.values() if one == name), None)
    if name is not None and found is None:
        raise InvalidRequestError(f"format: {name!r} is none of csv, jsonl, json, parquet")
    return found


def _path(source: object) -> Path | None:
    if isinstance(source, str | os.PathLike) and source != "-":
        return Path(cast("str", source)).expanduser()
    return None


def _difference(before: os.stat_result, after: os.stat_result, path: Path) -> str:
    try:
        now = path.stat()
    except OSError:
        return "the file was taken away while it was read"
    if (now.st_ino, now.st_dev) != (before.st_ino, before.st_dev):
        return "another file was put in its place while it was read"
    if after.st_size != before.st_size:
        return (
            f"its size changed from {before.st_size:,} to {after.st_size:,} bytes while it was read"
        )
    if after.st_mtime_ns != before.st_mtime_ns:
        return "it was written to while it was read"
    return ""
