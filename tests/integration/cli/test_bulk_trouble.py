"""`llmo bulk` where something is wrong, and what it says when it is done."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator.simulator import Simulator
from tests.integration.cli.conftest import Run, error_of

TASK = """\
name: mood
id: post_id
prompt: "The mood of: {{ text }}"
models: [gpt-4o-mini]
options: {max_tokens: 50}
"""
POSTS = "post_id,text\np1,It is good\np2,It is bad\n"


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator(seed=5, speed=36_000).run_in_thread() as simulator:
        yield simulator


@pytest.fixture
def config(sim: Simulator, tmp_path: Path) -> Path:
    path = tmp_path / "llmo.yaml"
    path.write_text(
        f"""\
providers:
  openai: {{base_url: "{sim.openai_url}", api_key: sk-openai}}
store: {{url: "sqlite:///{tmp_path / "ledger.db"}"}}
bulk: {{create_timeout: 2.0, list_lag: 0.3, lease: 2.0}}
"""
    )
    (tmp_path / "mood.yaml").write_text(TASK)
    (tmp_path / "posts.csv").write_text(POSTS)
    return path


def words(sim: Simulator, *more: str, file: str = "posts.csv") -> tuple[str, ...]:
    return ("bulk", "run", file, "--task", "mood.yaml", "--clock", sim.url, *more)


@pytest.mark.parametrize(
    "text,told",
    [
        ("post_id,text\n", "posts.csv has no rows"),
        ("post_id,body\np1,x\np2,y\n", "none of its 2 rows can be asked; line 2: prompt: there is"),
        ("name,text\np1,x\n", "its only row cannot be asked; line 2: id: there is no column"),
    ],
)
def test_a_file_of_which_nothing_can_be_asked_says_why(
    llmo: Run, config: Path, sim: Simulator, tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "posts.csv").write_text(text)
    assert told in error_of(llmo(*words(sim)), 2)


def test_rejected_rows_are_counted_and_the_first_is_named(
    llmo: Run, config: Path, sim: Simulator, tmp_path: Path
) -> None:
    (tmp_path / "posts.csv").write_text(POSTS + "p1,again\n,nobody\n")
    done = llmo(*words(sim, "--out", "out"))
    assert done.returncode == 4
    assert "partial: 2 of 2 answers, 2 rejected, $" in done.stdout
    assert "line 4: the id 'p1' was there before (the first of them)" in done.stderr
    rejects = (tmp_path / "out/rejects.jsonl").read_text().splitlines()
    assert [json.loads(line)["row"]["post_id"] for line in rejects] == ["p1", ""]
    assert [json.loads(line)["line"] for line in rejects] == [4, 5]


def test_a_run_says_why_items_failed_and_what_they_cost(
    llmo: Run, config: Path, sim: Simulator, tmp_path: Path
) -> None:
    done = llmo(*words(sim, "--models", "gpt-4o-mini+fault=content-filter", "--name", "failed"))
    assert done.returncode == 4, done.stderr
    assert "2 failed, such as: " in done.stderr
    assert "`llmo bulk retry failed` asks again" in done.stderr
    told = llmo("bulk", "report", "failed")
    assert "2 failed, such as: " in told.stderr
    written = llmo("bulk", "results", "failed", "--out", "out")
    assert written.returncode == 0, written.stderr
    lines = (tmp_path / "out/rejects.jsonl").read_text().splitlines()
    rejects = [json.loads(line) for line in lines]
    assert [(one["id"], one["task"]) for one in rejects] == [("p1", "mood"), ("p2", "mood")]
    assert all("line" not in one and "ContentFilterError" in one["reason"] for one in rejects)
    facts = json.loads(llmo("bulk", "report", "failed", "--json").stdout)
    assert len(facts["failures"]) == 1
    (row,) = facts["estimate_vs_actual"]
    assert row["actual_usd"] == facts["total"]["cost_usd"]


def test_what_was_asked_again_is_told_apart(llmo: Run, config: Path, sim: Simulator) -> None:
    sim.add_fault(fault="item-errors", provider="openai", share=1.0, count=1)
    done = llmo(*words(sim, "--lane", "batch", "--name", "again"))
    assert done.returncode == 0, done.stderr
    told = "  openai_batch: 2 done, 0 failed, 2 asked again, $"
    assert told in done.stdout
    assert told in llmo("bulk", "report", "again").stdout


def test_every_verb_has_json(llmo: Run, config: Path, sim: Simulator) -> None:
    def said(*arguments: str) -> Any:
        done = llmo("bulk", *arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert llmo(*words(sim, "--name", "one")).returncode == 0
    assert said("watch", "one")["done"] == 2
    assert [row["post_id"] for row in said("results", "one")] == ["p1", "p2"]
    paused = said("pause", "one")
    assert (paused["paused"], paused["state"]) == (False, "completed")
    assert said("cancel", "one")["state"] == "completed"
    done = llmo("bulk", "pause", "one")
    assert done.stdout.endswith("does not run: it is completed\n")


def test_what_can_be_done_next_is_told(llmo: Run, config: Path, sim: Simulator) -> None:
    done = llmo(*words(sim, "--name", "two"))
    assert "`llmo bulk results two` prints the answers." in done.stderr
    told = llmo("bulk", "report", "two").stdout
    assert "2 of mood of openai/gpt-4o-mini, batch: " in told


def test_a_folder_that_is_none_costs_nothing(
    llmo: Run, config: Path, sim: Simulator, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    paid = sim.ledger()["total"]["cost_pico"]
    assert "file is no folder" in error_of(llmo(*words(sim, "--out", "file")), 2)
    assert sim.ledger()["total"]["cost_pico"] == paid
