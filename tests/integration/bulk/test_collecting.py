"""What comes back: partial, broken, strange or lost results, and what they cost."""

from typing import Any

import msgspec
import pytest
from openai import OpenAI

from llm_orchestrator.bulk.answers import Verdict, decode_answer
from llm_orchestrator.bulk.batches import collect
from llm_orchestrator.dialects.batch import dialect
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.bulk_rows import ItemState, Unit
from llm_orchestrator.types.batch import Texts
from llm_orchestrator.types.reply import Response
from tests.integration.batching import NAMES, NOTHING_PARTIAL, UNPRICED
from tests.integration.bulk.conftest import Open
from tests.integration.bulk.test_sending import execute, one
from tests.integration.bulk.world import World

DONE, FAILED = ItemState.DONE, ItemState.FAILED
RETRY, WAITING = ItemState.RETRY, ItemState.WAITING


async def over(world: World, name: str = "openai", count: int = 120) -> Unit:
    unit = await one(world, name, count)
    await world.finish(unit.work_id, hours=1)
    return await world.unit(unit.work_id)


def errors(world: World) -> set[str]:
    return {row.error or "" for row in world.store.items.iterate("run1", states=(3, 4))}


@pytest.mark.parametrize("name", NAMES)
async def test_what_an_expired_batch_has_answered_is_kept(
    at: Open, sim: Simulator, name: str
) -> None:
    world = at(name)
    sim.add_fault(fault="batch-expired", provider=name)
    unit = await one(world, name)
    await world.finish(unit.work_id, hours=4)
    unit = await world.unit(unit.work_id)
    kept = 0 if name in NOTHING_PARTIAL else 60
    assert await world.counts() == ({DONE: 60, RETRY: 60} if kept else {RETRY: 120})
    # One wire has no such state: a batch that was too slow has failed there.
    state, why = ("failed", "too long") if name == "cohere" else ("expired", "expired")
    assert all(why in text for text in errors(world))
    assert (unit.provider_state, unit.done, unit.failed) == (state, kept, 120 - kept)
    assert world.booked() == {unit.work_id: unit.cost_pico}
    assert unit.cost_pico == (None if name in UNPRICED else world.billed())
    assert (world.billed() > 0) is (kept > 0)


async def test_a_batch_that_failed_as_a_whole_costs_nothing(at: Open, sim: Simulator) -> None:
    world = at("openai")
    sim.add_fault(fault="batch-failed")
    unit = await over(world)
    assert await world.counts() == {RETRY: 120}
    assert errors(world) == {"the batch failed: The batch could not be processed."}
    assert (unit.state, unit.cost_pico) == ("collected", 0)
    assert world.booked() == {unit.work_id: 0}


async def test_rows_that_a_batch_was_refused_for_are_set_apart(at: Open, sim: Simulator) -> None:
    world = at("openai")
    sim.add_fault(fault="refused-lines", share=0.1)
    unit = await over(world)
    found = await world.counts()
    assert found.keys() == {FAILED, RETRY}
    assert 2 <= found[FAILED] <= 30
    assert found[FAILED] + found[RETRY] == 120
    await world.store.do(world.store.items.retry, "run1")
    rows = await world.store.do(world.store.items.page, "run1", states=(WAITING,))
    (again,) = await world.units("openai", [row.item_no for row in rows])
    await world.finish(again.work_id)
    assert await world.counts() == {FAILED: found[FAILED], DONE: found[RETRY]}
    failed = await world.store.do(world.store.items.page, "run1", states=(FAILED,))
    for row in failed:
        assert row.error == (
            f"InvalidRequestError: refused in line {row.item_no + 1} of its batch: "
            "Invalid value in the body of this line."
        )
        assert row.cost_pico == 0
    assert world.booked()[unit.work_id] == 0
    assert sum(cost or 0 for cost in world.booked().values()) == world.billed()


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini"])
async def test_rows_fail_one_by_one(at: Open, sim: Simulator, name: str) -> None:
    world = at(name)
    sim.add_fault(fault="item-errors", share=0.25)
    unit = await over(world, name)
    assert await world.counts() == {DONE: 90, RETRY: 30}
    assert unit.cost_pico == world.billed()
    assert await world.store.do(world.store.items.retry, "run1") == 30
    rows = await world.store.do(world.store.items.page, "run1", states=(WAITING,))
    assert {row.round for row in rows} == {1}
    (again,) = await world.units(name, [row.item_no for row in rows])
    sim.reset()
    await world.finish(again.work_id)
    assert await world.counts() == {DONE: 120}
    again = await world.unit(again.work_id)
    assert (unit.cost_pico or 0) + (again.cost_pico or 0) == world.billed()
    assert sum(row.cost_pico or 0 for row in world.store.items.iterate("run1")) == world.billed()


