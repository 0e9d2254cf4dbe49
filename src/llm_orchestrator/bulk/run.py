"""A bulk run in the hands of a program: wait for it, look at it, stop it, take its results."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from llm_orchestrator.bulk import intake
from llm_orchestrator.bulk.intake import RunRequest
from llm_orchestrator.bulk.loading import Loaded
from llm_orchestrator.bulk.output import files as output
from llm_orchestrator.bulk.output import summary
from llm_orchestrator.bulk.queue import callbacks
from llm_orchestrator.bulk.runner import ENDED, Runner
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.store.bulk_rows import ItemState, RunRow, RunState

if TYPE_CHECKING:
    from llm_orchestrator.bulk.output.summary import Report

_PAGE = 1000


def _call_back(runner: Runner, targets: Sequence[str]) -> None:
    """Tell who wants to know that a run has ended; a worker goes on with what does not arrive."""
    callbacks.arm(runner.store, targets, runner.micros())
    callbacks.deliver(runner.store)


def _stored(runner: Runner, row: RunRow) -> output.StoredRun:
    return output.StoredRun(row, runner.tasks(row), runner.store, runner.folder, runner.clock)


def _write(runner: Runner, row: RunRow) -> None:
    output.write(_stored(runner, row))


class AsyncBulkRun:
    """One bulk run, for coroutines; `BulkRun` is the same for other code.

    It is driven by a task of this process from when `start` was called.
    """

    def __init__(self, runner: Runner, run_id: str) -> None:
        self._runner = runner
        self.run_id = run_id
        self.loaded: Loaded | None = None
        """What became of the input; ``None`` for a run that was only looked up."""
        self._task: asyncio.Task[RunRow] | None = None
        self.fault: OSError | None = None
        """Why the files under its folder could not be written; the answers are in the store."""

    def __repr__(self) -> str:
        return f"<AsyncBulkRun {self.run_id}>"

    @classmethod
    async def begin(cls, runner: Runner, request: RunRequest) -> "AsyncBulkRun":
        """Load the input and begin to drive."""
        row, loaded = await intake.place(runner, request)
        made = cls(runner, row.run_id)
        made.loaded = loaded
        made.start()
        return made

    @classmethod
    async def find(cls, runner: Runner, name: str) -> "AsyncBulkRun":
        """The run of this id, this name, or this folder of results; it is not driven.

        Raises `InvalidRequestError` where there is none.
        """
        runs, do = runner.store.runs, runner.store.do
        row = await do(runs.get, name)
        found = [row] if row is not None else await do(runs.named, name)
        found = found or await do(runs.at, _folder(name))
        if not found:
            raise InvalidRequestError(f"there is no run {name}; `llmo bulk status` lists them")
        return cls(runner, found[0].run_id)

    @property
    def now(self) -> float:
        """Its time, in seconds since 1970: that of a simulator where it lives by one."""
        return self._runner.clock.now()

    def start(self) -> None:
        """Drive it, if nobody in this process does."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._driven())
            self._runner.driving.add(self._task)
            self._task.add_done_callback(self._runner.driving.discard)

    async def _driven(self) -> RunRow:
        row = await self._runner.drive(self.run_id)
        if row.out is not None and row.state != "planned":
            try:
                await asyncio.to_thread(_write, self._runner, row)
            except OSError as error:
                self.fault = error
        targets = self._runner.runtime.config.bulk.callbacks
        if targets and row.state in ENDED:
            await asyncio.to_thread(_call_back, self._runner, targets)
        return row

    async def wait(self) -> str:
        """Until it has ended, is paused or was stopped; returns its state. Raises what broke it."""
        if self._task is None:
            self.start()
        assert self._task is not None  # noqa: S101 - for the type checker
        return (await asyncio.shield(self._task)).state

    async def status(self) -> "Report":
        """How it stands: counts, cost so far, and its units."""
        return await summary.report(self._runner.store, self.run_id)

    async def report(self) -> "Report":
        """What came of it: cost by provider, lane and task, retries, savings, decisions."""
        return await summary.report(self._runner.store, self.run_id)

    async def results(self) -> AsyncIterator[dict[str, Any]]:
        """The answers, one flat row for each item; those that failed are not among them."""
        pages = self.pages()
        while page := await pages.next():
            for row in page:
                yield row

    def pages(self) -> "Pages":
        """The rows of `results`, a thousand at a time."""
        return Pages(self._runner, self.run_id)

    async def write(self, out: Path) -> None:
        """Write the files of its results into this folder."""
        row = msgspec.structs.replace(await self._runner.row(self.run_id), out=str(out))
        await asyncio.to_thread(_write, self._runner, row)

    async def pause(self) -> bool:
        """Begin nothing more; batches that are out go on. False when it does not run."""
        store = self._runner.store
        among: list[RunState] = ["planned", "running"]
        return await store.do(store.runs.change, self.run_id, among=among, state="paused")

    async def resume(self) -> str:
        """Go on after a pause or a stop; returns its state."""
        store = self._runner.store
        self._runner.stopped = False
        await store.do(store.runs.change, self.run_id, among=("paused",), state="planned")
        self.start()
        return (await self._runner.row(self.run_id)).state

    async def cancel(self) -> bool:
        """End it: what its batches have answered is kept. False when it has ended."""
        store = self._runner.store
        among: list[RunState] = ["loading", "planned", "running", "paused"]
        return await store.do(store.runs.change, self.run_id, among=among, state="cancelling")

    async def retry(self) -> int:
        """Ask again what has failed, also for good; how many items."""
        store = self._runner.store
        states = (ItemState.RETRY, ItemState.FAILED)
        count = await store.do(store.items.retry, self.run_id, states)
        await store.do(
            store.runs.change, self.run_id, among=ENDED, state="planned", error=None, ended_at=None
        )
        self.start()
        return count

    def stop(self) -> None:
        """Let go at the next checkpoint; whoever starts it next goes on."""
        self._runner.stop()


def _folder(name: str) -> str:
    return str(Path(name).expanduser().absolute())


class Pages:
    """The answers of a run, page by page."""

    def __init__(self, runner: Runner, run_id: str) -> None:
        self._runner = runner
        self._run_id = run_id
        self._rows: Iterator[dict[str, Any]] | None = None

    async def next(self) -> list[dict[str, Any]]:
        """The next page; empty at the end."""
        if self._rows is None:
            row = await self._runner.row(self._run_id)
            stored = await asyncio.to_thread(_stored, self._runner, row)
            self._rows = output.rows(stored)
        return await asyncio.to_thread(_some, self._rows)


def _some(rows: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    return list(islice(rows, _PAGE))
