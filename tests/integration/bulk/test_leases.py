"""One at a time works at a unit or a run; who dies is followed within seconds."""

import asyncio

import msgspec
import pytest

from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.simulator import Simulator
from tests.integration.bulk.conftest import Open
from tests.integration.bulk.test_sending import execute, one
from tests.integration.bulk.world import QUICK


@pytest.fixture
def store_url(both: str) -> str:
    return both


async def test_a_unit_of_another_is_left_to_it(at: Open, sim: Simulator) -> None:
    world, other = at("openai"), at("openai")
    unit = await one(world, "openai")
    assert await other.store.do(other.store.units.claim, unit.work_id, "other", 60)
    now = world.batch_lane.context.micros()
    assert await world.store.do(world.store.units.due, now) == []
    assert await world.batch_lane.advance(unit.work_id) == world.batch_lane.context.settings.lease
    assert sim.log() == []
    await world.store.do(execute, world, "UPDATE bulk_batches SET owner_until = 1")  # it died
    assert await world.store.do(world.store.units.due, now) == [unit.work_id]
    assert await world.batch_lane.advance(unit.work_id) == 0
    assert sim.batches()["accepted"] == 1


async def test_a_lease_ends_by_itself(at: Open) -> None:
    world = at("openai")
    unit = await one(world, "openai")
    units = world.store.units
    assert await world.store.do(units.claim, unit.work_id, "other", 0.3)
    await world.until(lambda: world.store.do(units.claim, unit.work_id, "another", 60))
    assert not await world.store.do(units.claim, unit.work_id, "other", 60)


async def test_a_lease_is_renewed_while_a_step_lasts(at: Open, sim: Simulator) -> None:
    world = at("openai", settings=msgspec.structs.replace(QUICK, lease=1.0, create_timeout=60.0))
    unit = await one(world, "openai")
    sim.add_fault(fault="slow-headers", on="create", count=1, seconds=60.0)
    begun = asyncio.create_task(world.batch_lane.advance(unit.work_id))
    seen: set[int | None] = set()

    async def renewed() -> bool:
        found = await world.unit(unit.work_id)
        assert found.owner in {None, world.batch_lane.context.owner}
        seen.add(found.owner_until)
        return len(seen - {None}) > 2

    await world.until(renewed)
    begun.cancel()
    with pytest.raises(asyncio.CancelledError):
        await begun
    assert (await world.unit(unit.work_id)).owner is None


async def test_a_run_has_one_driver(at: Open) -> None:
    world = at("openai")
    await world.run(state="running", priority=7)
    await world.run(run_id="run2", state="running", priority=9)
    runs = world.store.runs
    do = world.store.do
    assert await do(runs.unowned, ["running"]) == ["run2", "run1"]
    assert await do(runs.claim, "run1", "a", 60)
    assert not await do(runs.claim, "run1", "b", 60)
    assert await do(runs.unowned, ["running"]) == ["run2"]
    await do(execute, world, "UPDATE bulk_runs SET owner_until = 1")
    assert await do(runs.claim, "run1", "b", 60)
    await do(runs.release, "run1", "a")
    assert not await do(runs.claim, "run1", "a", 60)
    await do(runs.release, "run1", "b")
    assert await do(runs.claim, "run1", "a", 60)


async def test_units_that_there_are_not(at: Open) -> None:
    with pytest.raises(InvalidRequestError, match="no unit of work w0"):
        await at("openai").batch_lane.advance("w0")