async def test_results_that_nobody_asked_for_are_counted_and_kept(at: Open, sim: Simulator) -> None:
    world = at("openai")
    sim.add_fault(fault="unknown-ids", share=0.5)
    unit = await over(world)
    assert await world.counts() == {DONE: 120}
    assert unit.strange == 60
    assert unit.cost_pico == world.billed()
    (file,) = world.folder.iterdir()
    assert file.name == f"{unit.work_id}.strange.jsonl"
    lines = [msgspec.json.decode(line) for line in file.read_bytes().splitlines()]
    assert len(lines) == 60
    assert all(line["custom_id"].startswith("nobody") and line["text"] for line in lines)


async def test_results_that_come_twice_count_once(at: Open, sim: Simulator) -> None:
    world = at("openai")
    sim.add_fault(fault="doubled-results", share=0.5)
    unit = await over(world)
    assert await world.counts() == {DONE: 120}
    assert (unit.done, unit.strange) == (120, 0)
    assert unit.cost_pico == world.billed()


@pytest.mark.parametrize("fault", ["missing-results", "garbage-results"])
async def test_what_nobody_knows_the_cost_of_is_unknown(
    at: Open, sim: Simulator, fault: str
) -> None:
    world = at("openai")
    sim.add_fault(fault=fault, share=0.5)
    unit = await over(world)
    assert await world.counts() == {DONE: 60, RETRY: 60}
    assert (unit.cost_pico, unit.done) == (None, 60)
    assert world.booked() == {unit.work_id: None}
    rows = list(world.store.items.iterate("run1", states=(DONE,)))
    assert sum(row.cost_pico or 0 for row in rows) > 0
    # Its hold counts under the cap as long as nobody knows better.
    assert await world.store.do(world.store.units.committed, "run1") == unit.hold_pico


async def test_lost_results_are_asked_for_again_and_given_up_in_the_end(
    at: Open, sim: Simulator
) -> None:
    world = at("openai")
    sim.add_fault(fault="lost-results")
    unit = await one(world, "openai")
    for _ in range(12):
        assert await world.batch_lane.advance(unit.work_id) is not None
        sim.advance(3600)
    found = await world.unit(unit.work_id)
    assert found.state == "ended"
    assert "404" in (found.error or "")
    sim.advance(86400)
    await world.finish(unit.work_id)
    assert await world.counts() == {RETRY: 120}
    assert all("its results are gone" in text for text in errors(world))
    assert world.booked() == {unit.work_id: None}


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini", "openrouter", "perplexity"])
async def test_answers_without_usage_are_kept_and_of_unknown_cost(
    at: Open, sim: Simulator, name: str
) -> None:
    world = at(name)
    sim.add_fault(fault="unmetered-results", provider=name, share=0.5)
    unit = await over(world, name)
    assert await world.counts() == {DONE: 120}
    assert (unit.cost_pico, unit.done) == (None, 120)
    assert world.booked() == {unit.work_id: None}
    costs = [row.cost_pico for row in world.store.items.iterate("run1")]
    assert costs.count(None) == 60


async def test_rows_that_failed_do_not_hide_those_that_are_missing(
    at: Open, sim: Simulator
) -> None:
    world = at("openai")
    sim.set_batches(failures=0.5)
    sim.add_fault(fault="missing-results", share=0.1)
    unit = await over(world)
    counts = await world.counts()
    assert counts[RETRY] > 24  # more have failed than the 12 that are missing
    assert (unit.cost_pico, unit.done) == (None, counts[DONE])
    assert world.booked() == {unit.work_id: None}


