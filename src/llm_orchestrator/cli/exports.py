"""Writes rows as CSV, JSON or JSON lines: to standard output, or to a file in one step."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from llm_orchestrator.cli import output
from llm_orchestrator.errors import ConfigError


class Writer(Protocol):
    """What rows are written to."""

    def write(self, text: str, /) -> int: ...


def write(rows: Iterable[Mapping[str, Any]], format: str, path: Path | None) -> int:
    """How many rows were written. A file is only replaced once all of them are."""
    with _target(path) as file:
        return {"csv": _csv, "json": _json, "jsonl": _jsonl}[format](rows, file)


@contextmanager
def _target(path: Path | None) -> Iterator[Writer]:
    if path is None:
        yield output.results
        return
    path = path.expanduser()
    draft = path.with_name(f".{path.name}.new")
    if not path.parent.is_dir():
        raise ConfigError(f"cannot write {path}: there is no folder {path.parent}")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            yield file
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _csv(rows: Iterable[Mapping[str, Any]], file: Writer) -> int:
    writer = csv.writer(file, lineterminator="\n")
    number = 0
    for number, row in enumerate(rows, 1):
        if number == 1:
            writer.writerow(row)
        writer.writerow(_cell(value) for value in row.values())
    return number


def _jsonl(rows: Iterable[Mapping[str, Any]], file: Writer) -> int:
    number = 0
    for row in rows:
        file.write(f"{output.json_line(row)}\n")
        number += 1
    return number


def _json(rows: Iterable[Mapping[str, Any]], file: Writer) -> int:
    number = 0
    file.write("[")
    for number, row in enumerate(rows, 1):
        file.write(f"{',' if number > 1 else ''}\n  {output.json_line(row)}")
    file.write("\n]\n" if number else "]\n")
    return number


def _cell(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value).lower() if isinstance(value, bool) else value
