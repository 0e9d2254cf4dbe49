"""From what a user asks for to a run in the store: a new one, or the one that is gone on with."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from llm_orchestrator.bulk import spec
from llm_orchestrator.bulk.loading import Loaded, load
from llm_orchestrator.bulk.reading import Format, Source, read_rows
from llm_orchestrator.bulk.rows import Reject
from llm_orchestrator.bulk.runner import Runner
from llm_orchestrator.bulk.sampling import Sampler
from llm_orchestrator.bulk.screening import screened, within
from llm_orchestrator.bulk.spec import RunSpec
from llm_orchestrator.bulk.split import Split
from llm_orchestrator.bulk.task import Task
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.store.bulk_rows import RunRow, new_work_id
from llm_orchestrator.types.money import Pico

_LEASE_S = 10.0


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it is asked for."""

    source: Source
    format: Format | None = None
    tasks: tuple[Task, ...]
    spec: RunSpec
    cap: Pico | None = None
    out: Path | None = None
    name: str | None = None
    tags: str | None = None


def rejects_path(folder: Path, run_id: str) -> Path:
    """Where rows are noted that cannot be asked."""
    return folder / f"{run_id}.rejects.jsonl"


async def found(runner: Runner, wanted: Wanted) -> RunRow | None:
    """The run that is gone on with: the newest of that name, or of that folder."""
    runs, do = runner.store.runs, runner.store.do
    if wanted.name is not None:
        rows = await do(runs.named, wanted.name)
    elif wanted.out is not None:
        rows = await do(runs.at, str(wanted.out))
    else:
        return None
    return rows[0] if rows else None


async def place(runner: Runner, wanted: Wanted) -> tuple[RunRow, Loaded]:
    """Bring a run and its items into the store; it is not driven yet.

    Raises `InvalidRequestError` for an input that cannot be read at all, or has no rows.
    """
    _check(runner, wanted)
    now = runner.micros()
    runs, do = runner.store.runs, runner.store.do
    run = await found(runner, wanted)
    fields: dict[str, Any] = {
        "spec": spec.encode(wanted.spec),
        "cap_pico": wanted.cap,
        "deadline_at": _deadline(wanted.spec, now),
        "out": None if wanted.out is None else str(wanted.out),
        "tags": wanted.tags,
    }
    if run is None:
        run_id = f"run_{new_work_id()[1:13]}"
        run = RunRow(run_id=run_id, name=wanted.name, created_at=now, **fields)
        await do(runs.add, run)
    # While another process drives it, wait until it ends, is paused or dies.
    while not await do(runs.claim, run.run_id, runner.owner, _LEASE_S):  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    async with runner.leased(run.run_id):
        await do(runs.change, run.run_id, state="loading", error=None, ended_at=None, **fields)
        told = await _loaded(runner, wanted, run.run_id)
        counts = await do(runner.store.items.counts, run.run_id)
        if not counts:
            await do(runs.change, run.run_id, state="failed", error="nothing can be asked")
        items = sum(counts.values())
        await do(
            runs.change,
            run.run_id,
            among=("loading",),
            state="planned",
            items=items,
            rejects=told.rejected,
        )
    return await runner.row(run.run_id), told


async def _loaded(runner: Runner, wanted: Wanted, run_id: str) -> Loaded:
    reading = read_rows(wanted.source, format=wanted.format)
    sampler = Sampler()
    path = rejects_path(runner.folder, run_id)
    part = path.with_suffix(".part")

    def work() -> Loaded:
        runner.folder.mkdir(parents=True, exist_ok=True)
        tasks = [within(task, _models(runner, wanted, task)) for task in wanted.tasks]
        with part.open("wb") as file:
            rows = sampler.watch(screened(reading, tasks))
            told = load(runner.store, run_id, tasks, rows, _into(file))
        part.replace(path)
        return told

    try:
        told = await asyncio.to_thread(work)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    told.changed, told.digest = reading.changed, reading.digest
    await runner.store.do(runner.store.runs.change, run_id, input_digest=reading.digest)
    return told


def _into(file: BinaryIO) -> Callable[[Reject], None]:
    encode = msgspec.json.Encoder().encode

    def reject(one: Reject) -> None:
        file.write(encode(one) + b"\n")

    return reject


def _check(runner: Runner, wanted: Wanted) -> None:
    """What is wrong with it before anything is written."""
    Split.read(wanted.spec.split)
    for task in wanted.tasks:
        names = wanted.spec.models or task.models
        if not names:
            raise InvalidRequestError(
                f"the task {task.name} names no model: give --models, or model in the task"
            )
        for name in names:
            runner.runtime.candidates.one(name)


def _models(runner: Runner, wanted: Wanted, task: Task) -> Sequence[Any]:
    names = wanted.spec.models or task.models
    return [runner.runtime.candidates.one(name).model for name in names]


def _deadline(order: RunSpec, now: int) -> int | None:
    return None if order.deadline_s is None else now + int(order.deadline_s * 1e6)
