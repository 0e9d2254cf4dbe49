"""Workers on several machines: the file of a batch may be on another one."""

import asyncio
from pathlib import Path

import pytest

from llm_orchestrator.bulk.batches.building import Plan, rewrite
from llm_orchestrator.errors import StoreError
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.bulk_rows import ItemState, Unit
from tests.integration.bulk.conftest import Open
from tests.integration.bulk.test_sending import one
from tests.integration.bulk.world import World, asked


def plan(world: World, unit: Unit) -> Plan:
    context = world.batch_lane.context
    return Plan(
        run_id=unit.run_id,
        task=unit.task,
        target=context.target(unit),
        folder=context.folder,
        created_at=unit.created_at,
    )


def elsewhere(world: World, folder: Path) -> None:
    """As a process on another machine, which can write rows again."""
    context = world.batch_lane.context
    context.folder = folder

    async def rebuild(unit: Unit) -> Unit:
        numbers = await world.store.do(world.store.items.numbers, unit.work_id, unit.run_id)
        rows = ((number, asked(number)) for number in numbers)
        return await asyncio.to_thread(rewrite, plan(world, unit), unit, rows)

    context.rebuild = rebuild


@pytest.mark.parametrize("name", ["openai", "anthropic", "together"])
async def test_rows_are_written_again(at: Open, sim: Simulator, tmp_path: Path, name: str) -> None:
    here, there = at(name), at(name)
    unit = await one(here, name)
    first = (here.folder / (unit.path or "")).read_bytes()
    elsewhere(there, tmp_path / "there")
    sim.add_fault(fault="rate-limit", on="create", count=1)
    await there.batch_lane.advance(unit.work_id)
    assert (tmp_path / "there" / (unit.path or "")).read_bytes() == first
    await there.finish(unit.work_id)
    assert await there.counts() == {ItemState.DONE: 120}
    assert sim.batches()["accepted"] == 1


async def test_what_is_uploaded_needs_no_file_any_more(
    at: Open, sim: Simulator, tmp_path: Path
) -> None:
    here, there = at("openai"), at("openai")
    unit = await one(here, "openai")
    sim.add_fault(fault="rate-limit", on="create", count=1)
    await here.batch_lane.advance(unit.work_id)
    there.batch_lane.context.folder = tmp_path / "there"
    await there.finish(unit.work_id)
    assert await there.counts() == {ItemState.DONE: 120}


async def test_who_has_no_rows_leaves_the_unit_to_others(
    at: Open, sim: Simulator, tmp_path: Path
) -> None:
    here, there = at("openai"), at("openai")
    unit = await one(here, "openai")
    there.batch_lane.context.folder = tmp_path / "there"
    await there.batch_lane.advance(unit.work_id)
    found = await there.unit(unit.work_id)
    assert found.state == "prepared"
    assert "not on this machine" in (found.error or "")
    await here.finish(unit.work_id)
    assert await here.counts() == {ItemState.DONE: 120}


async def test_rows_that_have_changed_are_not_sent(at: Open, sim: Simulator) -> None:
    world = at("openai")
    unit = await one(world, "openai")
    rows = ((number, asked(number)) for number in range(119))
    with pytest.raises(StoreError, match="119 instead of 120"):
        rewrite(plan(world, unit), unit, rows)
