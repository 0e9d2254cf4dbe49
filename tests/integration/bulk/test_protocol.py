"""Units of work from rows to results, at every kind of provider."""

import pytest

from llm_orchestrator.bulk.answers import decode_answer
from llm_orchestrator.store.bulk_rows import ItemState
from tests.integration.batching import NAMES, UNPRICED
from tests.integration.bulk.conftest import Open


@pytest.fixture
def store_url(both: str) -> str:
    return both


@pytest.mark.parametrize("name", NAMES)
async def test_from_items_to_answers(at: Open, name: str) -> None:
    world = at(name)
    await world.run(count=120)
    (unit,) = await world.units(name, range(120))
    await world.finish(unit.work_id)
    assert await world.counts() == {ItemState.DONE: 120}
    rows = list(world.store.items.iterate("run1"))
    assert all(row.result and decode_answer(row.result).text for row in rows)
    found = await world.unit(unit.work_id)
    assert (found.state, found.done, found.failed) == ("collected", 120, 0)
    assert world.booked() == {unit.work_id: found.cost_pico}
    assert list(world.folder.iterdir()) == []
    if name in UNPRICED:
        assert found.cost_pico is None
        return
    assert found.cost_pico == world.billed() > 0
    assert sum(row.cost_pico or 0 for row in rows) == found.cost_pico
    assert found.realtime_pico
    assert found.realtime_pico >= found.cost_pico
