"""Creations whose reply is lost, late or refused: each unit has one batch, and one only."""

import asyncio

import msgspec
import pytest

from llm_orchestrator.bulk.batches import submit
from llm_orchestrator.bulk.batches.context import rows_of
from llm_orchestrator.config.bulk import BulkSettings
from llm_orchestrator.dialects.batch import Exchange, dialect
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.bulk_rows import ItemState, Unit
from llm_orchestrator.types.batch import BatchOrder, BatchStatus
from llm_orchestrator.types.provider import Candidate
from tests.integration.batching import UNPRICED
from tests.integration.bulk.conftest import Open
from tests.integration.bulk.world import HOUR, QUICK, World, sections
from tests.waiting import until

LOST = ("lost-reply", "lost-reply-reset", "error-after-accept")
PROOFS = {
    "openai": "tag",
    "azure": "tag",
    "cohere": "tag",
    "deepinfra": "tag",
    "gemini": "tag",
    "groq": "tag",
    "mistral": "tag",
    "vertex": "tag",
    "together": "tag",
    "anthropic": "rows",
    "openrouter": "rows",
    "perplexity": "reply",
    "bedrock": "reply",
}
NEVER = BulkSettings(create_timeout=60.0, list_lag=60.0, poll=0.05, poll_most=0.05)
"""Nothing is sent again during a test."""


async def one(world: World, name: str, count: int = 120) -> Unit:
    await world.run(count=count)
    (unit,) = await world.units(name, range(count))
    return unit


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("name", PROOFS)
async def test_a_lost_reply_is_found_again(at: Open, sim: Simulator, name: str, fault: str) -> None:
    world = at(name, settings=NEVER)
    sim.add_fault(fault=fault, count=1)
    unit = await one(world, name)
    await world.finish(unit.work_id)
    found = await world.unit(unit.work_id)
    assert (found.state, found.done, found.proof) == ("collected", 120, PROOFS[name])
    assert sim.batches()["accepted"] == 1
    assert found.cost_pico == (None if name in UNPRICED else world.billed())


async def test_what_is_safe_to_send_again_is_not_sent_without_end(at: Open, sim: Simulator) -> None:
    world = at("bedrock")
    sim.add_fault(fault="error-after-accept", count=3)
    unit = await one(world, "bedrock")
    poll = world.batch_lane.context.settings.poll
    assert [await world.batch_lane.advance(unit.work_id) for _ in range(4)] == [
        0.0,
        poll,
        poll,
        0.0,
    ]
    await world.finish(unit.work_id)
    found = await world.unit(unit.work_id)
    assert (found.done, found.send_no) == (120, 4)
    assert sim.batches()["accepted"] == 1


@pytest.mark.parametrize("name", ["openai", "anthropic", "together", "perplexity"])
async def test_a_call_that_never_arrived_is_sent_again(at: Open, sim: Simulator, name: str) -> None:
    world = at(name)
    sim.add_fault(fault="reset", on="create", count=1)
    unit = await one(world, name)
    await world.finish(unit.work_id, hours=0.001, steps=4000)
    found = await world.unit(unit.work_id)
    assert (found.state, found.done, found.proof, found.send_no) == ("collected", 120, "reply", 2)
    assert sim.batches()["accepted"] == 1


@pytest.mark.parametrize("name", ["openai", "anthropic"])
async def test_nothing_is_sent_again_while_the_list_may_lag(
    at: Open, sim: Simulator, name: str
) -> None:
    world = at(name)
    sim.set_batches(list_lag_real=0.25)
    sim.add_fault(fault="lost-reply", count=1)
    unit = await one(world, name)
    await world.finish(unit.work_id, hours=0.001, steps=4000)
    found = await world.unit(unit.work_id)
    assert (found.done, found.send_no) == (120, 1)
    assert sim.batches()["accepted"] == 1


async def test_too_many_requests_wait(at: Open, sim: Simulator) -> None:
    world = at("openai")
    sim.add_fault(fault="rate-limit", on="create", count=2, retry_after=7)
    unit = await one(world, "openai")
    assert await world.batch_lane.advance(unit.work_id) == 7
    found = await world.unit(unit.work_id)
    assert found.state == "prepared"
    assert (found.error or "").startswith("RateLimitError")
    assert found.gate is None
    await world.finish(unit.work_id)
    assert (await world.unit(unit.work_id)).send_no == 3
    assert sim.batches()["accepted"] == 1


