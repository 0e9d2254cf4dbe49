"""A run that is stopped lets go soon, also while its provider fails; whoever goes on finds all."""

import asyncio
import time
from pathlib import Path

import pytest

from llm_orchestrator.bulk import intake
from llm_orchestrator.bulk.arguments import run_request
from llm_orchestrator.bulk.options import BulkOptions
from llm_orchestrator.bulk.runner import Runner
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.bulk_rows import ItemState
from tests.integration.bulk.test_runs import TASK, posts
from tests.integration.bulk.world import World

_SOON_S = 10.0
"""The pauses between the tries of one call are 20 seconds together."""


@pytest.mark.parametrize("step", ["upload", "poll"])
async def test_a_stop_waits_for_no_provider(sim: Simulator, tmp_path: Path, step: str) -> None:
    world = World(sim, tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}")
    given: BulkOptions = {"task": TASK, "models": ["gpt-4o-mini"], "lane": "batch"}
    runner = Runner(world.runtime, world.store, folder=tmp_path, clock=world.clock)
    row, _ = await intake.place(runner, run_request(posts(30), given))
    sim.add_fault(fault="unavailable", on=step)
    (rule,) = sim.world.faults.rules
    driving = asyncio.create_task(runner.drive(row.run_id))

    async def refused() -> bool:
        return rule.hits > 0

    await world.until(refused)
    begun = time.monotonic()
    runner.stop()
    assert (await driving).state == "running"
    assert time.monotonic() - begun < _SOON_S
    sim.reset()
    runner.stopped = False
    driving = asyncio.create_task(runner.drive(row.run_id))

    async def over() -> bool:
        sim.advance(3600)
        await asyncio.sleep(0.1)
        return driving.done()

    await world.until(over)
    assert (await driving).state == "completed"
    assert await world.counts(row.run_id) == {ItemState.DONE: 30}
    assert sim.batches()["accepted"] == 1
    await world.close()
