"""The online lane of a run: its chunks, one after the other, beside what batches do."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from llm_orchestrator.bulk import spec
from llm_orchestrator.bulk.leasing import renewed
from llm_orchestrator.bulk.online.chunks import ChunkRunner
from llm_orchestrator.bulk.online.spending import Spending
from llm_orchestrator.bulk.tasks.cutting import cut
from llm_orchestrator.errors import BudgetError, StoreError
from llm_orchestrator.store.bulk_rows import OPEN, ItemState, RunRow, Unit
from llm_orchestrator.types.money import Pico, usd_text

if TYPE_CHECKING:
    from llm_orchestrator.bulk.runner import Runner


class OnlineLane:
    """Answers the chunks of one run in a task of its own."""

    def __init__(self, runner: "Runner", run: RunRow) -> None:
        self._runner = runner
        self._store = runner.store
        self._run = run
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self.ended = 0
        """Chunks that this process has brought to their end."""
        self._broke: frozenset[str] = frozenset()
        """Batches that hold the money for the next call: when one of them is over, it is tried."""
        self.capped = ""
        """Why no call fits under the cap any more; empty as long as one does."""
        self._chunk_runner = ChunkRunner(
            runner.runtime,
            runner.store,
            concurrency=spec.decode(run.spec).concurrency,
            judge=runner.judge,
            stopped=lambda: self._stopped or runner.stopped,
            micros=runner.micros,
            tags=msgspec.json.decode(run.tags or "{}", type=dict[str, str]),
            user=run.user_id,
        )

    @property
    def running(self) -> bool:
        """Whether a chunk is being answered."""
        return self._task is not None and not self._task.done()

    def refuses(self, provider: str, model: str) -> bool:
        """Whether a target has refused all that it was asked."""
        return self._chunk_runner.refusals.shut(provider, model)

    def stop(self) -> None:
        """End at the next checkpoint."""
        self._stopped = True

    async def look(self) -> None:
        """Begin with what there is, unless it has begun; raises what has ended it."""
        if self.running:
            return
        if self._task is not None:
            task, self._task = self._task, None
            task.result()
        if await self._due():
            self._task = asyncio.get_running_loop().create_task(self._chunks())

    async def rest(self, seconds: float) -> None:
        """Wait so long, or until all chunks are answered."""
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=seconds)

    async def end(self) -> None:
        """Stop, and wait until what is under way is written down."""
        self.stop()
        if self._task is not None:
            with suppress(StoreError, BudgetError):
                await self._task

    async def drop(self, unit: Unit) -> None:
        """Give up a chunk: what it has answered stays, the rest waits again."""
        await self._store.do(
            self._store.items.leave, unit.run_id, unit.work_id, ItemState.WAITING, None
        )
        await self._chunk_runner.over(unit)

    async def _due(self) -> list[str]:
        if self._stopped or self.capped or (self._broke and self._broke <= await self._batches()):
            return []
        self._broke = frozenset()
        return await self._store.do(
            self._store.units.due,
            self._runner.micros(),
            run_id=self._run.run_id,
            lane="online",
            limit=8,
        )

    async def _chunks(self) -> None:
        while due := await self._due():
            for work_id in due:
                if self._stopped or self._runner.stopped or self.capped:
                    return
                await self._chunk(work_id)

    async def _chunk(self, work_id: str) -> None:
        units, owner, lease = self._store.units, self._runner.owner, self._runner.lease
        unit = await self._store.do(units.claim, work_id, owner, lease)
        if unit is None or unit.over:
            return
        try:
            async with renewed(self._store, units.claim, work_id, owner, lease):
                spending = await self._spending(unit)
                task = cut(self._runner.tasks(self._run)[unit.task], unit.max_tokens)
                whole = await self._chunk_runner.answer(unit, task, spending)
                if not whole and not self._stopped and not self._runner.stopped:
                    await self._ended_early(spending)
        finally:
            await self._store.do(units.release, work_id, owner, None, cancelled=True)
            self.ended += 1

    async def _spending(self, unit: Unit) -> Spending:
        """What the chunk may cost: all that is left under the cap of the run."""
        cap = self._run.cap_pico
        if cap is None:
            await self._store.do(self._store.units.reserve, unit)
            return Spending(None)
        left = cap - await self._store.do(self._store.units.committed, unit.run_id)
        spent: Pico = 0
        if unit.reserved:  # by a process that died: what it holds is ours, but for what it spent
            left += unit.hold_pico or 0
            spent = await self._spent(unit)
        held = msgspec.structs.replace(unit, hold_pico=max(0, left), reserved=False)
        await self._store.do(self._store.units.seen, unit, hold_pico=held.hold_pico)
        answer = await self._store.do(self._store.units.reserve, held)
        return Spending(max(0, left - spent) if answer == "yes" else 0)

    async def _spent(self, unit: Unit) -> Pico:
        """What a chunk has cost so far, at most."""
        sums = await self._store.do(self._store.items.sums, unit.run_id, unit.work_id)
        known = sums.cost_pico or 0
        booked = await self._chunk_runner.booked(unit)
        if booked is None:
            return known
        return max(known, booked.cost_pico) + (booked.unknown_pico or 0)

    async def settle(self) -> None:
        """Look again at costs that nobody knew: a bill may have told them meanwhile."""
        units = self._store.units
        for unit in await self._store.do(units.of_run, self._run.run_id, ("collected",)):
            if unit.unknown and (booked := await self._chunk_runner.booked(unit)) is not None:
                cost = max(unit.cost_pico or 0, booked.cost_pico)
                await self._store.do(
                    units.over,
                    unit,
                    "collected",
                    cost_pico=cost,
                    realtime_pico=cost,
                    unknown=booked.unknown,
                    unknown_pico=booked.unknown_pico,
                )

    async def _ended_early(self, spending: Spending) -> None:
        broken = self._chunk_runner.broken
        if spending.unpriced:
            self.capped = "nobody knows what a call can cost, and the run has a cap"
        elif spending.empty and (holding := await self._batches()):
            self._broke = holding
        elif spending.empty:
            cap = usd_text(self._run.cap_pico or 0)
            self.capped = f"the next call does not fit under the run's cap ({cap} USD)"
        elif isinstance(broken, BudgetError):
            self.capped = broken.message
        elif broken is not None:
            raise broken

    async def _batches(self) -> frozenset[str]:
        """The batches of the run that are not over: they give back what they do not cost."""
        units = await self._store.do(self._store.units.of_run, self._run.run_id, OPEN)
        return frozenset(one.work_id for one in units if one.lane == "batch" and one.reserved)
