"""Batches that nobody ordered are told."""

import os
import time

import msgspec
import pytest

from llm_orchestrator.bulk.batches.audit import end
from llm_orchestrator.errors import ServerError
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.bulk_rows import new_work_id
from tests.integration.bulk.conftest import Open
from tests.integration.bulk.test_sending import NEVER, again, execute, foreign, one
from tests.integration.bulk.world import HOUR, World


async def test_what_we_ordered_is_no_news(at: Open, sim: Simulator) -> None:
    world = at("openai", "anthropic", settings=NEVER)
    since = sim.advance(0) - HOUR
    sim.add_fault(fault="lost-reply", count=2)
    for name in ("openai", "anthropic"):
        await world.run(run_id=name, count=3)
        (unit,) = await world.units(name, range(3), run_id=name)
        await world.batch_lane.advance(unit.work_id)
        await world.batch_lane.advance(unit.work_id)
        assert await world.batch_lane.strays(name, since) == []


async def test_a_second_batch_of_a_unit_and_one_of_none(at: Open, sim: Simulator) -> None:
    world = at("openai")
    since = sim.advance(0) - HOUR
    unit = await one(world, "openai")
    await world.batch_lane.advance(unit.work_id)
    status = await world.batch_lane.context.drive(*await again(world, unit))
    sim.advance(60)
    (stray,) = await world.batch_lane.strays("openai", since)
    assert (stray.whose, stray.work_id, stray.batch_id) == ("ours", unit.work_id, status.id)
    assert (stray.total, stray.tag) == (120, unit.tag)
    await world.store.do(execute, world, "DELETE FROM bulk_batches")
    found = await world.batch_lane.strays("openai", since)
    assert [(one.whose, one.work_id) for one in found] == [("tagged", None)] * 2
    sim.advance(2 * HOUR)
    assert await world.batch_lane.strays("openai", sim.advance(0) - HOUR) == []


async def test_where_there_are_no_tags_nobody_knows_whose_it_is(at: Open, sim: Simulator) -> None:
    world = at("anthropic")
    since = sim.advance(0) - HOUR
    theirs = await foreign(world, 7)
    (stray,) = await world.batch_lane.strays("anthropic", since)
    assert (stray.whose, stray.batch_id, stray.total) == ("unknown", theirs, 7)


async def test_a_second_batch_is_ended_and_alerted(at: Open, sim: Simulator) -> None:
    world = at("openai", "anthropic")
    sim.set_batches(queue=HOUR)
    since = sim.advance(0) - HOUR
    unit = await one(world, "openai")
    await world.batch_lane.advance(unit.work_id)
    await world.batch_lane.context.drive(*await again(world, unit))
    await foreign(world, 7)
    (stray,) = await world.batch_lane.check("run1")
    assert (stray.whose, stray.work_id) == ("ours", unit.work_id)
    (stray,) = await world.batch_lane.strays("anthropic", since)
    assert not await end(world.batch_lane.context, stray)
    sim.advance(60)
    states = [row["state"] for row in sim.batches()["batches"]]
    assert sorted(states) == ["cancelled", "queued", "queued"]
    assert len(await world.batch_lane.check("run1")) == 1  # told once
    (alert,) = await world.store.do(world.store.alerts.listed)
    assert (alert.name, alert.severity) == ("Unordered Batch", "warning")
    assert "was ended" in alert.message


async def test_files_of_the_dead_are_removed(at: Open, sim: Simulator) -> None:
    world = at("openai")
    unit = await one(world, "openai", 3)
    folder, nobody, over = world.folder, new_work_id(), new_work_id()
    ended = msgspec.structs.replace(unit, work_id=over, tag=over, state="dropped")
    assert await world.store.do(world.store.units.add, ended, [])
    kept = {f"{nobody}.strange.jsonl", "mine.txt", "worker-1.lock"}
    for name in (f"{nobody}.jsonl", f"{over}.jsonl", *kept):
        (folder / name).write_text("{}", "utf-8")
    (folder / f"{nobody}.results-x").mkdir()
    assert await world.batch_lane.tidy() == 0
    day_old = time.time() - 24 * HOUR
    for path in folder.iterdir():
        os.utime(path, (day_old, day_old))
    assert await world.batch_lane.tidy() == 1, "what is not known here may be another store's"
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    assert await world.batch_lane.tidy() == 2
    assert {path.name for path in folder.iterdir()} == {unit.path, *kept}


async def test_a_list_that_cannot_be_had_is_no_reason_to_stop(at: Open, sim: Simulator) -> None:
    world = at("openai")
    unit = await one(world, "openai", 3)
    await world.finish(unit.work_id)
    sim.add_fault(fault="server-error", on="list")
    with pytest.raises(ServerError):
        await world.batch_lane.strays("openai", 0)
    assert await world.batch_lane.check("run1") == []


async def alerts(world: World) -> dict[str, tuple[str, str]]:
    found = await world.store.do(world.store.alerts.listed, standing=True)
    return {one.subject: (one.name, one.severity) for one in found}


