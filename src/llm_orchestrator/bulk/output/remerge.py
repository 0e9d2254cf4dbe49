"""Merging the files of a folder anew: those of a run, or of anybody who writes the same ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from llm_orchestrator.bulk.output.files import Files
from llm_orchestrator.bulk.output.grouping import Groups
from llm_orchestrator.bulk.output.merge import Merging
from llm_orchestrator.bulk.spec import MergeRule
from llm_orchestrator.errors import InvalidRequestError

_encode = msgspec.json.Encoder(decimal_format="number").encode


def remerge(folder: Path, rule: MergeRule, quality: tuple[str, ...]) -> dict[str, Any]:
    """Write ``consolidated/all_analysis.json`` from ``ai_results_*/*_analysis.jsonl`` or ``.json``.

    Returns the counts and the agreement. Memory stays flat. Raises `InvalidRequestError` where
    there is nothing to merge, or it cannot be read.
    """
    if not folder.is_dir():
        raise InvalidRequestError(f"there is no folder {folder}")
    merging, files, groups = Merging(rule, quality), Files(folder), Groups(folder)
    found = items = 0
    try:
        for key, row in _rows(folder):
            found += 1
            groups.add(key, row)
        if not found:
            raise InvalidRequestError(f"there are no results to merge in {folder}")
        whole = files.array("consolidated/all_analysis.json")
        for rows in groups:
            for one in merging.merged([msgspec.json.decode(row) for row in rows]):
                items += 1
                whole.add(_encode(one))
        files.keep(tidy=False)
    finally:
        groups.close()
        files.drop()
    return {
        "rows": found,
        "items": items,
        "path": str(folder / "consolidated/all_analysis.json"),
        "agreement": merging.agreement(),
    }


def _rows(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.glob("ai_results_*/*_analysis.json*")):
        if path.suffix not in {".json", ".jsonl"}:
            continue
        if path.suffix == ".json" and path.with_suffix(".jsonl").is_file():
            continue
        provider = path.parent.name.removeprefix("ai_results_")
        task = path.name.partition("_analysis.")[0]
        for row in _read(path):
            if not isinstance(row, dict) or not row:
                raise InvalidRequestError(f"{path}: expected objects with an id first")
            full = row | {
                "task": row.get("task", task),
                "provider": row.get("provider", provider),
                "model": row.get("model"),
            }
            yield f"{full['task']}\0{next(iter(row.values()))}", _encode(full)


def _read(path: Path) -> Iterator[Any]:
    where = str(path)
    try:
        if path.suffix == ".jsonl":
            with path.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    where = f"{path}, line {number}"
                    if line.strip():
                        yield msgspec.json.decode(line)
        else:
            yield from msgspec.json.decode(path.read_bytes())
    except (msgspec.DecodeError, TypeError) as error:
        raise InvalidRequestError(f"{where}: {error}; mend or remove it") from None
