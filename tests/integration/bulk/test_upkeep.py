"""What workers do now and then is left to others by one that stops, whenever that is."""

import asyncio

import pytest

from llm_orchestrator.bulk.queue.upkeep import AUDIT, upkeep
from llm_orchestrator.simulator import Simulator
from tests.integration.bulk.conftest import Open


@pytest.mark.parametrize("turns", [1, 2, 20])
async def test_one_that_stops_leaves_it_to_others(at: Open, sim: Simulator, turns: int) -> None:
    world = at("openai")
    sim.add_fault(fault="silence", on="list", seconds=300.0)
    await world.run("run1", 1)
    await world.units("openai", [0])
    begun = asyncio.create_task(upkeep(world.batch_lane, "one", 60.0))
    for _ in range(turns):
        await asyncio.sleep(0)
    # It is leased by now, which the task may not have heard of yet.
    store = world.store
    owners = [one.owner for one in store.wait(store.upkeep.listed) if one.name == AUDIT]
    assert owners == ["one"]
    begun.cancel()
    with pytest.raises(asyncio.CancelledError):
        await begun
    assert [one.owner for one in await store.do(store.upkeep.listed)] == [None]
