"""Whole runs, from a file of rows to files of results."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import LLMOrchestrator
from llm_orchestrator.bulk.sync import BulkRun
from llm_orchestrator.errors import BudgetError, InvalidRequestError
from llm_orchestrator.simulator import Simulator
from tests.integration.bulk.world import sections

Start = Callable[..., BulkRun]
TASK = {
    "name": "sentiment",
    "id": "video_id",
    "prompt": "Judge the sentiment of: {{ text }}",
    "options": {"max_tokens": 200},
}
MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5", "gemini": "gemini-2.5-flash"}


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(seed=5, speed=36_000).run_in_thread() as simulator:
        yield simulator


@pytest.fixture
def config(sim: Simulator, both: str) -> dict[str, Any]:
    return {
        "providers": sections(sim, MODELS),
        "store": {"url": both},
        "bulk": {"create_timeout": 2.0, "list_lag": 0.3, "lease": 2.0},
    }


@pytest.fixture
def start(sim: Simulator, config: dict[str, Any], tmp_path: Path) -> Iterator[Start]:
    with LLMOrchestrator(config) as orchestrator:

        def begin(rows: Any, **options: Any) -> BulkRun:
            given = {"task": TASK, "models": "gpt-4o-mini", "out": tmp_path / "out", **options}
            return orchestrator.bulk(rows, clock=sim.url, **given)

        yield begin


def posts(count: int, first: int = 0) -> list[dict[str, str]]:
    return [{"video_id": f"v{n}", "text": f"post {n} is good"} for n in range(first, count)]


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def ids(path: Path) -> list[str]:
    return [row["video_id"] for row in read(path)]


def test_who_wants_to_know_is_told_at_the_end(
    sim: Simulator, config: dict[str, Any], tmp_path: Path
) -> None:
    told = tmp_path / "told.json"
    config["bulk"]["callbacks"] = [f"command:tee -a {told}"]
    with LLMOrchestrator(config) as orchestrator:
        run = orchestrator.bulk(posts(12), task=TASK, models="gpt-4o-mini", clock=sim.url)
        assert run.wait() == "completed"
    lines = told.read_text("utf-8").splitlines()
    assert len(lines) == 1
    assert run.run_id in lines[0]


def test_rows_become_files(start: Start, sim: Simulator, tmp_path: Path) -> None:
    run = start(posts(120))
    assert run.wait() == "completed"
    out = tmp_path / "out"
    found = read(out / "ai_results_openai/sentiment_analysis.json")
    assert [row["video_id"] for row in found] == [f"v{n}" for n in range(120)]
    assert all(row["result"] and row["provider"] == "openai" for row in found)
    lines = (out / "ai_results_openai/sentiment_analysis.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == found
    checkpoint = read(out / "ai_results_openai/checkpoint.json")
    assert checkpoint["provider"] == "openai"
    assert checkpoint["analysis_type"] == "sentiment"
    assert checkpoint["count"] == len(checkpoint["completed_ids"]) == 120
    assert checkpoint["timestamp"]
    assert ids(out / "consolidated/all_analysis.json") == ids(
        out / "ai_results_openai/sentiment_analysis.json"
    )
    report = run.report()
    assert report.total.cost_pico == sim.batches()["cost_pico"] > 0
    assert report.total.realtime_pico == 2 * report.total.cost_pico
    assert not list(out.rglob("*.part"))


def test_the_same_again_asks_only_what_is_new(start: Start, sim: Simulator, tmp_path: Path) -> None:
    assert start(posts(120)).wait() == "completed"
    paid = sim.batches()["cost_pico"]
    assert start(posts(120)).wait() == "completed"
    assert sim.batches()["cost_pico"] == paid
    changed = posts(120)
    changed[3]["text"] = "post 3 was bad"
    del changed[9]
    run = start(changed)
    assert run.loaded is not None
    assert (run.loaded.new, run.loaded.kept, run.loaded.gone) == (1, 118, 2)
    assert run.wait() == "completed"
    found = ids(tmp_path / "out/consolidated/all_analysis.json")
    assert sorted(found) == sorted(row["video_id"] for row in changed)

    assert sim.batches()["cost_pico"] > paid


def test_the_online_lane_answers_the_same(start: Start, tmp_path: Path) -> None:
    run = start(posts(120), lane="online")
    assert run.wait() == "completed"
    assert len(ids(tmp_path / "out/consolidated/all_analysis.json")) == 120
    assert list(run.report().by_mode) == ["openai"]
    assert len(list(run.results())) == 120


def test_a_split_is_kept_over_two_starts(start: Start, tmp_path: Path) -> None:
    split = "claude=40:batch,gemini=30:online,openai=rest:batch"
    given = {"models": ",".join(MODELS.values()), "split": split}
    run = start(posts(120), **given)
    assert run.wait() == "completed"
    modes = {name: one.done for name, one in run.report().by_mode.items()}
    assert modes == {"claude_batch": 40, "gemini": 30, "openai_batch": 50}
    found = read(tmp_path / "out/consolidated/all_analysis.json")
    assert {row["provider"] for row in found} == {"claude", "gemini", "openai"}
    again = start(posts(140), **given)
    assert again.wait() == "completed"
    modes = {name: one.done for name, one in again.report().by_mode.items()}
    assert modes == {"claude_batch": 40, "gemini": 30, "openai_batch": 70}


def test_each_row_of_everybody_is_merged_by_quality(start: Start, tmp_path: Path) -> None:
    given = {"models": ",".join(MODELS.values()), "split": "each", "lane": "online"}
    run = start(posts(110), **given)
    assert run.wait() == "completed"
    found = read(tmp_path / "out/consolidated/all_analysis.json")
    assert len(found) == 110
    assert {row["provider"] for row in found} == {"claude"}
    for name in ("claude", "openai", "gemini"):
        assert len(ids(tmp_path / f"out/ai_results_{name}/sentiment_analysis.json")) == 110
    told = read(tmp_path / "out/processing_summary.json")
    assert told["agreement"]["items"] == 110
    assert len(told["agreement"]["pairs"]) == 3


def test_a_cap_that_does_not_pay_for_all_is_said_before_anything_is_sent(
    start: Start, sim: Simulator
) -> None:
    with pytest.raises(BudgetError, match="it pays for about"):
        start(posts(120), max_cost="0.001")
    assert sim.batches()["cost_pico"] == 0


def test_under_a_cap_answers_are_cut_and_the_bill_stays_below(start: Start, sim: Simulator) -> None:
    task = {key: value for key, value in TASK.items() if key != "options"}
    run = start(posts(120), task=task, max_cost="0.05")
    assert run.wait() == "completed"
    assert any("cut" in one["why"] for one in run.report().as_dict()["decisions"])
    assert 0 < sim.batches()["cost_pico"] < 5 * 10**10


def test_failed_items_alone_are_asked_again(start: Start, sim: Simulator, tmp_path: Path) -> None:
    sim.set_batches(failures=0.3)
    run = start(posts(200))
    state = run.wait()
    report = run.report()
    assert report.retries > 0
    failed = report.count("failed")
    assert state == ("partial" if failed else "completed")
    assert report.count("done") + failed == 200
    lines = (tmp_path / "out/rejects.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == failed
    assert report.total.cost_pico == sim.batches()["cost_pico"]


def test_bad_rows_are_named_and_the_rest_is_asked(start: Start, tmp_path: Path) -> None:
    rows: list[Any] = posts(110)
    rows += [{"video_id": "v1", "text": "twice"}, {"text": "no id"}, {"video_id": "v900"}, 7]
    run = start(rows)
    assert run.wait() == "partial"
    lines = (tmp_path / "out/rejects.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["code"] for line in lines] == ["duplicate", "id", "column", "broken"]
    assert len(ids(tmp_path / "out/consolidated/all_analysis.json")) == 110


def test_an_input_without_rows_is_refused(start: Start) -> None:
    with pytest.raises(InvalidRequestError, match="no rows"):
        start([])


@contextmanager
def an_hour_a_look(sim: Simulator) -> Iterator[None]:
    """An hour passes each time that a batch is looked at, however long the machine takes."""
    over = threading.Event()

    def pass_by() -> None:
        seen = 0
        while not over.wait(0.05):
            looks = sum(str(entry["wire"]).endswith("batches.poll") for entry in sim.log())
            if looks > seen:
                seen = looks
                sim.advance(3600)

    thread = threading.Thread(target=pass_by)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_batch_that_will_miss_the_deadline_is_given_up(
    config: dict[str, Any], tmp_path: Path
) -> None:
    # So slow that what the machine takes for itself is little of the ten hours.
    with Simulator(seed=5, speed=60).run_in_thread() as sim, an_hour_a_look(sim):
        sim.set_batches(queue=0, item=600)
        config["providers"] = sections(sim, MODELS)
        with LLMOrchestrator(config) as orchestrator:
            run = orchestrator.bulk(
                posts(120),
                task=TASK,
                models="gpt-4o-mini",
                out=tmp_path / "out",
                deadline="10h",
                clock=sim.url,
            )
            assert run.wait() == "completed"
            report = run.report()
    assert 0 < report.by_mode["openai_batch"].done < 120
    assert report.by_mode["openai_batch"].done + report.by_mode["openai"].done == 120
    assert "cancel" in [one["kind"] for one in report.as_dict()["decisions"]]
    assert len(ids(tmp_path / "out/consolidated/all_analysis.json")) == 120


def test_a_deadline_that_has_passed_is_said_to_have_passed(start: Start) -> None:
    run = start(posts(4), deadline="1s")  # less than it takes to read the input, at this speed
    assert run.wait() == "completed"
    told = [one["why"] for one in run.report().decisions if "deadline" in one["why"]]
    assert told[0].startswith("the deadline has passed before all was done: by what is known it")
    assert not any("the deadline is in" in why for why in told)


def test_items_of_an_expired_batch_are_asked_again(start: Start, sim: Simulator) -> None:
    sim.set_batches(queue=0, item=10, window=300)
    run = start(posts(120))
    assert run.wait() in {"completed", "partial"}
    report = run.report()
    assert report.retries > 0
    assert report.total.cost_pico == sim.batches()["cost_pico"]


def test_a_run_goes_on_after_a_pause(start: Start, sim: Simulator) -> None:
    sim.world.clock.hasten(60)  # its batch takes minutes
    sim.set_batches(queue=36_000)
    run = start(posts(120))
    assert run.pause()
    assert run.wait() == "paused"
    assert run.report().count("done") < 120
    sim.world.clock.hasten(36_000)
    run.resume()
    assert run.wait() == "completed"


def test_what_a_cancelled_run_has_is_kept(start: Start, sim: Simulator, tmp_path: Path) -> None:
    sim.world.clock.hasten(60)  # its batch takes minutes
    sim.set_batches(queue=36_000)
    run = start(posts(120))
    assert run.cancel()
    assert run.wait() == "cancelled"
    report = run.report()
    assert report.count("sent") == 0
    assert (tmp_path / "out/processing_summary.json").is_file()
    assert report.total.cost_pico == sim.batches()["cost_pico"]


def test_failed_items_can_be_asked_once_more(start: Start, sim: Simulator) -> None:
    sim.set_batches(failures=1.0)
    run = start(posts(110), retries=0)
    assert run.wait() == "partial"
    sim.set_batches(failures=0.0)
    assert run.retry() == 110
    assert run.wait() == "completed"


def test_a_cap_ends_a_run_with_what_it_has(start: Start, sim: Simulator, tmp_path: Path) -> None:
    assert start(posts(110)).wait() == "completed"
    paid = sim.batches()["cost_pico"]
    run = start(posts(220), max_cost="0.001")
    assert run.wait() == "partial"
    report = run.report()
    assert (report.run.error or "").startswith("BudgetError")
    assert (report.count("done"), report.count("waiting")) == (110, 110)
    assert sim.batches()["cost_pico"] == paid
    assert len(ids(tmp_path / "out/consolidated/all_analysis.json")) == 110
    assert start(posts(220), max_cost="5").wait() == "completed"


def schema(**mood: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"mood": {"type": "string", **mood}},
        "required": ["mood"],
        "additionalProperties": False,
    }


def test_answers_by_a_schema_are_columns(start: Start, tmp_path: Path) -> None:
    run = start(posts(30), task={**TASK, "schema": schema()})
    assert run.wait() == "completed"
    found = read(tmp_path / "out/consolidated/all_analysis.json")
    assert all(isinstance(row["mood"], str) for row in found)


def test_an_answer_that_breaks_the_schema_is_repaired_once(
    start: Start, sim: Simulator, tmp_path: Path
) -> None:
    task = {**TASK, "schema": schema(minLength=5000)}
    run = start(posts(20), task=task, lane="online", retries=0)
    assert run.wait() == "partial"
    assert len(sim.ledger()["rows"]) == 2 * 20
    lines = (tmp_path / "out/rejects.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == 20
    assert "OutputError" in lines[0]
    total = run.report().total
    assert total.cost_pico == sim.ledger()["total"]["cost_pico"]
