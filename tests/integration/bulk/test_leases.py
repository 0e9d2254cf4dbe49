"""One at a time works at a unit or a run; who dies is followed within seconds."""

import asyncio
import time

import msgspec
import pytest

from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.simulator import Simulator
from tests.integration.bulk.conftest import Open
from tests.integration.bulk.test_sending import one
from tests.integration.bulk.world import QUICK

SHORT = msgspec.structs.replace(QUICK, lease=0.5)


@pytest.fixture
def store_url(both: str) -> str:
    return both


async def test_a_unit_of_another_is_left_to_it(at: Open, sim: Simulator) -> None:
    world, other = at("openai", settings=SHORT), at("openai", settings=SHORT)
    unit = await one(world, "openai")
    assert await other.store.do(other.store.units.claim, unit.work_id, "other", 0.5)
    now = world.works.hands.micros()
    assert await world.store.do(world.store.units.due, now) == []
    assert await world.works.advance(unit.work_id) == 0.5
    assert sim.log() == []
    began = time.monotonic()
    await world.until(lambda: world.store.do(world.store.units.due, now))
    assert time.monotonic() - began < 5
    assert await world.works.advance(unit.work_id) == 0
    assert sim.batches()["accepted"] == 1


async def test_a_lease_is_renewed_while_a_step_lasts(at: Open, sim: Simulator) -> None:
    world, other = at("openai", settings=SHORT), at("openai", settings=SHORT)
    unit = await one(world, "openai")
    sim.add_fault(fault="slow-headers", on="create", count=1, seconds=1.5)
    begun = asyncio.create_task(world.works.advance(unit.work_id))
    while not begun.done():
        await other.works.advance(unit.work_id)
        await asyncio.sleep(0.05)
    assert (await world.unit(unit.work_id)).proof == "reply"
    assert sum(entry["wire"] == "openai.batches.list" for entry in sim.log()) == 0


async def test_a_run_has_one_driver(at: Open) -> None:
    world = at("openai")
    await world.run(state="running", priority=7)
    await world.run(run_id="run2", state="running", priority=9)
    runs = world.store.runs
    do = world.store.do
    assert await do(runs.unowned, ["running"]) == ["run2", "run1"]
    assert await do(runs.claim, "run1", "a", 0.2)
    assert not await do(runs.claim, "run1", "b", 0.2)
    assert await do(runs.unowned, ["running"]) == ["run2"]
    await asyncio.sleep(0.25)
    assert await do(runs.claim, "run1", "b", 5)
    await do(runs.release, "run1", "a")
    assert not await do(runs.claim, "run1", "a", 5)
    await do(runs.release, "run1", "b")
    assert await do(runs.claim, "run1", "a", 5)


async def test_units_that_there_are_not(at: Open) -> None:
    with pytest.raises(InvalidRequestError, match="no unit of work w0"):
        await at("openai").works.advance("w0")
