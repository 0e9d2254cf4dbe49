"""From jobs that wait to a run: one of each job type and provider, the most urgent jobs first."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec

from llm_orchestrator.bulk import spec
from llm_orchestrator.bulk.planning import stored_estimate
from llm_orchestrator.bulk.planning.plan import Offer
from llm_orchestrator.bulk.planning.planner import Demand, plan
from llm_orchestrator.bulk.queue.jobtypes import Job, JobTypes
from llm_orchestrator.bulk.rows.row import RowError
from llm_orchestrator.bulk.rows.sampling import Sampler
from llm_orchestrator.bulk.spec import RunSpec
from llm_orchestrator.bulk.tasks.files import load_task
from llm_orchestrator.bulk.tasks.task import Task
from llm_orchestrator.engine import labels
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import InvalidRequestError, OrchestratorError, UnsupportedError
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_history import EstimateRow
from llm_orchestrator.store.bulk_jobs import MARK, JobRow
from llm_orchestrator.store.bulk_rows import NewItem, RunRow, new_work_id
from llm_orchestrator.types.provider import Candidate

log = logging.getLogger("llm_orchestrator")

MOST = 20_000
"""Jobs of one run, where nothing else is said."""


class Placing:
    """Makes runs of queued jobs. All of it blocks; it is for a thread."""

    def __init__(self, runtime: Runtime, store: BulkStore) -> None:
        self._runtime = runtime
        self._store = store
        self._types = JobTypes(runtime.config.bulk.job_types)

    def all(self, *, at: int, before: int | None = None) -> Iterator[tuple[str, int]]:
        """Runs of all that waits: their ids and how many jobs; the most urgent first.

        ``before`` leaves out what was queued later. What cannot be asked now stays in the queue.
        """
        for one in self._store.wait(self._store.jobs.waiting, before):
            try:
                while made := self.one(one.job_type, one.provider, at=at, before=before):
                    yield made
            except OrchestratorError as error:
                log.warning("jobs %s at %s have to wait: %s", one.job_type, one.provider, error)

    def one(
        self,
        job_type: str,
        provider: str,
        *,
        at: int,
        most: int = MOST,
        before: int | None = None,
    ) -> tuple[str, int] | None:
        """One run, of the most urgent jobs; its id and how many. ``None``: nothing waits."""
        jobs = self._store.jobs
        rows = self._store.wait(
            jobs.listed,
            state="queued",
            job_type=job_type,
            provider=provider,
            before=before,
            limit=most,
        )
        run_id = f"run_{new_work_id()[1:13]}"
        tasks = _RunTasks(self._runtime, self._types, job_type, provider)
        items: list[tuple[str, NewItem]] = []
        for row in rows:
            try:
                items.append((row.job_id, tasks.item(len(items), row)))
            except (RowError, InvalidRequestError) as error:
                self._store.wait(jobs.refuse, row.job_id, str(error), at=at)
        if not items:
            return None
        order = RunSpec(tasks=tasks.specs, elsewhere=False)
        estimate, expected = tasks.estimate(self._store, order.concurrency, run_id, at)
        run = RunRow(
            run_id=run_id,
            name=f"{MARK}{provider}/{job_type}",
            state="planned",
            spec=spec.encode(order),
            estimate=estimate,
            created_at=at,
            priority=max(row.priority for row in rows),
            tags=labels.tags({"job_type": job_type}),
        )
        count = self._store.wait(jobs.place, run, items, expected, at=at)
        return (run_id, count) if count else None


class _RunTasks:
    """The tasks of one run: one for each model that its jobs ask for."""

    def __init__(self, runtime: Runtime, types: JobTypes, job_type: str, provider: str) -> None:
        self._runtime = runtime
        self._types = types
        self._type = job_type
        self._provider = provider
        self._tasks: dict[tuple[str, str | None], Task] = {}
        self._made: dict[tuple[str, str], Task] = {}
        self._targets: dict[str, Candidate] = {}
        self._samples: dict[str, Sampler] = {}

    @property
    def specs(self) -> tuple[dict[str, object], ...]:
        """What the tasks are made from."""
        return tuple(dict(task.spec) for task in self._made.values())

    def item(self, number: int, row: JobRow) -> NewItem:
        """The item of a job; raises `RowError` and `InvalidRequestError` for data that will not do.

        Raises `ConfigError` and the like when nobody can be asked at all.
        """
        job = self._types.read(self._type, msgspec.json.decode(row.data))
        task = self._task(job)
        data = job.with_id(row.job_id)
        digest = task.item(data).digest
        self._samples[task.name].add(number, data)
        return NewItem(number, task.name, row.job_id, digest, msgspec.json.encode(data))

    def estimate(
        self, store: BulkStore, concurrency: int, run_id: str, at: int
    ) -> tuple[str, list[EstimateRow]]:
        """What is expected of them, for the run's row and beside what will have come.

        Each task has rows of its own.
        """
        told: dict[str, Any] = {}
        offers: list[Offer] = []
        expected: list[EstimateRow] = []
        for task in self._made.values():
            sample = self._samples[task.name]
            estimate, made = stored_estimate.make(
                self._runtime,
                store,
                (task,),
                sample,
                {task.name: (self._targets[task.name],)},
                {task.name: sample.count},
                concurrency,
            )
            told[task.name] = estimate.as_dict()
            offers += made
            with suppress(UnsupportedError):  # the run will say so
                planned = plan([Demand(task.name, sample.count)], made)
                expected += stored_estimate.expected(run_id, (task,), estimate, planned, at)
        whole = told.popitem()[1] if len(told) == 1 else {"tasks": told}
        return stored_estimate.encode(whole, offers), expected

    def _task(self, job: Job) -> Task:
        key = (job.task.digest, job.model)
        found = self._tasks.get(key)
        if found is None:
            target = self._target(job)
            model = f"{self._provider}/{target.model.id}"
            whole = (job.task.digest, model)
            found = self._made.get(whole)
            if found is None:
                given = {**job.task.spec, "models": [model], "model": None}
                number = len(self._made) + 1
                given["name"] = self._type if number == 1 else f"{self._type[:60]}.{number}"
                found = self._made[whole] = _of_type(load_task(given), self._type)
                self._targets[found.name] = target
                self._samples[found.name] = Sampler()
            self._tasks[key] = found
        return found

    def _target(self, job: Job) -> Candidate:
        """Whom a job asks."""
        candidates = self._runtime.candidates
        if job.model is not None:
            name = job.model.removeprefix(f"{self._provider}/")
            return candidates.of(self._provider, name)[0]
        for name in job.task.models:
            try:
                found = candidates.one(name)
            except OrchestratorError:
                continue
            if found.provider.name == self._provider:
                return found
        if job.task.kind == "embedding":
            raise InvalidRequestError(
                f"data.model: name a model of {self._provider} that makes vectors"
            )
        return candidates.of(self._provider, None)[0]


def _of_type(task: Task, job_type: str) -> Task:
    """The task of a job type: jobs that bring their own messages share nothing but that."""
    if not task.spec.get("as_is"):
        return task
    seed = f"{task.digest}{job_type}".encode()
    digest = hashlib.blake2b(seed, digest_size=16).hexdigest()
    return msgspec.structs.replace(task, digest=digest)
