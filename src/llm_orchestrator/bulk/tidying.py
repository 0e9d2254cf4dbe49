"""Files that nobody needs any more: those of processes that died before they could remove them."""

import asyncio
import shutil
from pathlib import Path

from llm_orchestrator.bulk.hands import Hands

STRANGE = ".strange.jsonl"
"""How the name of a file ends with results that nobody asked for: it is for people."""
_YOUNG_S = 3600.0
"""A file may be written before its unit is in the store."""


async def tidy(hands: Hands) -> int:
    """Remove what is left of units that are over or unknown; how many files and folders."""
    store, count = hands.store, 0
    for path in await asyncio.to_thread(_old, hands.folder, hands.clock.wall() - _YOUNG_S):
        unit = await store.do(store.units.get, path.name.partition(".")[0])
        if unit is None or unit.over:
            await asyncio.to_thread(_remove, path)
            count += 1
    return count


def _old(folder: Path, before: float) -> list[Path]:
    if not folder.is_dir():
        return []
    return [
        path
        for path in folder.glob("w*.*")
        if not path.name.endswith(STRANGE) and path.stat().st_mtime < before
    ]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
