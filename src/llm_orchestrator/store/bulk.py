"""Bulk runs in a store: one connection for their tables, used from one thread."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import ParamSpec, TypeVar

from llm_orchestrator.errors import StoreError
from llm_orchestrator.store.backend import Backend
from llm_orchestrator.store.bulk_batches import BulkUnits
from llm_orchestrator.store.bulk_history import BulkHistory
from llm_orchestrator.store.bulk_items import BulkItems
from llm_orchestrator.store.bulk_jobs import BulkJobs
from llm_orchestrator.store.bulk_nights import BulkNights
from llm_orchestrator.store.bulk_notices import BulkAlerts, BulkCallbacks
from llm_orchestrator.store.bulk_runs import BulkRuns
from llm_orchestrator.store.bulk_sums import BulkSums
from llm_orchestrator.store.bulk_upkeep import BulkUpkeep
from llm_orchestrator.store.connect import connect
from llm_orchestrator.store.outage import advice_for, reason_of
from llm_orchestrator.store.urls import Target, parse_url

P = ParamSpec("P")
T = TypeVar("T")


class Desk:
    """The connection that the aggregates share. What the database raises becomes `StoreError`."""

    def __init__(self, target: Target, timeout_s: float) -> None:
        self.target = target
        self._backend = connect(target, timeout_s)

    @property
    def postgres(self) -> bool:
        """Whether rows must be locked one by one."""
        return self.target.kind == "postgres"

    @contextmanager
    def __call__(self, *, together: bool = False) -> Iterator[Backend]:
        """The backend; what is done ``together`` is one transaction."""
        backend = self._backend
        faults: tuple[type[Exception], ...] = (*backend.errors, *backend.data_errors, OSError)
        try:
            if together:
                with backend.transaction():
                    yield backend
            else:
                yield backend
        except faults as error:
            reason = reason_of(error, self.target)
            raise StoreError(
                f"the bulk runs at {self.target.shown} cannot be read or written: "
                f"{reason.rstrip('.')}. {advice_for(error, reason)}"
            ) from error

    def close(self) -> None:
        """Disconnect; the next use connects again."""
        self._backend.close()


class BulkStore:
    """Runs, items and units of work. All of their methods block, and raise `StoreError`.

    From a loop: ``await store.do(store.items.counts, run_id)``; from another thread:
    ``store.wait(store.items.counts, run_id)``. Both run in the one thread that has the connection;
    a program without either may call the methods directly, from one thread.
    """

    def __init__(self, url: str | None = None, *, timeout_s: float = 30.0) -> None:
        self.target: Target = parse_url(url)
        self._desk = Desk(self.target, timeout_s)
        self._pool = ThreadPoolExecutor(1, "llmo-bulk")
        self.runs = BulkRuns(self._desk)
        self.items = BulkItems(self._desk)
        self.units = BulkUnits(self._desk)
        self.history = BulkHistory(self._desk)
        self.sums = BulkSums(self._desk)
        self.jobs = BulkJobs(self._desk)
        self.nights = BulkNights(self._desk)
        self.upkeep = BulkUpkeep(self._desk)
        self.alerts = BulkAlerts(self._desk)
        self.callbacks = BulkCallbacks(self._desk)

    async def do(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the call returns; it must not return a generator."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, partial(call, *args, **kwargs))

    def wait(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for threads without a loop."""
        return self._pool.submit(call, *args, **kwargs).result()

    def close(self) -> None:
        """End the thread, once it has done what it was given, and disconnect."""
        self._pool.submit(self._desk.close)
        self._pool.shutdown()
