"""Batches that nobody ordered are told."""

import os

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


async def test_what_is_proven_ours_can_be_ended(at: Open, sim: Simulator) -> None:
    world = at("openai", "anthropic")
    sim.set_batches(queue=HOUR)
    since = sim.advance(0) - HOUR
    unit = await one(world, "openai")
    await world.works.advance(unit.work_id)
    await world.works.hands.drive(*await again(world, unit))
    (stray,) = await world.works.audit("openai", since)
    assert await world.works.end(stray)
    await foreign(world, 7)
    (stray,) = await world.works.audit("anthropic", since)
    assert not await world.works.end(stray)
    sim.advance(60)
    states = [row["state"] for row in sim.batches()["batches"]]
    assert sorted(states) == ["cancelled", "queued", "queued"]


async def test_files_of_the_dead_are_removed(at: Open, sim: Simulator) -> None:
    world = at("openai")
    unit = await one(world, "openai", 3)
    folder = world.folder
    (folder / "wnobody.jsonl").write_text("{}", "utf-8")
    (folder / "wnobody.results-x").mkdir()
    (folder / "wnobody.strange.jsonl").write_text("{}", "utf-8")
    (folder / "mine.txt").write_text("", "utf-8")
    assert await world.works.tidy() == 0
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    assert await world.works.tidy() == 2
    left = {path.name for path in folder.iterdir()}
    assert left == {unit.path, "wnobody.strange.jsonl", "mine.txt"}
