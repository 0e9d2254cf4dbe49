"""The queue: jobs are put in one by one, run together for less money, and get their results back.

Jobs, runs and results are in the store. Whoever asks for the state of a batch also goes on with it,
if nobody else does; a `scheduler.BatchScheduler` does so for all of them.
"""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from llm_orchestrator.bulk.background import BackgroundRunner
from llm_orchestrator.bulk.clock import Clock, SimulatedClock, SystemClock
from llm_orchestrator.bulk.queue import batch_status, callbacks, dashboard
from llm_orchestrator.bulk.queue.jobtypes import JobTypes
from llm_orchestrator.bulk.queue.models import Models
from llm_orchestrator.bulk.queue.placing import MOST, Placing
from llm_orchestrator.bulk.queue.settling import settle
from llm_orchestrator.config import load
from llm_orchestrator.config.paths import store_url
from llm_orchestrator.config.schema import Config
from llm_orchestrator.engine.build import catalog_of
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_jobs import JobRow
from llm_orchestrator.store.bulk_rows import new_work_id

_WORDS = {"low": 1, "normal": 5, "high": 10}
_NAME_MOST = 64


class BatchProcessor:
    """Queues jobs and runs them as batches.

    ``config`` is a path to a YAML file, a mapping, or ``None`` for whatever keys the environment
    holds; ``clock`` may be the address of a simulator. Every verb is a coroutine, for any event
    loop; those that end in ``_sync`` are the same for other code. Raises `ConfigError`.
    """

    def __init__(
        self,
        config: str | Path | Mapping[str, Any] | Config | None = None,
        *,
        clock: Clock | str | None = None,
    ) -> None:
        self.config = config if isinstance(config, Config) else load(config)
        self.clock: Clock = (
            SimulatedClock(clock) if isinstance(clock, str) else clock or SystemClock()
        )
        self.store = BulkStore(store_url(self.config))
        self.background = BackgroundRunner(self.config, clock=self.clock)
        self._types = JobTypes(self.config.bulk.job_types)
        self._directory = Directory(self.config)
        catalog = catalog_of(self.config, self._directory)
        self._models = Models(catalog, lambda: self.background.runtime)

    # ---------------------------------------------------------------- queueing

    async def queue_job(
        self,
        job_type: str,
        provider: str,
        data: Mapping[str, Any],
        priority: int | str = 5,
    ) -> str:
        """Put a job into the queue; returns its id.

        ``data`` is a request (``model`` and ``messages``, or ``input``), or what the template of
        the job type asks for. ``priority`` is from 1 (last) to 10 (first), or low, normal, high.
        Raises `InvalidRequestError` for data that ask for nothing, or a model that nobody knows.
        """
        return await asyncio.to_thread(self.queue_job_sync, job_type, provider, data, priority)

    def queue_job_sync(
        self,
        job_type: str,
        provider: str,
        data: Mapping[str, Any],
        priority: int | str = 5,
    ) -> str:
        """See `queue_job`."""
        job = self._job(job_type, provider, data, priority, self.micros())
        self.store.wait(self.store.jobs.add, [job])
        return job.job_id

    async def queue_jobs(self, jobs: Iterable[Mapping[str, Any]]) -> list[str]:
        """Put many jobs into the queue, mappings with what `queue_job` takes; returns their ids.

        All or none: raises `InvalidRequestError`, with its place, for one that will not do.
        """
        return await asyncio.to_thread(self.queue_jobs_sync, jobs)

    def queue_jobs_sync(self, jobs: Iterable[Mapping[str, Any]]) -> list[str]:
        """See `queue_jobs`."""
        now, made = self.micros(), []
        for place, one in enumerate(jobs):
            try:
                given = {key: one[key] for key in ("job_type", "provider", "data")}
                # A microsecond later each, so that their order is kept.
                made.append(self._job(**given, priority=one.get("priority", 5), at=now + place))
            except (KeyError, TypeError, AttributeError):
                what = "expected job_type, provider and data"
                raise InvalidRequestError(f"job {place}: {what}") from None
            except InvalidRequestError as error:
                raise InvalidRequestError(f"job {place}: {error.message}") from None
        self.store.wait(self.store.jobs.add, made)
        return [job.job_id for job in made]

    # ---------------------------------------------------------------- batches

    async def process_batch(self, job_type: str, provider: str, max_jobs: int = MOST) -> str | None:
        """Run the most urgent jobs of a type at a provider now; the id of the batch, or ``None``.

        It goes on in the background of this process; `check_batch_status` says when it is over.
        """
        return await asyncio.to_thread(self.process_batch_sync, job_type, provider, max_jobs)

    def process_batch_sync(self, job_type: str, provider: str, max_jobs: int = MOST) -> str | None:
        """See `process_batch`."""
        if max_jobs < 1:
            raise InvalidRequestError("max_jobs must be 1 or more")
        name = self._directory.get(str(provider)).name
        placing = Placing(self.background.runtime, self.store)
        made = placing.one(str(job_type), name, at=self.micros(), most=max_jobs)
        if made is None:
            return None
        self.background.begin(made[0])
        return made[0]

    async def process_all_batches(self) -> list[str]:
        """Run all that waits now; the ids of the batches, the most urgent first."""
        return await asyncio.to_thread(self.process_all_batches_sync)

    def process_all_batches_sync(self, *, drive: bool = True) -> list[str]:
        """See `process_all_batches`; without ``drive``, workers go on with them."""
        now, made = self.micros(), []
        placing = Placing(self.background.runtime, self.store)
        for run_id, _ in placing.all(at=now, before=now):
            if drive:
                self.background.begin(run_id)
            made.append(run_id)
        return made

    async def check_batch_status(self, batch_id: str) -> dict[str, Any]:
        """How a batch, or a job, stands: ``["status"]`` is ``completed`` when it is over.

        Raises `InvalidRequestError` for an id that there is not.
        """
        return await asyncio.to_thread(self.check_batch_status_sync, batch_id)

    def check_batch_status_sync(self, batch_id: str) -> dict[str, Any]:
        """See `check_batch_status`."""
        self._look(batch_id)
        return batch_status.status(self.store, batch_id)

    async def retrieve_batch_results(self, batch_id: str) -> list[dict[str, Any]]:
        """The results of a batch, or of one job, so far; failed jobs have an ``error``."""
        return await asyncio.to_thread(self.retrieve_batch_results_sync, batch_id)

    def retrieve_batch_results_sync(self, batch_id: str) -> list[dict[str, Any]]:
        """See `retrieve_batch_results`."""
        self._look(batch_id)
        return batch_status.results(self.store, batch_id)

    async def on_completion(self, batch_id: str, target: str) -> str:
        """Let workers tell somebody when a batch has ended; returns the callback's id.

        ``target`` is ``https://...``, ``command:program arguments`` or ``package.module:function``;
        it is called at least once. Raises `InvalidRequestError`.
        """
        return await asyncio.to_thread(callbacks.ask, self.store, batch_id, target)

    # ---------------------------------------------------------------- looking

    async def get_queue_status(self) -> dict[str, Any]:
        """What waits and what is under way, by job type, provider and priority."""
        return await asyncio.to_thread(dashboard.queue_status, self.store)

    async def get_metrics(self, category: str | None = None) -> dict[str, Any]:
        """Counts, success rate, cost and savings, of one job type if ``category`` names it."""
        return await asyncio.to_thread(dashboard.metrics, self.store, category)

    async def get_dashboard_data(self) -> dict[str, Any]:
        """All of it: overview, active batches, savings, queue and recent activity."""
        return await asyncio.to_thread(dashboard.dashboard, self.store, self.micros())

    async def get_cost_savings(self) -> dict[str, Any]:
        """What batches have saved, by job type, provider and month."""
        return await asyncio.to_thread(dashboard.savings, self.store, self.config.bulk.zone)

    async def get_alerts(self) -> list[dict[str, Any]]:
        """Alerts that stand, the latest first."""
        return await asyncio.to_thread(dashboard.alerts, self.store)

    async def generate_report(self, days: int = 30) -> dict[str, Any]:
        """Batches of the last days: counts, cost and savings, in all and by day."""
        return await asyncio.to_thread(
            dashboard.report, self.store, self.micros(), days, self.config.bulk.zone
        )

    # ---------------------------------------------------------------- the end

    def close(self) -> None:
        """Stop what is under way at its next checkpoint, and disconnect."""
        self.background.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)

    # ---------------------------------------------------------------- inside

    def micros(self) -> int:
        """The clock in unix microseconds."""
        return int(self.clock.now() * 1e6)

    def _job(
        self, job_type: str, provider: str, data: Mapping[str, Any], priority: int | str, at: int
    ) -> JobRow:
        name = str(job_type)
        if not name or len(name) > _NAME_MOST or not name.replace("-", "_").isidentifier():
            raise InvalidRequestError(f"job_type: {name[:80]!r} is no name of a job type")
        owner = self._directory.get(str(provider))
        self._models.check(owner, self._types.read(name, data))
        try:
            text = msgspec.json.encode(data).decode()
        except (TypeError, ValueError) as error:
            raise InvalidRequestError(f"data: this cannot be written as JSON: {error}") from None
        return JobRow(
            job_id=f"job_{new_work_id()[1:17]}",
            job_type=name,
            provider=owner.name,
            data=text,
            priority=read_priority(priority),
            queued_at=at,
        )

    def _look(self, batch_id: str) -> None:
        """Go on with what nobody goes on with, and bring results back that have come."""
        run_id = batch_status.run_of(self.store, batch_id)
        if run_id is None:
            return
        run = self.store.wait(self.store.runs.get, run_id)
        open_states = {"planned", "running", "cancelling"}
        if run is not None and run.state in open_states and not self.background.rests(run_id):
            self.background.begin(run_id)
        settle(self.store, run_id, self.micros())


def read_priority(given: int | str) -> int:
    """From 1 (last) to 10 (first), or low, normal, high; raises `InvalidRequestError`."""
    if isinstance(given, str):
        text = given.strip().lower()
        number = _WORDS.get(text, int(text) if text.isdigit() else 0)
    else:
        number = given if type(given) is int else 0
    if not 1 <= number <= max(_WORDS.values()):
        raise InvalidRequestError(
            f"priority: expected 1 (last) to 10 (first), or low, normal, high, not {given!r}"
        )
    return number
