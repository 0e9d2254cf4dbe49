"""Workers: they run the queue at night, take over from one that died, and stop in order."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator.bulk import BatchProcessor, BatchScheduler
from llm_orchestrator.simulator import Simulator
from tests.integration.bulk.world import sections

PROGRAM = """
import json, sys
from datetime import time
from llm_orchestrator.bulk import BatchScheduler

config, clock, schedule = sys.argv[1:4]
scheduler = BatchScheduler(schedule or None, 0.3, config=json.loads(config), clock=clock)
print("ready", flush=True)
scheduler.run_forever(run_now="now" in sys.argv)
print("stopped", flush=True)
"""


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(seed=5, speed=3600).run_in_thread() as simulator:
        yield simulator


@pytest.fixture
def config(sim: Simulator, both: str) -> dict[str, Any]:
    return {
        "providers": sections(sim, ("openai", "anthropic")),
        "store": {"url": both},
        "bulk": {"create_timeout": 2.0, "list_lag": 0.3, "lease": 2.0},
    }


@pytest.fixture
def batch(sim: Simulator, config: dict[str, Any]) -> Iterator[BatchProcessor]:
    with BatchProcessor(config, clock=sim.url) as processor:
        yield processor


@pytest.fixture
def work(
    sim: Simulator, config: dict[str, Any], tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    started = []

    def start(*words: str, schedule: str = "") -> subprocess.Popen[str]:
        given = [sys.executable, str(program), json.dumps(config), sim.url, schedule, *words]
        env = {**os.environ, "LLMO_HOME": str(tmp_path / "home")}
        process = subprocess.Popen(given, stdout=subprocess.PIPE, text=True, env=env)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def ask(text: str) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}


def fill(batch: BatchProcessor, count: int) -> list[str]:
    jobs = [
        {"job_type": "creative_scoring", "provider": "openai", "data": ask(str(number))}
        for number in range(count)
    ]
    return batch.queue_jobs_sync(jobs)


def states(batch: BatchProcessor) -> dict[str, int]:
    found: dict[str, int] = {}
    for _, _, _, state, count in batch.store.wait(batch.store.jobs.counts):
        found[state] = found.get(state, 0) + count
    return found


def until(happened: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.05)


def test_the_queue_is_run_at_night_and_once(
    batch: BatchProcessor, sim: Simulator, work: Callable[..., subprocess.Popen[str]]
) -> None:
    fill(batch, 5)
    one, two = work(schedule="02:00"), work(schedule="02:00")
    # A day of the simulator passes in 24 s.
    until(lambda: states(batch) == {"completed": 5})
    nights = batch.store.wait(batch.store.nights.listed, "nightly")
    assert sum(night.jobs or 0 for night in nights) == 5
    runs = batch.store.wait(batch.store.runs.listed, ())
    assert len(runs) == 1
    assert sim.batches()["cost_pico"] > 0
    for process in (one, two):
        process.send_signal(signal.SIGTERM)
    assert [process.wait(30) for process in (one, two)] == [0, 0]


def test_the_work_of_a_worker_that_died_is_taken_over(
    batch: BatchProcessor, sim: Simulator, work: Callable[..., subprocess.Popen[str]]
) -> None:
    fill(batch, 3)
    first = work("now", schedule="02:00")
    until(lambda: states(batch) == {"running": 3})
    run = batch.store.wait(batch.store.runs.listed, ())[0]

    def driven() -> str | None:
        found = batch.store.wait(batch.store.runs.get, run.run_id)
        return found.owner if found is not None else None

    until(driven)
    owner = driven()
    first.send_signal(signal.SIGKILL)
    first.wait()
    begun = time.monotonic()
    work(schedule="02:00")
    until(lambda: driven() not in {owner, None} or states(batch) == {"completed": 3})
    assert time.monotonic() - begun < 30
    until(lambda: states(batch) == {"completed": 3})
    paid = sim.batches()["batches"]
    assert len(paid) == 1, "nothing is paid twice"


def test_a_worker_stops_in_order(
    batch: BatchProcessor, work: Callable[..., subprocess.Popen[str]]
) -> None:
    fill(batch, 2)
    worker = work("now", schedule="02:00")
    until(lambda: "queued" not in states(batch))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    assert worker.stdout is not None
    assert worker.stdout.read().endswith("stopped\n")
    runs = batch.store.wait(batch.store.runs.listed, ())
    assert [run.owner for run in runs] == [None], "its leases are given back"


def test_a_schedule_says_how_it_stands(config: dict[str, Any], sim: Simulator) -> None:
    scheduler = BatchScheduler("03:30", 300, zone="Europe/Berlin", config=config, clock=sim.url)
    status = scheduler.status()
    assert (status["schedule_time"], status["time_zone"]) == ("03:30", "Europe/Berlin")
    assert status["check_interval_seconds"] == 300
    assert "T03:30:00" in status["next_run"]
    assert (status["jobs_queued"], status["nights"]) == (0, [])
    scheduler.stop()
