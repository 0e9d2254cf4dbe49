"""`llmo bulk estimate`, and how estimates meet what runs cost."""

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator, LLMOrchestrator
from llm_orchestrator.errors import BudgetError, InvalidRequestError
from tests.integration.cli.conftest import Run

TASK = """\
name: sentiment
id: video_id
prompt: "What is the sentiment of: {{ text }}"
options: {max_tokens: 60}
schema: {type: object, properties: {label: {type: string}}, required: [label]}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A file of 150 posts, of which some are no good, and a task."""
    with (tmp_path / "posts.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["video_id", "text"])
        writer.writerows([f"v{n}", f"post {n} is good"] for n in range(150))
        writer.writerow(["v1", "there already"])
        writer.writerow(["one cell"])
    (tmp_path / "task.yaml").write_text(TASK)
    return tmp_path


def facts(llmo: Run, *arguments: str, **options: Any) -> dict[str, Any]:
    done = llmo("bulk", "estimate", *arguments, "--json", **options)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout, parse_float=Decimal)
    return found


def test_a_table_for_people(llmo: Run, config: Path, files: Path) -> None:
    done = llmo("bulk", "estimate", "posts.csv", "--task", "task.yaml", "--models", "gpt-4o-mini")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "sentiment: 150 items"
    assert lines[2].split()[:2] == ["openai/gpt-4o-mini", "batch"]
    assert "150 rows, and 2 that cannot be used; by all of them" in done.stdout
    assert "150 of sentiment of openai/gpt-4o-mini, batch" in done.stdout


def test_figures_for_programs(llmo: Run, config: Path, files: Path) -> None:
    found = facts(
        llmo,
        "posts.csv",
        "--task",
        "task.yaml",
        "--models",
        "gpt-4o-mini,claude",
        "--split",
        "share",
    )
    assert (found["rows"], found["broken"]) == (150, 2)
    assert {(one["provider"], one["mode"]) for one in found["lines"]} == {
        ("openai", "batch"),
        ("openai", "online"),
        ("anthropic", "batch"),
        ("anthropic", "online"),
    }
    for one in found["lines"]:
        cost = one["cost_usd"]
        assert 0 < cost["low"] <= cost["expected"] <= cost["high"]
        assert one["output_tokens"]["high"] == 150 * 60
    assert [one["items"] for one in found["plan"]["shares"]] == [75, 75]


def test_standard_input(llmo: Run, config: Path, files: Path) -> None:
    rows = "".join(json.dumps({"video_id": n, "text": "hi"}) + "\n" for n in range(120))
    found = facts(llmo, "-", "--task", "task.yaml", "--models", "gpt-4o-mini", input=rows)
    assert found["rows"] == 120


@pytest.mark.parametrize(
    "arguments,code,what",
    [
        (["nothing.csv", "--task", "task.yaml"], 2, "cannot read nothing.csv"),
        (["posts.csv", "--task", "nothing.yaml"], 2, "there is no task file nothing.yaml"),
        (["posts.csv", "--task", "task.yaml", "--max-cost", "0.000001"], 3, "could cost up to"),
        (["posts.csv", "--task", "task.yaml", "--deadline", "soon"], 2, "write 30m, 24h or 2d"),
        (["posts.csv", "--task", "task.yaml", "--split", "x"], 2, "is not name=rows"),
        (["task.yaml", "--task", "task.yaml", "--format", "json"], 2, "has no rows"),
    ],
)
def test_mistakes(
    llmo: Run, config: Path, files: Path, arguments: list[str], code: int, what: str
) -> None:
    done = llmo("bulk", "estimate", *arguments, "--models", "gpt-4o-mini")
    assert done.returncode == code, done.stderr
    assert what in done.stderr


def test_the_library_does_the_same(config: Path, files: Path) -> None:
    rows = [{"video_id": n, "text": f"post {n}"} for n in range(120)]
    with LLMOrchestrator(config) as orchestrator:
        found = orchestrator.estimate_bulk(
            iter(rows), task=files / "task.yaml", models="gpt-4o-mini", deadline="1h", max_cost=5
        )
        with pytest.raises(BudgetError):
            orchestrator.estimate_bulk(rows, task=files / "task.yaml", max_cost="0.000001")
        with pytest.raises(InvalidRequestError, match="the input has no rows"):
            orchestrator.estimate_bulk([], task=files / "task.yaml")
    assert found.estimate.exact
    assert found.plan.shares[0].items == 120
    assert found.plan.high is not None
    assert found.plan.high <= 5


async def test_in_a_program_that_awaits(config: Path, files: Path) -> None:
    async with AsyncLLMOrchestrator(config) as orchestrator:
        found = await orchestrator.estimate_bulk(files / "posts.csv", task=files / "task.yaml")
    assert found.estimate.rows == 150
