"""Workers on machines whose clocks differ: leases are measured by that of the database."""

import time

import pytest

from llm_orchestrator.bulk.output import summary
from tests.integration.bulk.conftest import Open
from tests.integration.bulk.test_sending import one


@pytest.fixture
def store_url(postgres_url: str) -> str:
    return postgres_url


@pytest.mark.postgres
@pytest.mark.parametrize("seconds", [-30, 30])
async def test_machines_whose_clocks_differ_leave_work_to_each_other(
    at: Open, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    world, other = at("openai"), at("openai")
    unit = await one(world, "openai")
    units, runs = world.store.units, world.store.runs
    assert await world.store.do(runs.claim, "run1", "first", 5)
    assert await world.store.do(units.claim, unit.work_id, "first", 5)
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + seconds)
    assert not await other.store.do(other.store.runs.claim, "run1", "second", 5)
    assert not await other.store.do(other.store.units.claim, unit.work_id, "second", 5)
    assert await other.store.do(other.store.runs.unowned, ("planned", "running")) == []
    assert (await summary.report(other.store, "run1")).driven
    monkeypatch.undo()
    # Nor does one whose clock is slow keep what it has left for longer.
    assert await other.store.do(other.store.runs.claim, "run1", "first", 0.05)
    monkeypatch.setattr(time, "time", lambda: clock() + seconds)
    await other.until(lambda: other.store.do(other.store.runs.claim, "run1", "second", 5))
