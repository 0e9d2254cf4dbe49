"""What workers do now and then: compare lists of providers with what was ordered, remove old files.

An audit is made once for all workers of a store; files are looked after once for each folder, as
each machine has its own.
"""

import datetime as dt
import socket
from collections.abc import Awaitable, Callable
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from llm_orchestrator.bulk.batches.lane import BatchLane
from llm_orchestrator.store.bulk import BulkStore

AUDIT = "audit"
_FILES = "files:"
_LEASE_S = 600.0
"""How soon another worker does what one began that died."""


async def upkeep(lane: BatchLane, owner: str, every_s: float) -> None:
    """Do what is due, unless another worker is at it."""
    context = lane.context

    async def audited() -> dict[str, Any]:
        return {
            one.provider: {
                "ours": one.count("ours"),
                "tagged": one.count("tagged"),
                "unknown": one.count("unknown"),
                "skipped": one.skipped,
            }
            for one in await lane.audit()
        }

    async def tidied() -> dict[str, Any]:
        return {"removed": await lane.tidy()}

    await _once(lane, AUDIT, owner, every_s, audited)
    folder = f"{_FILES}{socket.gethostname()}:{context.folder}"
    await _once(lane, folder, owner, every_s, tidied)


async def _once(
    lane: BatchLane,
    name: str,
    owner: str,
    every_s: float,
    work: Callable[[], Awaitable[dict[str, Any]]],
) -> None:
    context = lane.context
    store = context.store
    try:
        if not await store.do(store.upkeep.take, name, owner, _LEASE_S, every_s):
            return
        told = msgspec.json.encode(await work()).decode()
        await store.do(store.upkeep.done, name, owner, told, at=context.micros())
    except BaseException:  # also when the worker stops, be it while the lease is taken
        await store.do(store.upkeep.release, name, owner)
        raise


def status(store: BulkStore, zone: ZoneInfo) -> dict[str, Any]:
    """When it was last done, and what was found; times are ISO 8601. Blocks."""
    audit: dict[str, Any] = {"at": None, "providers": {}}
    files = []
    for one in store.wait(store.upkeep.listed):
        if one.done_at is None:
            continue
        at = dt.datetime.fromtimestamp(one.done_at / 1e6, zone).isoformat()
        told = msgspec.json.decode(one.told or "{}")
        if one.name == AUDIT:
            audit = {"at": at, "providers": told}
        else:
            files.append({"folder": one.name.removeprefix(_FILES), "at": at, **told})
    return {"audit": audit, "files": files}
