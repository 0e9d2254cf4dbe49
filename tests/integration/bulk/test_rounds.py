"""Failed items are asked again: by whom, in which lane, when, and within which limit."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import LLMOrchestrator
from llm_orchestrator.bulk import intake
from llm_orchestrator.bulk.allocation import Allocator
from llm_orchestrator.bulk.arguments import run_request
from llm_orchestrator.bulk.options import BulkOptions
from llm_orchestrator.bulk.output import progress
from llm_orchestrator.bulk.runner import Runner
from llm_orchestrator.bulk.sync import BulkRun
from llm_orchestrator.bulk.units import UnitMaker
from llm_orchestrator.cli import bulk_live
from llm_orchestrator.errors import BudgetError
from llm_orchestrator.simulator import Simulator
from tests.integration.bulk.test_runs import MODELS, TASK, posts
from tests.integration.bulk.test_savings import hours_fly
from tests.integration.bulk.world import World, sections

Start = Callable[..., BulkRun]


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """Ten hours pass in a second, unless a test wants it slower."""
    speed = getattr(request, "param", 36_000)
    with Simulator(seed=5, speed=speed).run_in_thread() as simulator:
        yield simulator


@pytest.fixture
def start(sim: Simulator, both: str, tmp_path: Path) -> Iterator[Start]:
    config = {
        "providers": sections(sim, MODELS),
        "store": {"url": both},
        "bulk": {"create_timeout": 2.0, "list_lag": 0.3, "lease": 2.0},
        "retry": {"max_retries": 0},
        "breaker": {"failures": 10_000},
    }
    with LLMOrchestrator(config) as orchestrator:

        def begin(rows: Any, **options: Any) -> BulkRun:
            given = {"task": TASK, "models": "gpt-4o-mini", "out": tmp_path / "out", **options}
            return orchestrator.bulk(rows, clock=sim.url, **given)

        yield begin


def test_a_part_is_asked_again_in_its_own_lane(start: Start, sim: Simulator) -> None:
    sim.add_fault(fault="server-error", provider="gemini", count=20)
    sim.add_fault(fault="item-errors", provider="anthropic", share=0.2, count=1)
    split = "claude=40:batch,gemini=30:online,openai=rest:batch"
    run = start(posts(120), models=",".join(MODELS.values()), split=split)
    assert run.wait() == "completed"
    report = run.report()
    assert report.retries >= 28
    modes = {name: one.done for name, one in report.by_mode.items()}
    assert modes == {"claude_batch": 40, "gemini": 30, "openai_batch": 50}


def test_only_the_last_round_asks_somebody_else(start: Start, sim: Simulator) -> None:
    sim.add_fault(fault="server-error", provider="gemini")
    run = start(posts(40), models=",".join(MODELS.values()), split="gemini=10:online,openai=rest")
    assert run.wait() == "completed"
    units = [one for one in run.report().units if one.provider == "gemini"]
    assert [(one.round, one.lane, one.failed) for one in units] == [
        (0, "online", 10),
        (1, "online", 10),
    ]
    (last,) = [one for one in run.report().units if one.round == 2]
    assert (last.provider, last.lane, last.done) == ("openai", "online", 10)


def test_what_was_asked_again_is_not_said_to_have_failed(
    start: Start, sim: Simulator, tmp_path: Path
) -> None:
    sim.add_fault(fault="item-errors", provider="openai", share=0.5, count=1)
    run = start(posts(30), lane="batch")
    assert run.wait() == "completed"
    report = run.report()
    one = report.by_mode["openai_batch"]
    assert (one.done, one.failed) == (30, 0)
    assert one.again == report.retries > 0
    assert one.items == one.done + one.again
    told = json.loads((tmp_path / "out/processing_summary.json").read_bytes())
    for costs in (told["total"], told["cost_by_mode"]["openai_batch"]):
        assert (costs["failed"], costs["asked_again"]) == (0, report.retries)
    (line,) = progress.lines(report, run.now)
    assert (line.items, line.done, line.failed) == (30, 30, 0)
    assert f"0 failed, {report.retries} asked again" in bulk_live.whole(report, run.now)[0]


def test_what_has_failed_for_good_counts_once(start: Start, sim: Simulator) -> None:
    sim.add_fault(fault="server-error", provider="gemini")
    run = start(posts(40), models=",".join(MODELS.values()), split="gemini=10:online,openai=rest")
    assert run.wait() == "completed"
    modes = {name: (one.done, one.failed, one.again) for name, one in run.report().by_mode.items()}
    # Ten were asked twice in vain, and answered by another model.
    assert modes.pop("gemini") == (0, 0, 20)
    assert sum(done for done, _, _ in modes.values()) == 40
    assert not any(failed for _, failed, _ in modes.values())
    run = start(posts(12), models="gemini-2.5-flash", lane="online", name="alone", out=None)
    assert run.wait() == "partial"
    report = run.report()
    one = report.by_mode["gemini"]
    assert (one.items, one.done, one.failed, one.again) == (36, 0, 12, 24)
    assert report.count("failed") == 12


def asked(sim: Simulator) -> int:
    """Items that were paid for."""
    return len(sim.ledger(items=True)["rows"])


def answered_by(run: BulkRun) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in run.results():
        found[row["provider"]] = found.get(row["provider"], 0) + 1
    return found


def test_what_a_model_has_answered_counts_when_all_are_asked(start: Start, sim: Simulator) -> None:
    run = start(posts(30), models="gpt-4o-mini,gemini-2.5-flash", split="openai=12,gemini=rest")
    assert run.wait() == "completed"
    assert (asked(sim), answered_by(run)) == (30, {"openai": 12, "gemini": 18})
    run = start(posts(30), models="gpt-4o-mini,gemini-2.5-flash", split="each")
    assert run.loaded is not None
    assert (run.loaded.kept, run.loaded.new) == (30, 30)
    assert run.wait() == "completed"
    assert (asked(sim), answered_by(run)) == (60, {"openai": 30, "gemini": 30})
    # One more model is asked alone.
    run = start(posts(30), models=",".join(MODELS.values()), split="each")
    assert run.wait() == "completed"
    assert asked(sim) == 90
    assert answered_by(run) == {"openai": 30, "gemini": 30, "claude": 30}
    # One answer for each row: the best that is there, and nothing is paid.
    run = start(posts(30), models=",".join(MODELS.values()))
    assert run.loaded is not None
    assert (run.loaded.kept, run.loaded.gone) == (30, 60)
    assert run.wait() == "completed"
    assert (asked(sim), answered_by(run)) == (90, {"claude": 30})
    # And all of them again.
    run = start(posts(30), models=",".join(MODELS.values()), split="each")
    assert run.wait() == "completed"
    assert asked(sim) == 90
    assert answered_by(run) == {"openai": 30, "gemini": 30, "claude": 30}


LONG = 20
"""Sentences of an answer of some 600 tokens."""


def task(name: str, sentences: int, **options: Any) -> dict[str, Any]:
    """One whose answers by their schema have so many sentences."""
    names = [f"summary{n}" for n in range(sentences)]
    schema = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        "required": names,
        "additionalProperties": False,
    }
    made = {key: value for key, value in TASK.items() if key != "options"}
    return {**made, "name": name, "schema": schema, "options": options}


@pytest.mark.parametrize("lane", ["batch", "online"])
def test_what_the_users_limit_cuts_is_not_asked_in_vain(
    start: Start, sim: Simulator, tmp_path: Path, lane: str
) -> None:
    run = start(posts(20), task=task("say", LONG, max_tokens=100), lane=lane)
    assert run.wait() == "partial"
    assert asked(sim) == 20
    lines = (tmp_path / "out/rejects.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == 20
    told = json.loads(lines[0])
    assert told["code"] == "failed"
    assert "the 100 tokens that the task or the row allows are too few" in told["reason"]
    assert run.report().retries == 0


@pytest.mark.parametrize("lane", ["batch", "online"])
def test_what_a_rows_own_limit_cuts_is_asked_once(start: Start, sim: Simulator, lane: str) -> None:
    rows = [
        {"id": f"r{n}", "messages": [{"role": "user", "content": f"Say {n}"}], "max_tokens": 90}
        for n in range(10)
    ]
    own = {"name": "say", "as_is": True, "schema": task("say", LONG)["schema"]}
    run = start(rows, task=own, lane=lane)
    assert run.wait() == "partial"
    assert asked(sim) == 10
    assert (run.report().count("failed"), run.report().retries) == (10, 0)


def test_what_the_cap_has_cut_is_asked_again_with_what_is_left(
    start: Start, sim: Simulator
) -> None:
    tasks = [task("long", LONG), *(task(f"short{n}", 1) for n in range(3))]
    run = start(posts(30), task=None, tasks=tasks, max_cost="0.024", lane="batch")
    assert run.wait() == "completed"
    units = {(one.task, one.round): one for one in run.report().units}
    first, again = units["long", 0], units["long", 1]
    assert first.max_tokens is not None
    assert (first.done, again.done) == (0, 30)
    assert first.max_tokens * 1.5 <= (again.max_tokens or 0)
    assert 0 < sim.batches()["cost_pico"] < 2.4 * 10**10


def test_what_the_cap_has_cut_is_not_asked_again_where_it_pays_for_no_more(
    start: Start, sim: Simulator, tmp_path: Path
) -> None:
    run = start(posts(30), task=task("long", LONG), max_cost="0.007", lane="batch")
    assert run.wait() == "partial"
    assert asked(sim) == 30
    text = (tmp_path / "out/rejects.jsonl").read_text("utf-8")
    assert text.count("the cap pays for no more") == 30
    # With a higher cap they are.
    assert start(posts(30), task=task("long", LONG), max_cost="1", lane="batch").wait() == "partial"
    assert asked(sim) == 30
    run = start(posts(30), task=task("long", LONG), max_cost="1", lane="batch")
    run.wait()
    assert run.retry() == 30
    assert run.wait() == "completed"


def test_what_our_default_has_cut_is_asked_again_with_more(start: Start) -> None:
    """Nobody knows how much this model writes, and its wire wants to be told."""
    run = start(posts(3), task=task("long", 8 * LONG), models="anthropic/sim-chat", lane="online")
    assert run.wait() == "completed"
    units = run.report().units
    assert [(one.round, one.max_tokens, one.done) for one in units] == [(0, None, 0), (1, 16384, 3)]


@pytest.mark.parametrize("sim", [600], indirect=True)
def test_a_slow_batch_keeps_nobody_waiting(start: Start, sim: Simulator) -> None:
    """It takes ten hours, which are a minute here; the others fail within minutes."""
    sim.set_batches(**{"queue": 1, "anthropic.item": 1200})
    sim.add_fault(fault="item-errors", provider="openai", share=0.2, count=2)
    models, split = "claude-haiku-4-5,gpt-4o-mini", "claude=30:batch,openai=rest:batch"
    run = start(posts(130), models=models, split=split, elsewhere=False)
    with hours_fly(sim, accepted=3):
        assert run.wait() == "completed"
    units = run.report().units
    (slow,) = [one for one in units if one.provider == "anthropic"]
    quick = [one for one in units if one.provider == "openai"]
    assert [(one.round, one.count, one.done) for one in quick] == [
        (0, 100, 80),
        (1, 20, 16),
        (2, 4, 4),
    ]
    assert slow.ended_at is not None
    assert quick[1].created_at < slow.ended_at
    assert run.report().total.cost_pico == sim.batches()["cost_pico"]


@pytest.mark.parametrize("sim", [60], indirect=True)
def test_failed_items_of_many_chunks_are_gathered(start: Start, sim: Simulator) -> None:
    """Ten chunks, of which each has some, become a few: no call of its own for each."""
    sim.add_fault(fault="server-error", provider="openai", rate=0.1)
    run = start(posts(600), lane="online", concurrency=4)
    assert run.wait() in {"completed", "partial"}
    again = [one for one in run.report().units if one.round]
    assert sum(one.count for one in again) > 30
    assert len(again) <= 4
    assert max(one.round for one in again) <= 2


async def test_what_is_planned_is_not_planned_again(sim: Simulator, tmp_path: Path) -> None:
    """What has not gone out yet holds nothing in the store, and is to be paid all the same."""
    world = World(sim, tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}")
    run = await world.run(count=12, cap_pico=10**12)
    unit, other = await world.units("openai", range(12), most=6)
    held = (unit.hold_pico or 0) + (other.hold_pico or 0)
    runner = Runner(world.runtime, world.store, folder=tmp_path, clock=world.clock)
    assert held > 0
    assert await Allocator(runner).left(run) == 10**12 - held
    assert await world.store.do(world.store.units.reserve, unit) == "yes"
    assert await Allocator(runner).left(run) == 10**12 - held
    await world.close()


def test_under_a_cap_rounds_take_no_money_of_batches_that_wait(
    sim: Simulator, both: str, tmp_path: Path
) -> None:
    """Twenty batches go out by the eight, and the cap just pays for all of them."""
    sim.set_batches(failures=0.2)
    config = {
        "providers": sections(sim, MODELS),
        "store": {"url": both},
        "bulk": {"create_timeout": 2.0, "list_lag": 0.3, "lease": 2.0, "unit_items": 20},
    }
    with LLMOrchestrator(config) as orchestrator:
        given: dict[str, Any] = {"task": TASK, "models": "gpt-4o-mini", "lane": "batch"}
        with pytest.raises(BudgetError) as caught:
            orchestrator.bulk(posts(400), max_cost="0.000001", clock=sim.url, **given)
        most = float(caught.value.message.split("up to ")[1].split(" USD")[0])
        run = orchestrator.bulk(posts(400), max_cost=f"{most * 1.01:.9f}", clock=sim.url, **given)
        run.wait()
        report = run.report()
    assert report.run.error is None
    assert report.retries > 0
    assert report.count("done") > 380  # some four fail three times, whichever
    assert sim.batches()["cost_pico"] <= most * 1.01 * 10**12


def test_rows_that_change_while_their_batch_is_out_are_answered_once(
    start: Start, sim: Simulator
) -> None:
    sim.world.clock.hasten(60)  # its batch takes minutes
    sim.set_batches(queue=36_000)
    run = start(posts(20))
    while not run.report().count("sent"):
        time.sleep(0.01)
    assert run.pause()
    assert run.wait() == "paused"
    changed = posts(20)
    changed[3]["text"] = "post 3 was bad"
    sim.world.clock.hasten(36_000)
    run = start(changed[:-1])
    assert run.wait() == "completed"
    assert sorted(row["video_id"] for row in run.results()) == sorted(f"v{n}" for n in range(19))
    assert run.report().count("done") == 19
    assert asked(sim) == 21
    # What was paid for comes back with its row.
    run = start(posts(20))
    assert run.wait() == "completed"
    assert len(list(run.results())) == 20
    assert asked(sim) == 21


@pytest.mark.parametrize("split", ["each", "claude=40:batch,openai=rest:batch"])
def test_a_cap_that_pays_for_all_is_shared_by_tasks_and_models(
    start: Start, sim: Simulator, split: str
) -> None:
    """Their answers may be of any length: all are cut alike, and not the first at will."""
    tasks = [{"name": name, "id": "video_id", "prompt": "Mood? {{ text }}"} for name in "ab"]
    given = {"task": None, "tasks": tasks, "models": "claude-haiku,gpt-4o-mini"}
    run = start(posts(120), max_cost="0.5", split=split, **given)
    assert run.wait() == "completed", run.report().run.error
    report = run.report()
    assert report.count("done") == 240 * (2 if split == "each" else 1)
    assert report.total.cost_pico == sim.batches()["cost_pico"] <= 5 * 10**11
    (cut,) = [one["why"] for one in report.decisions if one["kind"] == "limit"]
    assert "fits the cap of 0.5 USD" in cut


VECTORS = {"name": "vec", "id": "video_id", "input": "{{ text }}"}
TYPED = {
    "name": "typed",
    "id": "video_id",
    "prompt": "Mood? {{ text }}",
    "schema": {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]},
    "options": {"max_tokens": 60},
}


@pytest.mark.parametrize(
    "own,model", [(VECTORS, "text-embedding-3-small"), (TYPED, "gpt-4o-mini")], ids=["vec", "typed"]
)
def test_a_cap_of_the_upper_bound_is_enough_in_real_time(
    sim: Simulator, tmp_path: Path, own: dict[str, Any], model: str
) -> None:
    config = {
        "providers": sections(sim, MODELS),
        "store": {"url": f"sqlite:///{tmp_path / 'ledger.db'}"},
    }
    given: dict[str, Any] = {"task": own, "models": model}
    with LLMOrchestrator(config) as orchestrator:
        lines = orchestrator.estimate_bulk(posts(1), **given).estimate.lines
        (most,) = [line.high for line in lines if line.lane == "online"]
        run = orchestrator.bulk(posts(1), max_cost=most, lane="online", clock=sim.url, **given)
        assert run.wait() == "completed", run.report().run.error


async def test_money_that_a_batch_holds_is_waited_for(sim: Simulator, tmp_path: Path) -> None:
    """A call in real time that does not fit beside it does so when the batch has ended."""
    world = World(sim, tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}", names=MODELS)
    runner = Runner(world.runtime, world.store, folder=tmp_path, clock=world.clock)
    split = "openai=rest:batch,gemini=5:online"
    given: BulkOptions = {"task": TASK, "models": list(MODELS.values())}
    given |= {"split": split, "max_cost": 1.0}
    row, _ = await intake.place(runner, run_request(posts(65), given))
    maker = UnitMaker(world.store, row.run_id, folder=tmp_path, now=runner.micros())
    allocator = Allocator(runner)
    for order in allocator.assignments(row, await allocator.allocate(row)):
        await asyncio.to_thread(maker.make, order)
    do, store = world.store.do, world.store
    (batch,) = [one for one in await do(store.units.of_run, row.run_id) if one.lane == "batch"]
    await do(store.runs.change, row.run_id, cap_pico=(batch.hold_pico or 0) + 1)
    assert (await runner.drive(row.run_id)).state == "completed"
    assert await do(store.units.committed, row.run_id) <= (batch.hold_pico or 0) + 1
    await world.close()
