"""Units that are ended early, by whoever may."""

from functools import partial

import pytest

from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.bulk_rows import ItemState
from tests.integration.batching import ENDLESS, NAMES, NOTHING_PARTIAL, UNPRICED
from tests.integration.bulk.conftest import Open
from tests.integration.bulk.test_sending import NEVER, one
from tests.integration.bulk.world import World

DONE, WAITING = ItemState.DONE, ItemState.WAITING


async def test_what_was_not_sent_is_simply_not(at: Open, sim: Simulator) -> None:
    world = at("openai")
    unit = await one(world, "openai")
    assert await world.batch_lane.cancel(unit.work_id, "the user said so")
    await world.finish(unit.work_id)
    found = await world.unit(unit.work_id)
    assert (found.state, found.error, found.cost_pico) == ("dropped", "the user said so", 0)
    assert await world.counts() == {WAITING: 120}
    assert sim.batches()["accepted"] == 0
    assert not await world.batch_lane.cancel(unit.work_id, "again")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ENDLESS])
async def test_what_was_answered_by_then_is_kept_and_the_rest_waits(
    at: Open, sim: Simulator, name: str
) -> None:
    world = at(name)
    sim.set_batches(queue=0, item=10, validation=1)
    unit = await one(world, name)
    await world.batch_lane.advance(unit.work_id)
    sim.advance(400)
    await world.batch_lane.advance(unit.work_id)
    assert await world.batch_lane.cancel(unit.work_id, "it would miss the deadline")
    await world.finish(unit.work_id)
    counts = await world.counts()
    done = counts.get(DONE, 0)
    assert done + counts[WAITING] == 120
    assert (0 < done < 120) is (name not in NOTHING_PARTIAL)
    found = await world.unit(unit.work_id)
    assert (found.state, found.provider_state, found.done) == (
        "collected",
        "cancelled",
        done,
    )
    assert found.cost_pico == (None if name in UNPRICED else world.billed())
    assert (world.billed() > 0) is (name not in NOTHING_PARTIAL)
    assert world.booked() == {unit.work_id: found.cost_pico}


async def test_where_nothing_can_be_ended_it_is_waited_for(at: Open) -> None:
    world = at("openrouter")
    unit = await one(world, "openrouter")
    await world.batch_lane.advance(unit.work_id)
    await world.batch_lane.cancel(unit.work_id, "late")
    await world.finish(unit.work_id)
    assert await world.counts() == {DONE: 120}


async def test_one_whose_fate_is_not_known_is_looked_for_first(at: Open, sim: Simulator) -> None:
    world = at("openai", settings=NEVER)
    sim.set_batches(queue=3600)
    sim.add_fault(fault="lost-reply", count=1)
    unit = await one(world, "openai")
    await world.batch_lane.advance(unit.work_id)
    await world.batch_lane.cancel(unit.work_id, "late")
    await world.finish(unit.work_id)
    (batch,) = sim.batches()["batches"]
    assert (batch["state"], batch["billed"]) == ("cancelled", 0)
    assert await world.counts() == {WAITING: 120}
    assert world.booked() == {unit.work_id: 0}


async def test_one_that_never_arrived_is_not_sent_again(at: Open, sim: Simulator) -> None:
    world = at("openai", "perplexity")
    for name in ("openai", "perplexity"):
        await world.run(run_id=name, count=3)
        (unit,) = await world.units(name, range(3), run_id=name)
        sim.add_fault(fault="reset", on="create", count=1)
        await world.batch_lane.advance(unit.work_id)
        await world.batch_lane.cancel(unit.work_id, "late")
        await world.finish(unit.work_id, hours=0.001, steps=4000)
        assert (await world.unit(unit.work_id)).state == "dropped"
        assert await world.counts(name) == {WAITING: 3}
    assert sim.batches()["accepted"] == 0


async def test_one_that_has_ended_meanwhile_is_collected(at: Open, sim: Simulator) -> None:
    world = at("openai")
    unit = await one(world, "openai")
    await world.batch_lane.advance(unit.work_id)
    sim.advance(3600)
    await world.batch_lane.cancel(unit.work_id, "late")
    await world.finish(unit.work_id)
    assert await world.counts() == {DONE: 120}


async def test_who_gives_up_does_so_in_one_go(at: Open, sim: Simulator) -> None:
    world = at("openai")
    unit = await one(world, "openai", 4)
    sim.add_fault(fault="reset", on="create", count=1)
    await world.batch_lane.advance(unit.work_id)
    stale = await world.unit(unit.work_id)
    units = world.store.units
    assert await world.store.do(units.give_up, stale, "refused", WAITING, at=1)
    found = await world.unit(unit.work_id)
    assert (found.state, found.batch_id, found.gate) == ("ended", None, None)
    assert await world.counts() == {WAITING: 4}
    # Others, who know it as it was, can neither send it nor free what is somebody else's by now.
    (again,) = await world.units("openai", range(4))
    assert not await world.store.do(units.give_up, stale, "refused", WAITING, at=1)
    assert await world.store.do(units.sending, stale, at=1, real=1, gate=None) == "changed"
    await world.finish(unit.work_id, again.work_id)
    assert (await world.unit(unit.work_id)).state == "dropped"
    assert await world.counts() == {DONE: 4}
    assert world.booked()[unit.work_id] == 0
    assert sim.batches()["accepted"] == 1


@pytest.mark.parametrize("name", sorted(ENDLESS))
async def test_one_that_cannot_be_cancelled_goes_on_and_that_is_said_once(
    at: Open, sim: Simulator, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = at(name)
    sim.set_batches(queue=3600)
    unit = await one(world, name)
    await world.until(partial(_stepped_to, world, unit.work_id, "sent"))
    await world.batch_lane.cancel(unit.work_id, "late")
    await world.finish(unit.work_id)
    assert await world.counts() == {DONE: 120}
    assert caplog.text.count("cannot be cancelled, and goes on") == 1
    assert caplog.text.count("cannot be cancelled") == 1


async def _stepped_to(world: World, work_id: str, state: str) -> bool:
    await world.batch_lane.advance(work_id)
    return await world.is_in(work_id, state)
