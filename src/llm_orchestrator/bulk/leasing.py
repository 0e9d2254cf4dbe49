"""Leases of runs and units: as long as one is renewed, other processes leave the work alone."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from llm_orchestrator.errors import StoreError
from llm_orchestrator.store.bulk import BulkStore

log = logging.getLogger("llm_orchestrator")


@asynccontextmanager
async def renewed(
    store: BulkStore,
    claim: Callable[[str, str, float], object],
    name: str,
    owner: str,
    lease: float,
) -> AsyncIterator[None]:
    """Claim a run or a unit again in time, until the body is done; it is not released here."""

    async def renew() -> None:
        told = False
        while True:
            await asyncio.sleep(lease / 3)
            try:
                await store.do(claim, name, owner, lease)
                told = False
            except StoreError as error:
                if not told:
                    log.warning("the lease of %s cannot be renewed: %s", name, error)
                told = True

    task = asyncio.get_running_loop().create_task(renew())
    try:
        yield
    finally:
        task.cancel()
