"""What ``llmo bulk`` prints, and where to: results on standard output, warnings beside it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from llm_orchestrator.simulator import Simulator
from tests.integration.bulk.world import sections
from tests.waiting import until

TASK = """
name: sentiment
id: video_id
prompt: "Judge the sentiment of: {{ text }}"
options: {max_tokens: 200}
"""
RUN = ("posts.csv", "--task", "task.yaml", "--models", "gpt-4o-mini")
pytestmark = pytest.mark.timeout(300)  # each starts several processes


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(seed=5, speed=36_000).run_in_thread() as simulator:
        yield simulator


@pytest.fixture
def folder(sim: Simulator, tmp_path: Path) -> Path:
    config = {
        "providers": sections(sim, ("openai",)),
        "store": {"url": f"sqlite:///{tmp_path / 'ledger.db'}"},
    }
    (tmp_path / "llmo.yaml").write_bytes(msgspec.yaml.encode(config))
    (tmp_path / "task.yaml").write_text(TASK, "utf-8")
    lines = ["video_id,text", *(f"v{n},post {n} is good" for n in range(120))]
    (tmp_path / "posts.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return tmp_path


def begun(folder: Path, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [Path(sys.executable).with_name("llmo"), "bulk", *words],
        cwd=folder,
        env={**os.environ, "LLMO_HOME": str(folder / "home")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def bulk(folder: Path, *words: str) -> tuple[int, str, str]:
    process = begun(folder, *words)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_all_of_an_estimate_is_a_result(folder: Path) -> None:
    code, out, err = bulk(folder, "estimate", *RUN, "--max-cost", "1")
    assert (code, err) == (0, "")
    assert "120 rows; by all of them" in out
    first, second = out.split("a run would ask\n")[1].splitlines()[:2]
    assert first.startswith("  120 of sentiment of openai/gpt-4o-mini, batch (")
    assert "in a batch, against" in second


def test_what_nobody_knows_is_not_told_as_nothing(folder: Path, sim: Simulator) -> None:
    sim.add_fault(fault="unmetered-results", share=0.1)
    code, out, err = bulk(folder, "run", *RUN, "--lane", "batch", "--clock", sim.url)
    assert code == 0, err
    assert "completed: 120 of 120 answers, $0 and at most $0.0" in out.splitlines()[0]
    assert out.splitlines()[0].endswith(" more")


def test_a_run_of_another_clock_says_so(folder: Path, sim: Simulator) -> None:
    """Without it, it would wait for hours in silence."""
    sim.advance(36_000)
    code, _, err = bulk(folder, "run", *RUN, "--name", "later", "--clock", sim.url)
    assert code == 0, err
    assert "--clock" not in err
    code, _, err = bulk(folder, "resume", "later")
    assert code == 0, err
    assert "at a time that has not come yet" in err
    assert "go on with it with the same --clock" in err


def test_a_refused_key_is_told_at_once(folder: Path, sim: Simulator) -> None:
    """Even where others answer all rows in the end."""
    config = msgspec.yaml.decode((folder / "llmo.yaml").read_bytes())
    config["providers"]["openai"]["api_key"] = "bad-key"
    (folder / "llmo.yaml").write_bytes(msgspec.yaml.encode(config))
    code, _, err = bulk(folder, "run", *RUN, "--lane", "batch", "--clock", sim.url)
    assert code == 4
    assert "openai refuses a batch of 120 rows: openai/gpt-4o-mini: Incorrect API key" in err


async def test_a_run_whose_input_was_not_read_says_what_to_do(folder: Path, sim: Simulator) -> None:
    words = ("-", *RUN[1:], "--format", "jsonl", "--name", "cut", "--clock", sim.url)
    with begun(folder, "run", *words) as process:
        await until(lambda: '"loading"' in bulk(folder, "status", "cut", "--json")[1])
        process.kill()
    code, out, err = bulk(folder, "resume", "cut", "--clock", sim.url)
    assert code == 4
    assert "loading: 0 of 0 answers" in out
    assert "the same `llmo bulk run` goes on" in err


def test_a_merge_names_the_line_that_it_cannot_read(folder: Path) -> None:
    place = folder / "theirs/ai_results_openai/mood_analysis.jsonl"
    place.parent.mkdir(parents=True)
    place.write_text('{"id": 1, "result": "good"}\n\n{"id": 2,\n', "utf-8")
    code, _, err = bulk(folder, "merge", "theirs")
    assert code == 2
    assert "mood_analysis.jsonl, line 3: " in err
    assert err.strip().endswith("; mend or remove it")


def test_two_commands_at_once_both_tell_how_it_ended(folder: Path, sim: Simulator) -> None:
    """One of them has begun it anew by the time at which the other one looks."""
    words = ("run", *RUN, "--out", "out", "--lane", "batch", "--clock", sim.url)
    for process in [begun(folder, *words) for _ in range(3)]:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert "completed: 120 of 120 answers" in out
    assert sim.paid_twice()["items"] == 0
