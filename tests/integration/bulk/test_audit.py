"""Batches that nobody ordered are told."""

from llm_orchestrator.simulator import Simulator
from tests.integration.bulk.conftest import Open
from tests.integration.bulk.test_sending import NEVER, again, execute, foreign, one
from tests.integration.bulk.world import HOUR


async def test_what_we_ordered_is_no_news(at: Open, sim: Simulator) -> None:
    world = at("openai", "anthropic", settings=NEVER)
    since = sim.advance(0) - HOUR
    sim.add_fault(fault="lost-reply", count=2)
    for name in ("openai", "anthropic"):
        await world.run(run_id=name, count=3)
        (unit,) = await world.units(name, range(3), run_id=name)
        await world.works.advance(unit.work_id)
        await world.works.advance(unit.work_id)
        assert await world.works.audit(name, since) == []


async def test_a_second_batch_of_a_unit_and_one_of_none(at: Open, sim: Simulator) -> None:
    world = at("openai")
    since = sim.advance(0) - HOUR
    unit = await one(world, "openai")
    await world.works.advance(unit.work_id)
    status = await world.works.hands.drive(*await again(world, unit))
    sim.advance(60)
    (stray,) = await world.works.audit("openai", since)
    assert (stray.whose, stray.work_id, stray.batch_id) == ("ours", unit.work_id, status.id)
    assert (stray.total, stray.tag) == (120, unit.tag)
    await world.store.do(execute, world, "DELETE FROM bulk_batches")
    found = await world.works.audit("openai", since)
    assert [(one.whose, one.work_id) for one in found] == [("ours", None)] * 2
    sim.advance(2 * HOUR)
    assert await world.works.audit("openai", sim.advance(0) - HOUR) == []


async def test_where_there_are_no_tags_nobody_knows_whose_it_is(at: Open, sim: Simulator) -> None:
    world = at("anthropic")
    since = sim.advance(0) - HOUR
    theirs = await foreign(world, 7)
    (stray,) = await world.works.audit("anthropic", since)
    assert (stray.whose, stray.batch_id, stray.total) == ("unknown", theirs, 7)
