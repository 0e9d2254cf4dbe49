"""Drives a run: makes units of what waits, brings them to their end, and asks again what failed."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from llm_orchestrator.bulk import rounds, spec
from llm_orchestrator.bulk.allocation import Allocator
from llm_orchestrator.bulk.answers import Verdict
from llm_orchestrator.bulk.batches.lane import BatchLane
from llm_orchestrator.bulk.clock import Clock, SystemClock
from llm_orchestrator.bulk.error_text import error_text
from llm_orchestrator.bulk.leasing import renewed
from llm_orchestrator.bulk.online import refusals
from llm_orchestrator.bulk.online.lane import OnlineLane
from llm_orchestrator.bulk.patience import patiently
from llm_orchestrator.bulk.planning.deadline import DeadlineWatch
from llm_orchestrator.bulk.planning.plan import Decision
from llm_orchestrator.bulk.tasks import cutting
from llm_orchestrator.bulk.tasks.files import load_task
from llm_orchestrator.bulk.tasks.task import Task
from llm_orchestrator.bulk.units import UnitMaker
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import (
    BudgetError,
    ConfigError,
    InvalidRequestError,
    ModelNotFoundError,
    OutputError,
    UnsupportedError,
)
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_rows import (
    OPEN,
    ItemState,
    RunRow,
    RunState,
    Unit,
    new_work_id,
)
from llm_orchestrator.types.reply import Response

log = logging.getLogger("llm_orchestrator")

_AT_ONCE = 8
"""Units of the batch lane that are gone on with at the same time."""
_LOOK_S = 0.5
"""Real seconds between two looks at a run: somebody may pause it."""
_DECISIONS = 500
"""How many of the latest decisions are kept."""
ENDED: tuple[RunState, ...] = ("completed", "partial", "cancelled", "failed")
"""States of runs that nobody needs to go on with."""


class Runner:
    """Goes on with runs, whatever process left them where they are.

    ``folder`` is where the files of batches lie. ``stop`` ends what is under way at the next
    checkpoint; the run stays, to be gone on with.
    """

    def __init__(
        self,
        runtime: Runtime,
        store: BulkStore,
        *,
        folder: Path,
        clock: Clock | None = None,
        owner: str | None = None,
    ) -> None:
        self.runtime = runtime
        self.store = store
        self.folder = folder
        self.clock = clock or SystemClock()
        self.owner = owner or f"runner_{new_work_id()}"
        self._tasks: dict[str, tuple[str, dict[str, Task]]] = {}
        self.lease = runtime.config.bulk.lease
        """Real seconds until others go on with what this process leaves behind."""
        self.stopped = False
        self.driving: set[asyncio.Task[RunRow]] = set()
        """Tasks that drive; `close` waits for them."""
        self.batch_lane = BatchLane(
            runtime,
            store,
            folder=folder,
            clock=self.clock,
            owner=self.owner,
            judge=self.judge,
            rebuild=self.rebuild,
            stopped=lambda: self.stopped,
        )

    def stop(self) -> None:
        """End at the next checkpoint."""
        self.stopped = True

    async def close(self) -> None:
        """Stop, wait until what is under way is written down, and let go of the store."""
        self.stop()
        if self.driving:
            await asyncio.wait(self.driving)
        await asyncio.to_thread(self.store.close)

    def micros(self) -> int:
        """The run's clock in unix microseconds."""
        return int(self.clock.now() * 1e6)

    def tasks(self, run: RunRow) -> dict[str, Task]:
        """The tasks of a run by name."""
        text, found = self._tasks.get(run.run_id, ("", {}))
        if text != run.spec:
            order = spec.decode(run.spec)
            made = [load_task(one) for one in order.tasks]
            found = {task.name: task for task in made}
            self._tasks[run.run_id] = (run.spec, found)
        return found

    async def row(self, run_id: str) -> RunRow:
        """The run as it stands; raises `InvalidRequestError` where there is none."""
        run = await self.store.do(self.store.runs.get, run_id)
        if run is None:
            raise InvalidRequestError(f"there is no run {run_id}; `llmo bulk status` lists them")
        return run

    async def drive(self, run_id: str) -> RunRow:
        """Bring the run to its end, or to where it is paused or stopped; returns it as it stands.

        Any process may call this at any time: while another one has the run, it is only watched.
        """
        return await patiently(lambda: self._drive(run_id), stopped=lambda: self.stopped)

    async def _drive(self, run_id: str) -> RunRow:
        await self.clock.refresh()
        while True:
            run = await self.row(run_id)
            if run.state in (*ENDED, "paused") or self.stopped:
                return run
            if await self.store.do(self.store.runs.claim, run_id, self.owner, self.lease):
                break
            await asyncio.sleep(_LOOK_S)
        async with self.leased(run_id):
            run = await self.row(run_id)
            if run.state in (*ENDED, "paused", "loading"):  # whoever read its input has died
                return run
            self.tasks(run)
            return await _Drive(self, run).run()

    def judge(self, unit: Unit, response: Response) -> Verdict | None:
        """The answer by the schema of its task."""
        task = self._tasks[unit.run_id][1][unit.task]
        if task.parse is None or response.finish_reason == "tool_calls":
            return None
        try:
            return Verdict(parsed=task.parse(response.text))
        except OutputError as error:
            if response.finish_reason != "length":
                return Verdict(ItemState.RETRY, error=f"OutputError: {error}")
            model, usage = self.batch_lane.context.target(unit).model, response.usage
            written = 0 if usage is None else usage.output_tokens
            state, text = cutting.verdict(task, unit, model, written)
            return Verdict(state, error=text)

    async def rebuild(self, unit: Unit) -> Unit:
        """The rows of a batch whose file is on another machine, written again."""
        maker = UnitMaker(self.store, unit.run_id, folder=self.folder, now=self.micros())
        task = self.tasks(await self.row(unit.run_id))[unit.task]
        return await asyncio.to_thread(
            maker.rebuild, unit, task, self.batch_lane.context.target(unit)
        )

    @asynccontextmanager
    async def leased(self, run_id: str) -> AsyncIterator[None]:
        """Renew the lease of a run, and end it afterwards."""
        try:
            async with renewed(self.store, self.store.runs.claim, run_id, self.owner, self.lease):
                yield
        finally:
            await self.store.do(self.store.runs.release, run_id, self.owner)


