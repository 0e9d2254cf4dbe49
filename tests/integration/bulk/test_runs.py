"""Whole runs, from a file of rows to files of results."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import LLMOrchestrator
from llm_orchestrator.bulk.face import BulkRun
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