@pytest.mark.parametrize("on", ["upload", "create"])
async def test_what_is_refused_for_good_gives_its_items_back(
    at: Open, sim: Simulator, on: str
) -> None:
    world = at("openai")
    sim.add_fault(fault="content-filter", on=on, count=1)
    unit = await one(world, "openai", 5)
    assert await world.batch_lane.advance(unit.work_id) == 0
    assert await world.counts() == {ItemState.RETRY: 5}
    assert await world.batch_lane.advance(unit.work_id) is None
    found = await world.unit(unit.work_id)
    assert (found.state, found.cost_pico) == ("dropped", 0)
    assert "Error" in (found.error or "")
    assert await world.counts() == {ItemState.RETRY: 5}
    assert world.booked() == ({unit.work_id: 0} if on == "create" else {})
    assert sim.batches()["accepted"] == 0
    assert list(world.folder.iterdir()) == []
    assert await world.store.do(world.store.items.retry, "run1") == 5
    (again,) = await world.units("openai", range(5))
    await world.finish(again.work_id)
    assert await world.counts() == {ItemState.DONE: 5}


async def test_an_error_that_comes_again_is_said_once(
    at: Open, sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    world = at("openai")
    unit = await one(world, "openai")
    await world.batch_lane.advance(unit.work_id)
    sim.add_fault(fault="status", status=401, on="poll", count=4)
    for _ in range(4):
        await world.batch_lane.advance(unit.work_id)
    assert "AuthenticationError" in ((await world.unit(unit.work_id)).error or "")
    assert len([one for one in caplog.records if unit.work_id in one.getMessage()]) == 1
    await world.finish(unit.work_id)


async def test_who_comes_back_too_late_ends_the_second_batch(at: Open, sim: Simulator) -> None:
    patient = msgspec.structs.replace(QUICK, create_timeout=60.0, lease=3600.0)
    slow, other = at("openai", settings=patient), at("openai", settings=patient)
    sim.set_batches(queue=3600)
    unit = await one(slow, "openai")
    sim.add_fault(fault="slow-headers", on="create", count=1, seconds=5.0)
    begun = asyncio.create_task(slow.batch_lane.advance(unit.work_id))
    await other.until(lambda: other.is_in(unit.work_id, "sending"))
    # The first one has not been heard of for an hour: its lease is taken.
    sql = "UPDATE bulk_batches SET owner = NULL, sending_real = sending_real - 3600000000"
    await other.store.do(execute, other, sql)
    while (await other.unit(unit.work_id)).state != "sent":
        await other.batch_lane.advance(unit.work_id)
        await asyncio.sleep(0.01)
    await begun
    await until(lambda: sim.batches()["accepted"] == 2)
    sim.advance(60)
    states = {row["id"]: row["state"] for row in sim.batches()["batches"]}
    found = await other.unit(unit.work_id)
    assert found.send_no == 2
    assert states.pop(found.batch_id or "") != "cancelled"
    assert list(states.values()) == ["cancelled"]
    await other.finish(unit.work_id, hours=1)
    assert sim.paid_twice()["items"] == 0
    assert await other.counts() == {ItemState.DONE: 120}


async def test_who_did_not_send_changes_nothing(at: Open, sim: Simulator) -> None:
    world = at("openai")
    unit = await one(world, "openai")
    stale = await world.unit(unit.work_id)
    await world.batch_lane.advance(unit.work_id)
    uploaded = msgspec.structs.replace(stale, file_id="file-x")
    target = world.batch_lane.context.target(unit)
    assert await submit.send(world.batch_lane.context, uploaded, target) == 0
    assert sim.batches()["accepted"] == 1


async def test_the_first_upload_counts(at: Open, sim: Simulator) -> None:
    world = at("together")
    unit = await one(world, "together")
    units, do = world.store.units, world.store.do
    assert await do(units.uploaded, unit, "file-1")
    assert not await do(units.uploaded, unit, "file-2")
    assert (await world.unit(unit.work_id)).file_id == "file-1"


async def test_tasks_of_one_process_do_not_do_the_same(at: Open, sim: Simulator) -> None:
    world = at("openai")
    unit = await one(world, "openai")
    sim.set_batches(queue=3600)
    sim.add_fault(fault="slow-headers", on="create", seconds=0.5)
    lease = world.batch_lane.context.settings.lease
    pauses = await asyncio.gather(*(world.batch_lane.advance(unit.work_id) for _ in range(5)))
    # Who comes when the first one is done already looks at what it has made.
    assert pauses.count(lease) >= 1
    wires = [entry["wire"] for entry in sim.log()]
    assert wires[:2] == ["openai.batches.upload", "openai.batches.create"]
    assert set(wires[2:]) <= {"openai.batches.poll"}


async def test_two_batches_with_our_tag_become_one(at: Open, sim: Simulator) -> None:
    world = at("openai", settings=NEVER)
    sim.set_batches(queue=3600)
    sim.add_fault(fault="lost-reply", count=1)
    unit = await one(world, "openai")
    await world.batch_lane.advance(unit.work_id)
    await world.batch_lane.context.drive(*await again(world, unit))
    await world.finish(unit.work_id, hours=0.5)
    (first, second) = sim.batches()["batches"]
    assert (await world.unit(unit.work_id)).batch_id == first["id"]
    assert (second["state"], second["billed"]) == ("cancelled", 0)
    assert sim.paid_twice()["items"] == 0


async def test_a_second_batch_that_ends_already_is_not_taken(at: Open, sim: Simulator) -> None:
    world = at("openai", settings=NEVER)
    sim.set_batches(queue=3600)
    unit = await one(world, "openai")
    sim.add_fault(fault="lost-reply", count=1)
    await world.batch_lane.advance(unit.work_id)
    (first,) = sim.batches()["batches"]
    await submit.end(world.batch_lane.context, world.batch_lane.context.target(unit), first["id"])
    status = await world.batch_lane.context.drive(*await again(world, unit))
    await world.finish(unit.work_id, hours=0.5)
    found = await world.unit(unit.work_id)
    assert (found.batch_id, found.done) == (status.id, 120)
    assert sim.paid_twice()["items"] == 0


@pytest.mark.parametrize("name", ["gemini", "mistral", "together"])
async def test_a_batch_that_is_listed_twice_is_one(at: Open, sim: Simulator, name: str) -> None:
    world = at(name, settings=NEVER)
    sim.set_batches(queue=3600)
    sim.add_fault(fault="lost-reply", count=1)
    sim.add_fault(fault="doubled-list")
    unit = await one(world, name)
    await world.finish(unit.work_id, hours=0.5)
    assert (await world.unit(unit.work_id)).done == 120
    assert [row["state"] for row in sim.batches()["batches"]] == ["completed"]


async def again(world: World, unit: Unit) -> tuple[Exchange[BatchStatus], Candidate]:
    """The creation of a unit's batch, once more."""
    unit = await world.unit(unit.work_id)
    target = world.batch_lane.context.target(unit)
    file = await rows_of(world.batch_lane.context, unit)
    order = BatchOrder(tag=unit.tag, file=file, file_id=unit.file_id or "")
    return dialect(target.provider).create(order, target), target


# ------------------------------------------------------------------ without a tag


async def test_one_at_a_time_is_sent_without_a_tag(at: Open, sim: Simulator) -> None:
    world = at("anthropic", settings=NEVER)
    sim.set_batches(list_lag_real=0.4)
    await world.run(count=20)
    units = await world.units("anthropic", range(20), most=10)
    sim.add_fault(fault="lost-reply", count=1)
    assert await world.batch_lane.advance(units[0].work_id) == 0
    assert await world.batch_lane.advance(units[1].work_id) == NEVER.poll
    assert (await world.unit(units[1].work_id)).state == "prepared"
    await world.finish(*(unit.work_id for unit in units), hours=0.001, steps=4000)
    assert sim.batches()["accepted"] == 2
    assert await world.counts() == {ItemState.DONE: 20}


async def foreign(world: World, count: int) -> str:
    """A batch of somebody else, with as many rows, under the same key."""
    await world.run(run_id="other", count=count)
    numbers = range(count)
    (unit,) = await world.units("anthropic", numbers, run_id="other")
    status = await world.batch_lane.context.drive(*await again(world, unit))
    sql = "DELETE FROM bulk_batches WHERE run_id = 'other'"
    await world.store.do(execute, world, sql)
    return str(status.id)


def execute(world: World, sql: str) -> None:
    with world.store._connection() as backend:
        backend.execute(sql)


async def test_where_two_match_it_waits_and_looks_at_the_rows(at: Open, sim: Simulator) -> None:
    world = at("anthropic", settings=NEVER)
    unit = await one(world, "anthropic", 12)
    sim.add_fault(fault="lost-reply", count=1)
    await world.batch_lane.advance(unit.work_id)
    theirs = await foreign(world, 12)
    assert await world.batch_lane.advance(unit.work_id) == NEVER.poll
    assert "several" in ((await world.unit(unit.work_id)).error or "")
    await world.finish(unit.work_id)
    found = await world.unit(unit.work_id)
    assert (found.proof, found.done) == ("rows", 12)
    assert found.batch_id != theirs
    assert sim.batches()["accepted"] == 2


async def test_a_model_may_be_listed_by_another_name(at: Open, sim: Simulator) -> None:
    world = at("openrouter")
    sim.add_fault(fault="lost-reply", count=1)
    await world.run(count=12)
    dated = "anthropic/claude-3.5-haiku-20241022"
    (unit,) = await world.units("openrouter", range(12), model=dated)
    await world.finish(unit.work_id)
    assert (await world.unit(unit.work_id)).done == 12
    assert [row["model"] for row in sim.batches()["batches"]] == ["anthropic/claude-3.5-haiku"]


async def test_a_batch_that_was_mistaken_for_ours_is_let_go(at: Open, sim: Simulator) -> None:
    world = at("anthropic")
    sim.set_batches(queue=600)
    unit = await one(world, "anthropic", 12)
    sim.add_fault(fault="reset", on="create", count=1)
    await world.batch_lane.advance(unit.work_id)
    theirs = await foreign(world, 12)
    await world.batch_lane.advance(unit.work_id)
    found = await world.unit(unit.work_id)
    assert (found.state, found.batch_id, found.proof) == ("sent", theirs, "match")
    # Its end is asked for, but nothing proves that it is ours: it goes on.
    await world.batch_lane.cancel(unit.work_id, "too late")
    await world.batch_lane.advance(unit.work_id)
    assert [row["state"] for row in sim.batches()["batches"]] != ["cancelling"]
    await world.store.do(execute, world, "UPDATE bulk_batches SET cancel_at = NULL")
    await world.finish(unit.work_id, steps=4000, hours=0.01)
    found = await world.unit(unit.work_id)
    assert (found.done, found.proof) == (12, "reply")
    assert found.batch_id != theirs
    assert found.past == f'["{theirs}"]'
    mine = {row["id"]: row["cost_pico"] for row in sim.batches()["batches"]}
    assert found.cost_pico == mine[found.batch_id or ""]


# ------------------------------------------------------------------ no room


async def test_what_may_be_enqueued_is_kept_to_where_it_is_told(at: Open, sim: Simulator) -> None:
    section = sections(sim, ["openai"])
    section["openai"]["batch"] = {"limits": {"enqueued": 1500}}
    world = at("openai", providers=section)
    sim.set_batches(queue=HOUR)
    await world.run(count=40)
    first, second = await world.units("openai", range(40), most=20)
    assert 750 < (first.input_tokens or 0) <= 1500
    for unit in (first, second, second):
        await world.batch_lane.advance(unit.work_id)
    assert [(await world.unit(one.work_id)).state for one in (first, second)] == [
        "sent",
        "prepared",
    ]
    await world.finish(first.work_id, second.work_id, hours=0.5)
    assert await world.counts() == {ItemState.DONE: 40}
    assert {(await world.unit(one.work_id)).send_no for one in (first, second)} == {1}


@pytest.mark.parametrize("name", ["openai", "gemini", "mistral", "together", "perplexity"])
async def test_what_there_is_no_room_for_is_sent_later(at: Open, sim: Simulator, name: str) -> None:
    world = at(name)
    await world.run(count=40)
    units = await world.units(name, range(40), most=20)
    sim.set_batches(enqueued_tokens=(units[0].size or 0) * 3 // 8, queue=7200)
    await world.finish(*(unit.work_id for unit in units), hours=0.2)
    assert await world.counts() == {ItemState.DONE: 40}
    assert sim.paid_twice()["items"] == 0
    found = [await world.unit(unit.work_id) for unit in units]
    assert sum(one.cost_pico or 0 for one in found) == world.billed()
    assert sum(one.send_no for one in found) > 2