class _Drive:
    """One run while this process has it."""

    def __init__(self, runner: Runner, run: RunRow) -> None:
        self._runner = runner
        self._store = runner.store
        self._batch_lane = runner.batch_lane
        self._run = run
        self._id = run.run_id
        self._unassigned = True
        """Items may wait that are in no unit."""
        self._ended_at_look: int | None = None
        """How many units were over when failed items were last looked at; ``None``: look again."""
        self._retry_at = float("inf")
        """When some of them are asked again at the latest."""
        self._online_lane = OnlineLane(runner, run)
        self._allocator = Allocator(runner, self._online_lane.refuses)
        self._deadline = DeadlineWatch(runner, self._allocator)
        self._capped = ""
        """How the cap has ended it."""

    async def run(self) -> RunRow:
        """Drive the run until it ends, is paused or is stopped."""
        now = self._runner.micros()
        runs = self._store.runs
        await self._store.do(
            runs.change, self._id, among=("planned",), state="running", started_at=now
        )
        await self._online_lane.settle()
        try:
            while not self._runner.stopped:
                self._run = await self._runner.row(self._id)
                if self._run.state == "paused" or self._run.state in ENDED:
                    break
                try:
                    state = await self._step()
                except (ConfigError, UnsupportedError, ModelNotFoundError) as error:
                    await self._cancel_units("the run failed")
                    await self._end("failed", error_text(error))
                    raise
                if state is not None:
                    await self._end(state)
        finally:
            await self._online_lane.end()
        return await self._runner.row(self._id)

    async def _step(self) -> RunState | None:
        """One look at everything; the state that the run ends in, if it has ended."""
        cancelling = self._run.state == "cancelling"
        if cancelling:
            self._online_lane.stop()
            await self._cancel_units("the run was cancelled")
        elif self._unassigned and not self._capped:
            self._unassigned = False
            await self._make_units()
        busy = await self._advance()
        if not cancelling:
            await self._give_up_late_batches()
            if not self._capped and await self._retry_failed():
                return None
        if not cancelling and not self._capped:
            await self._online_lane.look()
        if self._online_lane.capped:
            self._capped, self._unassigned = self._online_lane.capped, True
        if self._online_lane.running:
            await self._online_lane.rest(_LOOK_S)
            self._unassigned = self._unassigned or not self._online_lane.running
            return None
        soonest = await self._store.do(self._store.units.soonest, self._id)
        if soonest is not None:
            if not busy:
                if await self._drop_what_never_fits():
                    return None
                await self._sleep_until(min(soonest / 1e6, self._retry_at))
            return None
        if cancelling:
            return "cancelled"
        return await self._next_round()

    # ---------------------------------------------------------------- what waits becomes units

    async def _make_units(self) -> None:
        """Units of all items that wait."""
        try:
            allocation = await self._allocator.allocate(self._run)
        except BudgetError as error:
            # While something is under way, it may give back what it holds.
            if not await self._store.do(self._store.units.of_run, self._id, OPEN):
                self._capped = error.message
            return
        await self._note_decisions(allocation.decisions)
        maker = UnitMaker(
            self._store, self._id, folder=self._runner.folder, now=self._runner.micros()
        )
        for one in self._allocator.assignments(self._run, allocation):
            await asyncio.to_thread(maker.make, one)

    async def _note_decisions(self, decisions: Sequence[Decision]) -> None:
        """Note what was decided; the report shows it."""
        if not decisions:
            return
        known = msgspec.json.decode(self._run.decisions or "[]")
        text = msgspec.json.encode([*known, *decisions][-_DECISIONS:]).decode()
        await self._store.do(self._store.runs.change, self._id, decisions=text)
        self._run = msgspec.structs.replace(self._run, decisions=text)

    # ---------------------------------------------------------------- units go on

    async def _advance(self) -> bool:
        """Go on with the batches that are due; whether there were any."""
        units = self._store.units
        due = await self._store.do(
            units.due, self._runner.micros(), run_id=self._id, limit=_AT_ONCE
        )
        if due:
            after = await asyncio.gather(*(self._batch_lane.advance(work_id) for work_id in due))
            if None in after:
                self._unassigned, self._ended_at_look = True, None
        return bool(due)

    async def _give_up_late_batches(self) -> None:
        """Give up batches that would miss the deadline; what they leave is planned anew."""
        cancel, decisions = await self._deadline.look(self._run)
        whys = {one.work_id: one.why for one in decisions}
        for work_id in cancel:
            await self._batch_lane.cancel(work_id, whys.get(work_id, "it would be too late"))
        await self._note_decisions(decisions)

    async def _drop_what_never_fits(self) -> bool:
        """Drop batches that do not fit under the cap when nothing can make room any more."""
        open_ones = await self._store.do(self._store.units.of_run, self._id, OPEN)
        refused = [one for one in open_ones if (one.error or "").startswith("BudgetError")]
        if not refused or any(one.state != "prepared" or one not in refused for one in open_ones):
            return False
        self._capped = (refused[0].error or "").partition(": ")[2]
        for unit in refused:
            await self._batch_lane.cancel(unit.work_id, self._capped)
        return True

    async def _cancel_units(self, why: str) -> None:
        for unit in await self._store.do(self._store.units.of_run, self._id, OPEN):
            if unit.cancel_at is not None:
                continue
            if unit.lane == "batch":
                await self._batch_lane.cancel(unit.work_id, why)
            elif not self._online_lane.running:
                await self._online_lane.drop(unit)

    async def _sleep_until(self, until: float) -> None:
        """Until then on the run's clock, or until it is time for a look."""
        clock = self._runner.clock
        left = until - clock.now()
        await clock.sleep(max(0.0, min(left, _LOOK_S * clock.speed)))
        if left <= 0:
            await asyncio.sleep(0.02)

    # ---------------------------------------------------------------- rounds, and the end

    async def _retry_failed(self) -> bool:
        """Let failed items wait again whose time has come; whether there were any.

        What is under way goes on meanwhile: the slowest batch keeps nobody waiting.
        """
        now = self._runner.clock.now()
        if self._ended_at_look == self._online_lane.ended and now < self._retry_at:
            return False
        self._ended_at_look = self._online_lane.ended
        retries = spec.decode(self._run.spec).retries
        failed = await self._store.do(self._store.items.failed, self._id, retries)
        failed = self._allocator.worth_retrying(self._run, failed)
        units = await self._store.do(self._store.units.of_run, self._id, OPEN) if failed else []
        chosen, self._retry_at = rounds.due(failed, {one.provider for one in units}, now)
        if not chosen:
            return False
        await self._store.do(self._store.items.again, self._id, chosen)
        self._unassigned, self._ended_at_look = True, None
        return True

    async def _next_round(self) -> RunState | None:
        """All units are over: another round, or the end."""
        counts = await self._store.do(self._store.items.counts, self._id)
        of = dict.fromkeys(ItemState, 0)
        for (_, state), count in counts.items():
            of[state] += count
        if self._capped:
            return "partial"
        if of[ItemState.WAITING] or of[ItemState.SENT]:
            self._unassigned = True
            return None
        if self._retry_at < float("inf"):
            await self._sleep_until(self._retry_at)
            return None
        bad = sum(of.values()) - of[ItemState.DONE]
        return "partial" if bad or self._run.rejects else "completed"

    async def _end(self, state: RunState, error: str | None = None) -> None:
        fields: dict[str, object] = {"state": state, "ended_at": self._runner.micros()}
        if error or self._capped:
            fields["error"] = error or f"BudgetError: {self._capped}"
        elif state == "partial" and (refused := await refusals.told(self._store, self._id)):
            fields["error"] = refused
        await self._online_lane.settle()  # what the ledger did not have during an outage
        await self._store.do(self._store.history.conclude, self._id)
        await self._batch_lane.check(self._id)
        await self._store.do(
            self._store.runs.change, self._id, among=("running", "cancelling"), **fields
        )
