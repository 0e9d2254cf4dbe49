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


def bulk(folder: Path, *words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [Path(sys.executable).with_name("llmo"), "bulk", *words],
        cwd=folder,
        env={**os.environ, "LLMO_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


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
