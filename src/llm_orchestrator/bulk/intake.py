"""From what a user asks for to a run in the store: a new one, or the one that is gone on with."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from llm_orchestrator.bulk import spec
from llm_orchestrator.bulk.allocation import Allocator
from llm_orchestrator.bulk.error_text import error_text
from llm_orchestrator.bulk.loading import Loaded, load
from llm_orchestrator.bulk.planning import stored_estimate
from llm_orchestrator.bulk.planning.split import Split
from llm_orchestrator.bulk.planning.targets import Targets, find_targets
from llm_orchestrator.bulk.rows.reading import Format, Source, read_rows
from llm_orchestrator.bulk.rows.row import Reject, rejects_path
from llm_orchestrator.bulk.rows.sampling import Sampler
from llm_orchestrator.bulk.runner import Runner
from llm_orchestrator.bulk.screening import screened, within
from llm_orchestrator.bulk.spec import RunSpec
from llm_orchestrator.bulk.tasks.task import Task
from llm_orchestrator.errors import BudgetError, InvalidRequestError, OrchestratorError
from llm_orchestrator.store.bulk_rows import RunRow, new_work_id
from llm_orchestrator.types.money import Pico

log = logging.getLogger("llm_orchestrator")
_SAID_AFTER = 10
"""Looks at a run that another process drives, until that is said."""


class RunRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it is asked for."""

    source: Source
    format: Format | None = None
    tasks: tuple[Task, ...]
    spec: RunSpec
    cap: Pico | None = None
    out: Path | None = None
    name: str | None = None
    tags: str | None = None


async def place(runner: Runner, request: RunRequest) -> tuple[RunRow, Loaded]:
    """Bring a run and its items into the store; it is not driven yet.

    Raises `InvalidRequestError` for an input that cannot be read at all or has no rows, and
    `BudgetError` when the cap does not pay for what waits and nothing was asked yet.
    """
    targets, _ = find_targets(
        runner.runtime, request.tasks, request.spec.models, Split.read(request.spec.split)
    )
    await runner.clock.refresh()
    now = runner.micros()
    runs, do = runner.store.runs, runner.store.do
    fields: dict[str, Any] = {
        "spec": spec.encode(request.spec),
        "cap_pico": request.cap,
        "deadline_at": _deadline(request.spec, now),
        "out": None if request.out is None else str(request.out),
        "tags": request.tags,
    }
    run_id = f"run_{new_work_id()[1:13]}"
    new = RunRow(run_id=run_id, name=request.name, created_at=now, **fields)
    run = await do(runs.found_or_added, new) or new
    # While another process drives it, wait until it ends, is paused or dies.
    tries = 0
    while not await do(runs.claim, run.run_id, runner.owner, runner.lease):
        tries += 1
        if tries == _SAID_AFTER:
            log.warning("%s: another process is, or was just now, at it: waiting", run.run_id)
        await asyncio.sleep(0.2)
    async with runner.leased(run.run_id):
        await do(runs.change, run.run_id, state="loading", error=None, ended_at=None, **fields)
        try:
            told = await _Intake(runner, request, run.run_id, targets).done()
        except OrchestratorError as error:
            await do(runs.change, run.run_id, state="failed", error=error_text(error))
            raise
        await do(runs.change, run.run_id, among=("loading",), state="planned")
    return await runner.row(run.run_id), told


class _Intake:
    """A run while its input is read."""

    def __init__(self, runner: Runner, request: RunRequest, run_id: str, targets: Targets) -> None:
        self._runner = runner
        self._request = request
        self._run_id = run_id
        self._targets = targets
        self._sample = Sampler()
        self._reading = read_rows(request.source, format=request.format)

    async def done(self) -> Loaded:
        """Read, load, estimate and plan."""
        told = await asyncio.to_thread(self._load)
        store, do = self._runner.store, self._runner.store.do
        counts = await do(store.items.counts, self._run_id)
        if not counts:
            raise InvalidRequestError(_nothing(self._reading.name, told))
        items: dict[str, int] = {}
        for (task, _), count in counts.items():
            items[task] = items.get(task, 0) + count
        await do(
            store.runs.change,
            self._run_id,
            input_digest=self._reading.digest,
            items=sum(items.values()),
            rejects=told.rejected,
        )
        told.changed = self._reading.changed
        await self._plan(items)
        return told

    def _load(self) -> Loaded:
        """Blocks; in a thread."""
        runner, request = self._runner, self._request
        path = rejects_path(runner.folder, self._run_id)
        part = path.with_suffix(".part")
        runner.folder.mkdir(parents=True, exist_ok=True)
        tasks = [
            within(task, [one.model for one in self._targets[task.name]]) for task in request.tasks
        ]
        each = self._targets if Split.read(request.spec.split).mode == "each" else None
        try:
            with part.open("wb") as file:
                rows = self._sample.watch(screened(self._reading, tasks))
                quality = request.spec.quality
                told = load(runner.store, self._run_id, tasks, rows, _into(file), each, quality)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return told

    async def _plan(self, items: dict[str, int]) -> None:
        """Whether the cap pays for it; notes what is expected."""
        runner, tasks = self._runner, self._request.tasks
        store, do = runner.store, runner.store.do
        estimate, offers = await asyncio.to_thread(
            stored_estimate.make,
            runner.runtime,
            store,
            tasks,
            self._sample,
            self._targets,
            items,
            self._request.spec.concurrency,
        )
        text = stored_estimate.encode(estimate.as_dict(), offers)
        await do(store.runs.change, self._run_id, estimate=text)
        run = await runner.row(self._run_id)
        try:
            allocation = await Allocator(runner).allocate(run)
        except BudgetError:
            if not await do(store.units.of_run, self._run_id):
                raise
            return  # what is out comes back, and the run ends with what it has
        before = await do(store.history.of_run, self._run_id)
        sent = Counter[tuple[str, ...]]()
        for unit in await do(store.units.of_run, self._run_id):
            if unit.state != "dropped":
                sent[unit.task, unit.provider, unit.model] += unit.count
        for one in allocation.plans:
            rows = stored_estimate.expected(
                self._run_id, tasks, estimate, one.plan, runner.micros()
            )
            await do(store.history.expect, stored_estimate.extended(rows, before, sent))


def _into(file: BinaryIO) -> Callable[[Reject], None]:
    encode = msgspec.json.Encoder().encode

    def reject(one: Reject) -> None:
        file.write(encode(one) + b"\n")

    return reject


def _nothing(name: str, told: Loaded) -> str:
    """Why nothing can be asked, by its first row."""
    if told.first is None:
        return f"{name} has no rows"
    rows = "its only row cannot" if told.rows == 1 else f"none of its {told.rows:,} rows can"
    return f"{name}: {rows} be asked; {told.first.told}"


def _deadline(order: RunSpec, now: int) -> int | None:
    return None if order.deadline_s is None else now + int(order.deadline_s * 1e6)
