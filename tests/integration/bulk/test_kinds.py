"""Films, vectors and rows that are requests, from a row to its answer, in both lanes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import LLMOrchestrator
from llm_orchestrator.errors import UnsupportedError
from llm_orchestrator.simulator import Simulator
from tests.integration.bulk.world import sections

Ask = Callable[..., list[dict[str, Any]]]
LANES = ("batch", "online")


@pytest.fixture
def ask(tmp_path: Path, store_url: str) -> Iterator[Ask]:
    """The results of a run over these rows."""
    with Simulator(seed=5, speed=36_000).run_in_thread() as sim:
        config = {"providers": sections(sim, ["openai", "gemini"]), "store": {"url": store_url}}
        with LLMOrchestrator(config) as orchestrator:

            def run(rows: list[dict[str, Any]], task: Any, **options: Any) -> list[dict[str, Any]]:
                out = tmp_path / "out"
                made = orchestrator.bulk(rows, task=task, out=out, clock=sim.url, **options)
                assert made.wait() == "completed"
                return sorted(made.results(), key=str)

            yield run


@pytest.mark.parametrize("lane", LANES)
def test_films(ask: Ask, lane: str) -> None:
    rows = [{"video_url": f"https://cdn.example/{n}.mp4"} for n in range(3)]
    found = ask(rows, "video_analysis", lane=lane)
    assert [row["video_url"] for row in found] == [row["video_url"] for row in rows]
    assert {row["provider"] for row in found} == {"gemini"}
    assert all(row["result"] for row in found)


def test_films_that_nobody_takes(ask: Ask) -> None:
    rows = [{"video_url": "https://cdn.example/1.mp4"}]
    with pytest.raises(UnsupportedError, match="Gemini's models only"):
        ask(rows, "video_analysis", models="openai")


@pytest.mark.parametrize("lane", LANES)
def test_vectors(ask: Ask, lane: str) -> None:
    task = {"name": "v", "input": "{{ text }}", "dimensions": 8, "model": "text-embedding-3-small"}
    rows = [{"id": n, "text": f"lighthouse {n}"} for n in range(3)]
    found = ask(rows, task, lane=lane)
    assert [len(row["vector"]) for row in found] == [8, 8, 8]
    assert len({tuple(row["vector"]) for row in found}) == 3


@pytest.mark.parametrize("lane", LANES)
def test_rows_that_are_requests(ask: Ask, lane: str) -> None:
    turns = [{"role": "user", "content": "Say hello."}]
    body = {"model": "gpt-4o", "messages": turns, "max_tokens": 30}
    rows = [
        {"custom_id": f"line {n}", "method": "POST", "url": "/v1/chat/completions", "body": body}
        for n in range(3)
    ]
    task = {"as_is": True, "id": "custom_id", "name": "lines", "model": "gpt-4o-mini"}
    found = ask(rows, task, lane=lane)
    assert [row["custom_id"] for row in found] == ["line 0", "line 1", "line 2"]
    assert {row["model"] for row in found} == {"gpt-4o-mini"}
