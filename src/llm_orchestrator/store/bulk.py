"""Bulk runs in a store: one connection for their tables, used from one thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from llm_orchestrator.store.bulk_batches import BulkUnits
from llm_orchestrator.store.bulk_connection import BulkConnection
from llm_orchestrator.store.bulk_history import BulkHistory
from llm_orchestrator.store.bulk_items import BulkItems
from llm_orchestrator.store.bulk_jobs import BulkJobs
from llm_orchestrator.store.bulk_nights import BulkNights
from llm_orchestrator.store.bulk_notices import BulkAlerts, BulkCallbacks
from llm_orchestrator.store.bulk_runs import BulkRuns
from llm_orchestrator.store.bulk_sums import BulkSums
from llm_orchestrator.store.bulk_upkeep import BulkUpkeep
from llm_orchestrator.store.urls import Target, parse_url

P = ParamSpec("P")
T = TypeVar("T")


class BulkStore:
    """Runs, items and units of work. All of their methods block, and raise `StoreError`.

    From a loop: ``await store.do(store.items.counts, run_id)``; from another thread:
    ``store.wait(store.items.counts, run_id)``. Both run in the one thread that has the connection;
    a program without either may call the methods directly, from one thread.
    """

    def __init__(self, url: str | None = None, *, timeout_s: float = 30.0) -> None:
        self.target: Target = parse_url(url)
        self._connection = BulkConnection(self.target, timeout_s)
        self._pool = ThreadPoolExecutor(1, "llmo-bulk")
        self.wall = wall = self._connection.wall
        self.runs = BulkRuns(self._connection, wall)
        self.items = BulkItems(self._connection)
        self.units = BulkUnits(self._connection, wall)
        self.history = BulkHistory(self._connection)
        self.sums = BulkSums(self._connection)
        self.jobs = BulkJobs(self._connection, wall)
        self.nights = BulkNights(self._connection, wall)
        self.upkeep = BulkUpkeep(self._connection, wall)
        self.alerts = BulkAlerts(self._connection, wall)
        self.callbacks = BulkCallbacks(self._connection, wall)

    async def do(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the call returns; it must not return a generator."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, partial(call, *args, **kwargs))

    def wait(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for threads without a loop."""
        return self._pool.submit(call, *args, **kwargs).result()

    def close(self) -> None:
        """End the thread, once it has done what it was given, and disconnect."""
        self._pool.submit(self._connection.close)
        self._pool.shutdown()
