"""Files that nobody needs any more: those of processes that died before they could remove them."""

import asyncio
import re
import shutil
from contextlib import suppress
from pathlib import Path

from llm_orchestrator.bulk.batches.context import BatchContext
from llm_orchestrator.store.bulk_rows import Unit

_STRANGE = ".strange.jsonl"
_YOUNG_S = 3600.0
"""Somebody may be reading the results anew."""
_UNKNOWN_S = 7 * 86_400.0
"""A file may be written before its unit is in the store, or be of another store's unit."""
_NAME = re.compile(r"w[0-9a-z]{19}\.")


def strange_path(folder: Path, unit: Unit) -> Path:
    """Where results of the batch are that nobody asked for; they go into the output, too."""
    return folder / f"{unit.work_id}{_STRANGE}"


async def tidy(context: BatchContext) -> int:
    """Remove what is left of units that are over or unknown; how many files and folders."""
    store, count = context.store, 0
    wall = context.clock.wall()
    for path, written in await asyncio.to_thread(_old, context.folder, wall - _YOUNG_S):
        unit = await store.do(store.units.get, path.name.partition(".")[0])
        useless = written < wall - _UNKNOWN_S if unit is None else unit.over
        if useless:
            await asyncio.to_thread(_remove, path)
            count += 1
    return count


def _old(folder: Path, before: float) -> list[tuple[Path, float]]:
    """Files and folders of units that were written before then, and when."""
    found = []
    for path in folder.glob("w*.*"):
        if _NAME.match(path.name) and not path.name.endswith(_STRANGE):
            with suppress(FileNotFoundError):  # others tidy up too
                found.append((path, path.stat().st_mtime))
    return [(path, written) for path, written in found if written < before]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
