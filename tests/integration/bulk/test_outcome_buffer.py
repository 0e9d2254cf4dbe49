"""Answers of the online lane are in the store soon, whether more come or not."""

import asyncio
import sqlite3

import pytest

from llm_orchestrator.bulk.online.chunks import unit_of
from llm_orchestrator.bulk.online.outcomes import OutcomeBuffer
from llm_orchestrator.errors import StoreError
from llm_orchestrator.store.bulk_rows import ItemState, Outcome
from tests.integration.bulk.conftest import Open
from tests.integration.bulk.world import World


async def buffer(world: World) -> OutcomeBuffer:
    """For a unit of two items."""
    await world.run(count=2)
    unit = unit_of("run1", "say", world.target("openai"), 2, round=0, now=0)
    await world.store.do(world.store.units.add, unit, [0, 1])
    return OutcomeBuffer(world.store, unit)


async def done(world: World) -> int:
    """Items whose answer is in the store."""
    counts = await world.store.do(world.store.items.counts, "run1")
    return counts.get(("say", ItemState.DONE), 0)


async def test_the_last_answer_does_not_wait_for_another(at: Open) -> None:
    world = at()
    own = await buffer(world)
    await own.add(Outcome(0, ItemState.DONE))
    for _ in range(1000):
        if await done(world):
            break
        await asyncio.sleep(0.02)
    assert await done(world) == 1
    await own.add(Outcome(1, ItemState.DONE))
    await own.close()
    assert await done(world) == 2


async def test_what_could_not_be_written_is_kept(at: Open) -> None:
    world = at()
    own = await buffer(world)
    other = sqlite3.connect(world.store.target.place, isolation_level=None)
    other.execute("ALTER TABLE bulk_items RENAME TO elsewhere")
    await own.add(Outcome(0, ItemState.DONE))
    with pytest.raises(StoreError):
        await own.close()
    other.execute("ALTER TABLE elsewhere RENAME TO bulk_items")
    await own.close()
    other.close()
    assert await done(world) == 1
