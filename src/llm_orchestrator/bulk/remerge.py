"""Merging the files of a folder anew: those of a run, or of anybody who writes the same ones."""

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from llm_orchestrator.bulk.merge import MergeRule, Merging
from llm_orchestrator.bulk.output import Files
from llm_orchestrator.errors import InvalidRequestError

_encode = msgspec.json.Encoder(decimal_format="number").encode


def remerge(folder: Path, rule: MergeRule, quality: tuple[str, ...]) -> dict[str, Any]:
    """Write ``consolidated/all_analysis.json`` from ``ai_results_*/*_analysis.jsonl`` or ``.json``.

    Returns the counts and the agreement. Memory stays flat: rows are brought together on the disk.
    Raises `InvalidRequestError` where there is nothing to merge, or it cannot be read.
    """
    merging = Merging(rule, quality)
    files = Files(folder)
    found = items = 0
    with (
        tempfile.TemporaryDirectory(dir=folder if folder.is_dir() else None) as scratch,
        contextlib.closing(sqlite3.connect(Path(scratch) / "rows.db")) as rows,
    ):
        rows.execute("CREATE TABLE rows (task TEXT, id TEXT, row BLOB)")
        rows.executemany("INSERT INTO rows VALUES (?, ?, ?)", _rows(folder))
        try:
            whole = files.array("consolidated/all_analysis.json")
            order = "SELECT task, id, row FROM rows ORDER BY task, id, rowid"
            for task, user_id, text in rows.execute(order):
                found += 1
                for one in merging.add((task, user_id), msgspec.json.decode(text)):
                    items += 1
                    whole.add(_encode(one))
            for one in merging.end():
                items += 1
                whole.add(_encode(one))
            if not found:
                raise InvalidRequestError(f"there are no results to merge in {folder}")
            files.keep(tidy=False)
        finally:
            files.drop()
    return {
        "rows": found,
        "items": items,
        "path": str(folder / "consolidated/all_analysis.json"),
        "agreement": merging.agreement(),
    }


def _rows(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    for path in sorted(folder.glob("ai_results_*/*_analysis.json*")):
        if path.suffix == ".json" and path.with_suffix(".jsonl").is_file():
            continue
        if path.suffix not in {".json", ".jsonl"}:
            continue
        provider = path.parent.name.removeprefix("ai_results_")
        task = path.name.partition("_analysis.")[0]
        for row in _read(path):
            if not isinstance(row, dict) or not row:
                raise InvalidRequestError(f"{path}: expected objects with an id first")
            full = {"task": task, "provider": provider, "model": None} | row
            ordered = {**row, **{key: full[key] for key in ("task", "provider", "model")}}
            yield str(full["task"]), str(next(iter(row.values()))), _encode(ordered)


def _read(path: Path) -> Iterator[Any]:
    try:
        if path.suffix == ".jsonl":
            with path.open("rb") as lines:
                yield from (msgspec.json.decode(line) for line in lines if line.strip())
        else:
            yield from msgspec.json.decode(path.read_bytes())
    except (msgspec.DecodeError, TypeError) as error:
        raise InvalidRequestError(f"{path}: {error}") from None