async def test_the_audit_of_all_tells_what_nobody_ordered(at: Open, sim: Simulator) -> None:
    world = at("openai", "anthropic", "gemini")
    sim.set_batches(queue=HOUR)
    unit = await one(world, "openai")
    await world.batch_lane.advance(unit.work_id)
    assert [one.strays for one in await world.batch_lane.audit()] == [[]]
    second = await world.batch_lane.context.drive(*await again(world, unit))
    await world.run(run_id="run2", count=3)
    (other,) = await world.units("openai", range(3), run_id="run2")
    await world.batch_lane.advance(other.work_id)
    await world.run(run_id="run3", count=3)
    (untagged,) = await world.units("anthropic", range(3), run_id="run3")
    await world.batch_lane.advance(untagged.work_id)
    await foreign(world, 7)
    lost = (await world.unit(other.work_id)).batch_id
    sql = f"DELETE FROM bulk_batches WHERE work_id = '{other.work_id}'"
    await world.store.do(execute, world, sql)
    for _ in range(2):
        claude, openai = await world.batch_lane.audit()
        assert (openai.count("ours"), openai.count("tagged"), openai.count("unknown")) == (1, 1, 0)
        assert (claude.count("ours"), claude.count("unknown"), claude.skipped) == (0, 1, None)
    assert await alerts(world) == {
        f"openai/{second.id}": ("Unordered Batch", "warning"),
        f"openai/{lost}": ("Unordered Batch", "warning"),
        "anthropic/others": ("Unordered Batch", "info"),
    }
    sim.advance(60)
    states = {row["id"]: row["state"] for row in sim.batches()["batches"]}
    assert states[second.id] == "cancelled"
    assert states[lost or ""] == "queued", "what is not proven ours is not touched"


async def test_a_new_key_makes_no_batch_a_stray(at: Open, sim: Simulator) -> None:
    world = at("openai")
    unit = await one(world, "openai", 3)
    await world.batch_lane.advance(unit.work_id)
    await world.store.do(execute, world, "UPDATE bulk_batches SET account = 'of the old key'")
    assert [one.strays for one in await world.batch_lane.audit()] == [[]]


async def test_a_batch_that_is_being_created_is_no_stray(at: Open, sim: Simulator) -> None:
    world = at("anthropic", settings=NEVER)
    unit = await one(world, "anthropic", 3)
    sim.add_fault(fault="lost-reply", count=1)
    await world.batch_lane.advance(unit.work_id)
    assert await world.is_in(unit.work_id, "sending")
    assert [one.strays for one in await world.batch_lane.audit()] == [[]]
    assert await alerts(world) == {}


async def test_rows_tell_whose_a_batch_without_a_tag_is_once_it_is_over(
    at: Open, sim: Simulator
) -> None:
    world = at("anthropic")
    sim.set_batches(queue=24 * HOUR)
    sim.add_fault(fault="reset", on="create", count=1)
    unit = await one(world, "anthropic", 7)

    async def sent() -> bool:
        await world.batch_lane.advance(unit.work_id)
        return await world.is_in(unit.work_id, "sent")

    await world.until(sent)
    theirs = await foreign(world, 7)
    second = await world.batch_lane.context.drive(*await again(world, unit))
    (found,) = await world.batch_lane.audit()
    assert (found.count("ours"), found.count("unknown")) == (0, 2)
    sim.advance(26 * HOUR)
    sim.add_fault(fault="server-error", on="results", count=6)
    (found,) = await world.batch_lane.audit()
    assert (found.count("unknown"), found.skipped) == (2, None), "the next audit may read them"
    (found,) = await world.batch_lane.audit()
    assert {(one.batch_id, one.whose, one.work_id) for one in found.strays} == {
        (second.id, "ours", unit.work_id),
        (theirs, "unknown", None),
    }
    assert (await alerts(world))[f"anthropic/{second.id}"] == ("Unordered Batch", "warning")


async def test_who_cannot_list_is_skipped_and_told_until_it_can(at: Open, sim: Simulator) -> None:
    world = at("openai", "anthropic")
    for name in ("openai", "anthropic"):
        await world.run(run_id=name, count=3)
        (unit,) = await world.units(name, range(3), run_id=name)
        await world.batch_lane.advance(unit.work_id)
    await foreign(world, 7)
    await world.batch_lane.audit()
    stray = {"anthropic/others": ("Unordered Batch", "info")}
    assert await alerts(world) == stray
    sim.add_fault(fault="server-error", on="list", count=6)
    skipped = {one.provider: one.skipped for one in await world.batch_lane.audit()}
    assert all((skipped[name] or "").startswith("ServerError") for name in ("openai", "anthropic"))
    assert await alerts(world) == stray | {
        "openai": ("Unaudited Provider", "info"),
        "anthropic": ("Unaudited Provider", "info"),
    }
    await world.batch_lane.audit()
    assert await alerts(world) == stray
