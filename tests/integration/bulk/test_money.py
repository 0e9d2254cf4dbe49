"""Units under caps and budgets: what may not be spent is not sent."""

from typing import Any

import pytest

from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.bulk_rows import ItemState
from llm_orchestrator.store.connect import connect
from llm_orchestrator.types.money import usd_text
from tests.integration.bulk.conftest import Open
from tests.integration.bulk.world import World

WINDOW = "SELECT spent_pico, held_pico, unknown_pico FROM budget_windows"


@pytest.fixture
def store_url(both: str) -> str:
    return both


def windows(world: World) -> list[tuple[int, int, int]]:
    backend = connect(world.store.target)
    try:
        return [tuple(row) for row in backend.query(WINDOW)]
    finally:
        backend.close()


async def holds(world: World) -> int:
    """What one unit of ten items holds."""
    await world.run(run_id="measure", count=10)
    (unit,) = await world.units("openai", range(10), run_id="measure")
    await world.batch_lane.cancel(unit.work_id, "only measured")
    await world.finish(unit.work_id)
    assert unit.hold_pico is not None
    return unit.hold_pico


async def test_the_cap_of_a_run_lets_as_many_go_as_fit(at: Open, sim: Simulator) -> None:
    world = at("openai")
    most = await holds(world)
    await world.run(count=30, cap_pico=most + most // 2)
    first, second, third = await world.units("openai", range(30), most=10)
    await world.batch_lane.advance(first.work_id)
    assert (
        await world.batch_lane.advance(second.work_id)
        == world.batch_lane.context.settings.poll_most
    )
    found = await world.unit(second.work_id)
    assert (found.state, found.reserved) == ("prepared", False)
    assert "the run's cap" in (found.error or "")
    assert sim.batches()["accepted"] == 1
    assert await world.store.do(world.store.units.committed, "run1") == first.hold_pico
    await world.finish(first.work_id, second.work_id, third.work_id)
    assert await world.counts() == {ItemState.DONE: 30}
    assert await world.store.do(world.store.units.committed, "run1") == world.billed()


async def test_what_has_no_price_is_not_sent_under_a_cap(at: Open, sim: Simulator) -> None:
    world = at("azure")
    await world.run(count=3, cap_pico=10**12)
    (unit,) = await world.units("azure", range(3), model="my-deployment")
    assert unit.hold_pico is None
    await world.batch_lane.advance(unit.work_id)
    assert "its cost (unknown) does not fit" in ((await world.unit(unit.work_id)).error or "")
    assert sim.batches()["accepted"] == 0


async def test_budgets_hold_what_a_batch_may_cost_until_it_is_known(at: Open) -> None:
    world = at("openai")
    most = await holds(world)
    limited: Any = {
        "budgets": [{"scope": "global", "period": "total", "cap": usd_text(3 * most // 2)}]
    }
    world = at("openai", **limited)
    await world.run(count=20)
    first, second = await world.units("openai", range(20), most=10)
    await world.batch_lane.advance(first.work_id)
    assert windows(world) == [(0, first.hold_pico, 0)]
    await world.batch_lane.advance(second.work_id)
    found = await world.unit(second.work_id)
    assert (found.error or "").startswith("BudgetError")
    assert (found.state, found.reserved) == ("prepared", False)
    await world.finish(first.work_id)
    spent = (await world.unit(first.work_id)).cost_pico
    assert windows(world) == [(spent, 0, 0)]
    await world.finish(second.work_id)
    assert windows(world) == [(world.billed(), 0, 0)]
    assert world.booked().keys() >= {first.work_id, second.work_id}


async def test_what_is_given_up_holds_nothing(at: Open, sim: Simulator) -> None:
    world = at("openai", budgets=[{"scope": "global", "period": "total", "cap": "1"}])
    await world.run(count=10)
    (unit,) = await world.units("openai", range(10))
    sim.add_fault(fault="rate-limit", on="create", count=1)
    await world.batch_lane.advance(unit.work_id)
    assert windows(world) == [(0, unit.hold_pico, 0)]
    await world.batch_lane.cancel(unit.work_id, "no more")
    await world.finish(unit.work_id)
    assert windows(world) == [(0, 0, 0)]
    assert world.booked() == {unit.work_id: 0}


async def test_the_ledger_tells_whose_batch_it_was(at: Open) -> None:
    world = at("openai")
    await world.run(count=3, user_id="ana", tags='{"team":"red"}')
    (unit,) = await world.units("openai", range(3))
    await world.finish(unit.work_id)
    backend = connect(world.store.target)
    sql = "SELECT category, strategy, user_id, tags, provider, model, status FROM attempt_ledger"
    (row,) = backend.query(sql)
    backend.close()
    tags = '{"team":"red","run":"run1","task":"say"}'
    assert row == ("bulk", "batch", "ana", tags, "openai", unit.model, "ok")