@pytest.mark.parametrize("kind", ["error", "output"])
async def test_a_file_that_is_gone_does_not_take_the_other_with_it(
    at: Open, sim: Simulator, kind: str
) -> None:
    world = at("openai")
    sim.add_fault(fault="item-errors", share=0.25, count=1)
    unit = await one(world, "openai")
    while (await world.unit(unit.work_id)).state != "ended":
        await world.batch_lane.advance(unit.work_id)
        sim.advance(3600)
    target = world.target("openai")
    batch_id = (await world.unit(unit.work_id)).batch_id or ""
    status = await world.batch_lane.context.drive(
        dialect(target.provider).poll(batch_id, target), target
    )
    (file,) = [ref.place for ref in status.results if ref.kind == kind]
    assert target.provider.key is not None
    key, address = target.provider.key.reveal(), target.provider.base_url
    with OpenAI(api_key=key, base_url=address) as client:
        assert client.files.delete(file).deleted
    assert (await world.batch_lane.advance(unit.work_id) or 0) > 0  # it may be there again
    sim.advance(2 * 86400)
    await world.finish(unit.work_id)
    found = await world.unit(unit.work_id)
    done, paid = (90, world.billed()) if kind == "error" else (0, None)
    assert await world.counts() == ({DONE: 90, RETRY: 30} if done else {RETRY: 120})
    assert (found.done, found.cost_pico) == (done, paid)
    gone = [row for row in world.store.items.iterate("run1") if "are gone" in (row.error or "")]
    assert len(gone) == (30 if kind == "error" else 90)


async def test_results_that_are_named_late_are_waited_for(at: Open, sim: Simulator) -> None:
    world = at("openai")
    sim.add_fault(fault="late-results", seconds=6 * 3600)
    unit = await one(world, "openai")
    pauses: list[float] = []
    while (found := await world.unit(unit.work_id)).state != "collected":
        if found.state == "ended":
            assert found.cost_pico is None
            assert "names no results" in (found.error or "") or not pauses
            pauses.append(await world.batch_lane.advance(unit.work_id) or 0)
        else:
            await world.batch_lane.advance(unit.work_id)
        sim.advance(3600)
    assert len(pauses) > 4
    assert pauses[-2] > pauses[1] > world.batch_lane.context.settings.poll
    assert await world.counts() == {DONE: 120}
    assert world.booked() == {unit.work_id: world.billed()}


@pytest.mark.parametrize("fault", [{"fault": "error-body"}, {"fault": "status", "status": 404}])
async def test_results_of_long_ago_are_asked_for_more_than_once(
    at: Open, sim: Simulator, fault: dict[str, Any]
) -> None:
    world = at("openai")
    unit = await one(world, "openai")
    await world.batch_lane.advance(unit.work_id)
    sim.advance(3 * 86400)
    sim.add_fault(on="results", count=2, **fault)
    await world.finish(unit.work_id)
    assert await world.counts() == {DONE: 120}
    assert world.booked() == {unit.work_id: world.billed()}


async def test_results_that_are_withheld_are_waited_for(at: Open, sim: Simulator) -> None:
    world = at("openrouter")
    unit = await one(world, "openrouter")
    await world.batch_lane.advance(unit.work_id)
    sim.advance(3600)
    # There is no credit left for what was answered; when there is, nothing is run again.
    sim.add_fault(fault="status", status=402, on="poll", count=3)
    for _ in range(3):
        assert await world.batch_lane.advance(unit.work_id)
        assert "Error" in ((await world.unit(unit.work_id)).error or "")
        sim.advance(86400)
    await world.finish(unit.work_id)
    assert await world.counts() == {DONE: 120}
    assert world.booked() == {unit.work_id: world.billed()}
    assert sim.batches()["accepted"] == 1


@pytest.mark.parametrize("status", [404, 410])
async def test_a_batch_that_nobody_knows_any_more_is_given_up_in_the_end(
    at: Open, sim: Simulator, status: int
) -> None:
    world = at("openai")
    unit = await one(world, "openai")
    await world.batch_lane.advance(unit.work_id)
    sim.add_fault(fault="status", status=status, on="poll")
    sim.advance(2 * 86400)
    assert await world.batch_lane.advance(unit.work_id)
    assert (await world.unit(unit.work_id)).state == "sent"
    sim.advance(2 * 86400)
    await world.finish(unit.work_id, hours=12)
    assert await world.counts() == {RETRY: 120}
    assert all("are gone" in text for text in errors(world))
    assert world.booked() == {unit.work_id: None}


@pytest.mark.parametrize("name", ["anthropic", "cohere", "openai", "together", "vertex"])
async def test_results_that_cannot_be_read_are_given_up_in_the_end(
    at: Open, sim: Simulator, name: str
) -> None:
    world = at(name)
    sim.add_fault(fault="error-body", on="results", provider=name)
    unit = await one(world, name)
    for _ in range(12):
        await world.batch_lane.advance(unit.work_id)
        sim.advance(3600)
    assert (await world.unit(unit.work_id)).state == "ended"
    assert not [path for path in world.folder.iterdir() if "results" in path.name]
    sim.advance(86400)
    await world.finish(unit.work_id)
    assert all("gone" in text for text in errors(world))
    assert await world.counts() == {RETRY: 120}
    assert world.booked() == {unit.work_id: None}


