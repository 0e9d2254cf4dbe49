"""The deadline of a run: batches that would miss it are given up in time."""

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

from llm_orchestrator.bulk.planning import stored_estimate
from llm_orchestrator.bulk.planning.constraints import Constraints
from llm_orchestrator.bulk.planning.late_batches import Running, look_at_late
from llm_orchestrator.bulk.planning.plan import Decision
from llm_orchestrator.store.bulk_rows import RunRow, Unit
from llm_orchestrator.types.batch import BatchWire

if TYPE_CHECKING:
    from llm_orchestrator.bulk.allocation import Allocator
    from llm_orchestrator.bulk.runner import Runner

_EVERY_S = 1.0
"""Real seconds between two looks; where time is simulated, each look at the batches is one."""


class DeadlineWatch:
    """The deadline of one run, while this process drives it."""

    def __init__(self, runner: "Runner", allocator: "Allocator") -> None:
        self._runner = runner
        self._allocator = allocator
        self._looked = float("-inf")
        self._told: set[tuple[str, str | None]] = set()

    async def look(self, run: RunRow) -> tuple[tuple[str, ...], list[Decision]]:
        """The batches that are to be given up, and what is new to be said."""
        if run.deadline_at is None:
            return (), []
        if monotonic() - self._looked < _EVERY_S / self._runner.clock.speed:
            return (), []
        self._looked = monotonic()
        store, do = self._runner.store, self._runner.store.do
        units = await do(store.units.of_run, run.run_id, ("sent",))
        directory = self._runner.runtime.directory
        constraints = self._allocator.constraints(run)
        out = [
            _running(one, directory.rows[one.provider].batch or BatchWire(), constraints)
            for one in units
            if one.lane == "batch" and one.cancel_at is None and one.provider in directory.rows
        ]
        if not out:
            return (), []
        known = stored_estimate.decode(run.estimate).offers
        offers, turnarounds = await asyncio.to_thread(
            stored_estimate.with_turnarounds, known, store
        )
        made = look_at_late(
            out,
            offers,
            turnarounds,
            now=self._runner.clock.now(),
            deadline_at=run.deadline_at / 1e6,
            cap_left=await self._allocator.left(run),
        )
        new = [one for one in made if (one.kind, one.work_id) not in self._told]
        self._told |= {(one.kind, one.work_id) for one in new}
        cancel = tuple(one.work_id for one in made if one.kind == "cancel" and one.work_id)
        return cancel, new


def _running(unit: Unit, wire: BatchWire, constraints: Constraints) -> Running:
    fixed = constraints.lane_of(f"{unit.provider}/{unit.model}", "batch")
    return Running(
        work_id=unit.work_id,
        task=unit.task,
        provider=unit.provider,
        model=unit.model,
        items=unit.count,
        done=unit.done,
        sent_at=(unit.sent_at or unit.created_at) / 1e6,
        held_pico=unit.hold_pico,
        cancels=wire.cancels,
        keeps=wire.keeps,
        stays=constraints.keeps,
        only=(fixed or constraints.lane) == "batch",
    )
