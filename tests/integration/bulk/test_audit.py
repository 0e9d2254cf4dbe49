"""Batches that nobody ordered are told."""

import os

import pytest

from llm_orchestrator.bulk.audit import end
from llm_orchestrator.errors import ServerError
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
        assert await world.works.strays(name, since) == []


async def test_a_second_batch_of_a_unit_and_one_of_none(at: Open, sim: Simulator) -> None:
    world = at("openai")
    since = sim.advance(0) - HOUR
    unit = await one(world, "openai")
    await world.works.advance(unit.work_id)
    status = await world.works.hands.drive(*await again(world, unit))
    sim.advance(60)
    (stray,) = await world.works.strays("openai", since)
    assert (stray.whose, stray.work_id, stray.batch_id) == ("ours", unit.work_id, status.id)
    assert (stray.total, stray.tag) == (120, unit.tag)
    await world.store.do(execute, world, "DELETE FROM bulk_batches")
    found = await world.works.strays("openai", since)
    assert [(one.whose, one.work_id) for one in found] == [("tagged", None)] * 2
    sim.advance(2 * HOUR)
    assert await world.works.strays("openai", sim.advance(0) - HOUR) == []


async def test_where_there_are_no_tags_nobody_knows_whose_it_is(at: Open, sim: Simulator) -> None:
    world = at("anthropic")
    since = sim.advance(0) - HOUR
    theirs = await foreign(world, 7)
    (stray,) = await world.works.strays("anthropic", since)
    assert (stray.whose, stray.batch_id, stray.total) == ("unknown", theirs, 7)


async def test_a_second_batch_is_ended_and_alerted(at: Open, sim: Simulator) -> None:
    world = at("openai", "anthropic")
    sim.set_batches(queue=HOUR)
    since = sim.advance(0) - HOUR
    unit = await one(world, "openai")
    await world.works.advance(unit.work_id)
    await world.works.hands.drive(*await again(world, unit))
    await foreign(world, 7)
    (stray,) = await world.works.check("run1")
    assert (stray.whose, stray.work_id) == ("ours", unit.work_id)
    (stray,) = await world.works.strays("anthropic", since)
    assert not await end(world.works.hands, stray)
    sim.advance(60)
    states = [row["state"] for row in sim.batches()["batches"]]
    assert sorted(states) == ["cancelled", "queued", "queued"]
    assert len(await world.works.check("run1")) == 1  # told once
    (alert,) = await world.store.do(world.store.alerts.listed)
    assert (alert.name, alert.severity) == ("Unordered Batch", "warning")
    assert "was ended" in alert.message


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


async def test_a_list_that_cannot_be_had_is_no_reason_to_stop(at: Open, sim: Simulator) -> None:
    world = at("openai")
    unit = await one(world, "openai", 3)
    await world.finish(unit.work_id)
    sim.add_fault(fault="server-error", on="list")
    with pytest.raises(ServerError):
        await world.works.strays("openai", 0)
    assert await world.works.check("run1") == []
