"""``llmo bulk`` as a process: what it prints, its exit codes, and what is left when it dies."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.connect import connect
from llm_orchestrator.store.treasury import Treasury
from llm_orchestrator.store.urls import parse_url
from tests.integration.bulk.world import sections
from tests.waiting import until

TASK = """
name: sentiment
id: video_id
prompt: "Judge the sentiment of: {{ text }}"
options: {max_tokens: 200}
"""
Command = Callable[..., subprocess.Popen[str]]
pytestmark = pytest.mark.timeout(300)  # each starts several processes


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(seed=5, speed=36_000).run_in_thread() as simulator:
        yield simulator


@pytest.fixture
def command(sim: Simulator, both: str, tmp_path: Path) -> Iterator[Command]:
    """Begins ``llmo bulk ...`` in a folder with a configuration, a task and rows."""
    config = {
        "providers": sections(sim, ("openai", "anthropic")),
        "store": {"url": both},
        "bulk": {"create_timeout": 2.0, "list_lag": 0.3, "lease": 2.0},
    }
    (tmp_path / "llmo.yaml").write_bytes(msgspec.yaml.encode(config))
    (tmp_path / "task.yaml").write_text(TASK, "utf-8")
    rows(tmp_path, 120)
    begun: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> subprocess.Popen[str]:
        env = {**os.environ, "LLMO_HOME": str(tmp_path / "home")}
        begun.append(
            subprocess.Popen(
                [Path(sys.executable).with_name("llmo"), "bulk", *words],
                cwd=tmp_path,
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def rows(folder: Path, count: int) -> None:
    lines = ["video_id,text", *(f"v{n},post {n} is good" for n in range(count))]
    (folder / "posts.csv").write_text("\n".join(lines) + "\n", "utf-8")


def hold(sim: Simulator) -> None:
    """Let batches take minutes, until `release`."""
    sim.world.clock.hasten(60)
    sim.set_batches(queue=36_000)


def release(sim: Simulator) -> None:
    sim.world.clock.hasten(36_000)


def words(sim: Simulator, *more: str) -> tuple[str, ...]:
    given = ("run", "posts.csv", "--task", "task.yaml", "--models", "gpt-4o-mini")
    return (*given, "--out", "out", "--clock", sim.url, *more)


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def answers(folder: Path) -> list[str]:
    found: list[dict[str, Any]] = json.loads(
        (folder / "out/consolidated/all_analysis.json").read_text("utf-8")
    )
    return [row["video_id"] for row in found]


def test_run_tells_what_came_of_it(command: Command, sim: Simulator, tmp_path: Path) -> None:
    code, out, err = finished(command(*words(sim)))
    assert code == 0, err
    assert "completed: 120 of 120 answers" in out
    assert answers(tmp_path) == [f"v{n}" for n in range(120)]
    code, out, _ = finished(command("report", "out", "--json"))
    assert code == 0
    total = json.loads(out, parse_float=Decimal)["total"]
    assert total["cost_usd"] * 10**12 == sim.batches()["cost_pico"]
    code, out, _ = finished(command("results", "out"))
    assert len(out.splitlines()) == 120
    code, out, _ = finished(command("status"))
    assert "completed" in out
    code, out, _ = finished(command("merge", "out"))
    assert (code, "Merged 120 rows into 120" in out) == (0, True)


def test_results_that_nobody_asked_for_are_counted_and_named(
    command: Command, sim: Simulator, tmp_path: Path
) -> None:
    sim.add_fault(fault="unknown-ids", share=0.5)
    code, _, err = finished(command(*words(sim)))
    assert code == 0, err
    told = "60 results that nobody asked for, or that cannot be read: strange.jsonl"
    assert told in err
    summary = json.loads((tmp_path / "out/processing_summary.json").read_bytes())
    assert (summary["strange"], summary["strange_file"]) == (60, "strange.jsonl")
    assert "strange.jsonl" in summary["files"]
    lines = (tmp_path / "out/strange.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == 60
    assert all(json.loads(line)["text"] and json.loads(line)["output_tokens"] for line in lines)
    code, _, err = finished(command("report", "out"))
    assert (code, told in err) == (0, True)
    for path in tmp_path.rglob("w*.strange.jsonl"):  # as if another machine had read them
        path.unlink()
    code, _, err = finished(command("results", "out", "--out", "elsewhere"))
    assert code == 0, err
    (line,) = (tmp_path / "elsewhere/strange.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["results"] == 60
    assert json.loads(line)["on_another_machine"].endswith(".strange.jsonl")


async def test_a_killed_run_goes_on_and_pays_once(
    command: Command, sim: Simulator, tmp_path: Path
) -> None:
    hold(sim)
    first = command(*words(sim))
    await until(lambda: sim.batches()["batches"])
    first.send_signal(signal.SIGKILL)
    finished(first)
    release(sim)
    code, _, err = finished(command(*words(sim)))
    assert code == 0, err
    assert len(answers(tmp_path)) == 120
    assert len(sim.batches()["batches"]) == 1


async def test_a_run_whose_process_died_is_said_to_be_alone(
    command: Command, sim: Simulator, both: str, tmp_path: Path
) -> None:
    hold(sim)
    config = tmp_path / "llmo.yaml"  # with a lease that a slow machine keeps, too
    config.write_text(config.read_text().replace("lease: 2.0", "lease: 300.0"))
    first = command(*words(sim))
    await until(lambda: sim.batches()["batches"])
    watching = command("watch", "out", "--clock", sim.url)
    code, out, err = finished(command("status", "out"))
    assert (code, "nobody is at it" in err) == (0, False), err
    assert watching.poll() is None
    first.send_signal(signal.SIGKILL)
    finished(first)
    backend = connect(parse_url(both))
    assert backend.execute("UPDATE bulk_runs SET owner_until = 1") == 1
    backend.close()
    code, out, err = finished(watching)
    assert (code, " running: 0 of 120 answers" in out) == (4, True), err
    assert "running, and nobody is at it: the same `llmo bulk run`, `llmo bulk resume run_" in err
    assert "The results are in" not in err
    code, _, err = finished(command("status", "out"))
    assert (code, "running, and nobody is at it" in err) == (0, True), err
    code, out, _ = finished(command("watch", "out", "--json"))
    assert (code, json.loads(out)["driven"]) == (4, False)


async def test_a_run_that_died_while_it_read_is_said_to_be_alone(
    command: Command, sim: Simulator, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    given = ("--task", "task.yaml", "--models", "gpt-4o-mini", "--name", "read", "--clock", sim.url)
    first = command("run", "pipe.csv", *given)
    opened: list[int] = []

    def is_read() -> bool:
        assert first.poll() is None, finished(first)
        with suppress(OSError):  # nobody reads it yet
            opened.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(opened)

    await until(is_read)
    with os.fdopen(opened[0], "w") as rows:  # nobody ends it
        rows.write("video_id,text\n")
        rows.flush()
        first.send_signal(signal.SIGKILL)
        finished(first)
    code, _, err = finished(command("watch", "read", "--clock", sim.url))
    assert code == 4
    assert "loading, and nobody is at it: its input was not read to the end; the same" in err


async def test_a_run_that_is_asked_to_end_goes_on_the_next_time(
    command: Command, sim: Simulator, tmp_path: Path
) -> None:
    hold(sim)
    first = command(*words(sim))
    await until(lambda: sim.batches()["batches"])
    first.send_signal(signal.SIGTERM)
    code, _, err = finished(first)
    assert code == 128 + signal.SIGTERM
    assert "the same command goes on" in err
    code, out, _ = finished(command("status", "out", "--json"))
    assert json.loads(out)["state"] == "running"
    release(sim)
    code, _, err = finished(command("resume", "out", "--clock", sim.url))
    assert code == 0, err
    assert len(answers(tmp_path)) == 120
    assert len(sim.batches()["batches"]) == 1


async def test_the_online_lane_goes_on_after_a_kill(
    command: Command, sim: Simulator, both: str, tmp_path: Path
) -> None:
    rows(tmp_path, 1500)
    first = command(*words(sim, "--lane", "online", "--concurrency", "4"))
    await until(lambda: len(sim.ledger()["rows"]) > 600)
    first.send_signal(signal.SIGKILL)
    finished(first)
    code, _, err = finished(command(*words(sim, "--lane", "online")))
    assert code == 0, err
    assert len(answers(tmp_path)) == 1500
    bill = sim.ledger()
    assert len(bill["rows"]) < 1500 + 300
    code, out, _ = finished(command("report", "out", "--json"))
    total = json.loads(out, parse_float=Decimal)["total"]
    missing = bill["total"]["cost_pico"] - int(total["cost_usd"] * 10**12)
    with Treasury(both) as treasury:
        unknown = len(treasury.unknown())  # answers that died with the process that had them
    assert 0 <= missing <= unknown * max(row["cost_pico"] for row in bill["rows"])


def test_a_full_disk_loses_nothing(command: Command, sim: Simulator, tmp_path: Path) -> None:
    (tmp_path / "out/consolidated").mkdir(parents=True)
    (tmp_path / "out/consolidated/all_analysis.json.part").symlink_to("/dev/full")
    code, _, err = finished(command(*words(sim)))
    assert code == 4
    assert "No space left on device" in err
    paid = sim.batches()["cost_pico"]
    code, _, err = finished(command(*words(sim)))
    assert code == 0, err
    assert len(answers(tmp_path)) == 120
    assert sim.batches()["cost_pico"] == paid


def test_exit_codes_say_what_happened(command: Command, sim: Simulator) -> None:
    code, _, err = finished(command(*words(sim, "--max-cost", "0.0001")))
    assert (code, "the cap is" in err) == (3, True), err
    code, _, err = finished(command("run", "posts.csv", "--task", "no.yaml"))
    assert (code, "no.yaml" in err) == (2, True)
    code, _, err = finished(command("status", "nobody"))
    assert (code, "no run nobody" in err) == (2, True)
    sim.set_batches(failures=1.0)
    code, out, _ = finished(command(*words(sim, "--retries", "0")))
    assert (code, "partial" in out) == (4, True)
