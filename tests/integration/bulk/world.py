"""A run over the simulator: rows, units, and whoever goes on with them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from llm_orchestrator.bulk.answers import Judge
from llm_orchestrator.bulk.batches.building import Plan, build
from llm_orchestrator.bulk.batches.lane import BatchLane
from llm_orchestrator.bulk.clock import Clock, SimulatedClock
from llm_orchestrator.config import load
from llm_orchestrator.config.bulk import BulkSettings
from llm_orchestrator.engine.build import build as build_runtime
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.pipeline.batches import Driver
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_rows import ItemState, NewItem, RunRow, Unit
from llm_orchestrator.store.connect import connect
from llm_orchestrator.types.batch import Texts
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Message, Request
from tests.conformance.rows import ROWS
from tests.integration.batching import BUCKETS, CLOUDS, WIRES

HOUR = 3600.0
QUICK = BulkSettings(
    create_timeout=2.0, list_lag=0.3, clock_skew=120.0, poll=0.05, poll_most=0.05, lease=2.0
)


def asked(number: int) -> Request:
    """What item ``number`` asks."""
    return Request(messages=(Message("user", f"Say {number}."),), max_tokens=400)


def sections(sim: Simulator, names: Iterable[str]) -> dict[str, Any]:
    """The configuration of these providers at the simulator."""
    found = {}
    for name in names:
        declared = ROWS[name]
        section = declared.section(sim.url, declared.key)
        if name in CLOUDS:
            own = {"files": sim.url + CLOUDS[name]["files"]}
            wanted = set(declared.provider.variables) & BUCKETS.keys()
            variables = {one: BUCKETS[one] for one in wanted}
            section |= {"batch": own, "variables": section["variables"] | variables}
        found[name] = section
    return found


class World:
    """One process's view of a run: a runtime, a store, and its batch lane."""

    def __init__(
        self,
        sim: Simulator,
        folder: Path,
        url: str,
        names: Iterable[str] = ("openai",),
        *,
        settings: BulkSettings = QUICK,
        judge: Judge | None = None,
        **config: Any,
    ) -> None:
        self.sim = sim
        self.folder = folder
        sim.set_batches(**{"cohere.validation": 0.0})
        names = tuple(names)
        env = {key: value for name in names for key, value in ROWS[name].env.items()}
        given = {"providers": sections(sim, names), "store": {"url": url}, **config}
        self.runtime: Runtime = build_runtime(load(given, env=env))
        self.store = BulkStore(url)
        self.clock: Clock = SimulatedClock(sim.url)
        self.batch_lane = BatchLane(
            self.runtime,
            self.store,
            folder=folder,
            clock=self.clock,
            settings=settings,
            judge=judge,
        )
        self.batch_lane.context.driver = Driver(self.runtime.transport, (0.0, 0.0))

    async def close(self) -> None:
        await self.runtime.close()
        self.store.close()

    def target(self, name: str, model: str = "") -> Candidate:
        row = self.runtime.directory.use(name)
        declared = ROWS.get(WIRES.get(name, name), ROWS[name])
        model = model or declared.target().model.id
        return Candidate(row, self.runtime.catalog.resolve(model, row.name))

    async def run(self, run_id: str = "run1", count: int = 0, **fields: Any) -> RunRow:
        """A run with so many items of the task ``say``."""
        row = RunRow(run_id=run_id, created_at=self.batch_lane.context.micros(), **fields)
        await self.store.do(self.store.runs.add, row)
        items = [NewItem(n, "say", f"u{n}", f"d{n}", b"{}") for n in range(count)]
        await self.store.do(self.store.items.add, run_id, items)
        return row

    async def units(
        self,
        name: str,
        numbers: Iterable[int],
        *,
        run_id: str = "run1",
        model: str = "",
        most: int = 50_000,
        make: Callable[[int], Request | Texts] = asked,
        embeds: bool = False,
    ) -> list[Unit]:
        """Units of these items, in the store."""
        await self.clock.refresh()
        plan = Plan(
            run_id=run_id,
            task="say",
            target=self.target(name, model),
            folder=self.folder,
            created_at=self.batch_lane.context.micros(),
            most_items=most,
            embeds=embeds,
        )
        found = []
        for built in build(plan, ((number, make(number)) for number in numbers)):
            assert built.unit is not None
            assert not built.rejects
            assert await self.store.do(self.store.units.add, built.unit, built.numbers)
            found.append(built.unit)
        return found

    async def unit(self, work_id: str) -> Unit:
        found = await self.store.do(self.store.units.get, work_id)
        assert found is not None
        return found

    async def finish(self, *work_ids: str, steps: int = 400, hours: float = 0.02) -> None:
        """Go on with the units until all are over; the virtual clock is turned between steps."""
        left = set(work_ids)
        for _ in range(steps):
            for work_id in sorted(left):
                if await self.batch_lane.advance(work_id) is None:
                    left.discard(work_id)
            if not left:
                return
            self.sim.advance(hours * HOUR)
            await asyncio.sleep(0.002)
        states = {work_id: (await self.unit(work_id)).state for work_id in left}
        raise AssertionError(f"units are not over: {states}")

    async def is_in(self, work_id: str, state: str) -> bool:
        return (await self.unit(work_id)).state == state

    async def until(self, happened: Callable[[], Awaitable[object]]) -> None:
        """Wait until it has happened, which it does soon."""
        for _ in range(2000):
            if await happened():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it has not happened")

    async def counts(self, run_id: str = "run1") -> Mapping[ItemState, int]:
        found = await self.store.do(self.store.items.counts, run_id)
        return {state: count for (_, state), count in found.items()}

    def booked(self) -> dict[str, int | None]:
        """What our ledger has: attempt to cost."""
        backend = connect(self.store.target)
        try:
            sql = "SELECT attempt_id, cost_pico FROM attempt_ledger"
            return dict(backend.query(sql))
        finally:
            backend.close()

    def billed(self) -> int:
        """What the simulator bills for batches."""
        return int(self.sim.batches()["cost_pico"])