async def test_reading_again_comes_to_the_same(at: Open, sim: Simulator) -> None:
    world = at("openai")
    sim.add_fault(fault="item-errors", share=0.25)
    unit = await one(world, "openai")
    while (await world.unit(unit.work_id)).state != "ended":
        await world.batch_lane.advance(unit.work_id)
        sim.advance(3600)
    ended = await world.unit(unit.work_id)
    assert await collect.read(world.batch_lane.context, ended) is None
    first = list(world.store.items.iterate("run1")), await world.unit(unit.work_id)
    await world.store.do(execute, world, "UPDATE bulk_batches SET state = 'ended'")
    assert await collect.read(world.batch_lane.context, ended) is None
    again = list(world.store.items.iterate("run1")), await world.unit(unit.work_id)
    assert again[0] == first[0]
    assert again[1].cost_pico == first[1].cost_pico == world.billed()
    assert world.booked() == {unit.work_id: world.billed()}


async def test_an_item_that_went_on_is_left_alone_by_its_old_batch(
    at: Open, sim: Simulator
) -> None:
    world = at("openai")
    unit = await one(world, "openai", 10)
    while (await world.unit(unit.work_id)).state != "ended":
        await world.batch_lane.advance(unit.work_id)
        sim.advance(3600)
    await world.store.do(execute, world, "UPDATE bulk_items SET work_id = 'x' WHERE item_no < 4")
    await world.finish(unit.work_id)
    assert await world.counts() == {ItemState.SENT: 4, DONE: 6}
    assert (await world.unit(unit.work_id)).cost_pico == world.billed()


async def test_vectors(at: Open) -> None:
    world = at("openai")
    await world.run(count=5)
    (unit,) = await world.units(
        "openai",
        range(5),
        model="text-embedding-3-small",
        make=lambda number: Texts((f"text {number}", "another")),
        embeds=True,
    )
    await world.finish(unit.work_id)
    rows = list(world.store.items.iterate("run1"))
    answers = [decode_answer(row.result or b"") for row in rows]
    assert all(one.vectors and len(one.vectors) == 2 for one in answers)
    assert (await world.unit(unit.work_id)).cost_pico == world.billed() > 0


def judge(unit: Unit, response: Response) -> Verdict | None:
    """Makes a value of every third length, takes the next as it is, and refuses the others."""
    length = len(response.text)
    if length % 3 == 0:
        return Verdict(parsed={"length": length})
    if length % 3 == 1:
        return None
    return Verdict(RETRY, error=f"{unit.task}: {response.finish_reason} is not enough")


async def test_a_task_has_the_last_word_on_answers(at: Open) -> None:
    world = at("openai", judge=judge)
    unit = await over(world, count=30)
    rows = list(world.store.items.iterate("run1"))
    answers = [decode_answer(row.result or b"") for row in rows]
    assert {len(answer.text) % 3 for answer in answers} == {0, 1, 2}
    refused = [len(answer.text) % 3 == 2 for answer in answers]
    assert [row.state == RETRY for row in rows] == refused
    assert [answer.parsed for answer in answers] == [
        None if len(answer.text) % 3 else {"length": len(answer.text)} for answer in answers
    ]
    assert (unit.done, unit.failed) == (30 - sum(refused), sum(refused))
    assert errors(world) == {"say: stop is not enough"}
    assert sum(row.cost_pico or 0 for row in rows) == world.billed()


@pytest.mark.parametrize("lost", ["garbage-results", "lost-results"])
async def test_what_cannot_be_read_is_not_taken_for_somebody_elses(
    at: Open, sim: Simulator, lost: str
) -> None:
    world = at("anthropic")
    sim.add_fault(fault=lost, share=1.0)
    unit = await one(world, "anthropic", 10)
    await world.batch_lane.advance(unit.work_id)
    await world.store.do(execute, world, "UPDATE bulk_batches SET proof = 'match'")
    await world.finish(unit.work_id, hours=3)
    found = await world.unit(unit.work_id)
    assert (found.state, found.done, found.cost_pico) == ("collected", 0, None)
    assert sim.batches()["accepted"] == 1
    assert await world.counts() == {RETRY: 10}
