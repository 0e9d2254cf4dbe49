"""Workers are killed again and again while the queue is run: no job is lost or paid twice.

LLMO_KILLS says how often.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llm_orchestrator.bulk import BatchProcessor
from llm_orchestrator.simulator import Simulator
from tests.integration.bulk.world import sections

PROGRAM = """
import json, sys
from llm_orchestrator.bulk import BatchScheduler

BatchScheduler(None, 0.3, config=json.loads(sys.argv[1]), clock=sys.argv[2]).run_forever(
    run_now=True
)
"""
KILLS = min(20, int(os.environ.get("LLMO_KILLS", "4")))
JOBS = 60


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(seed=5, speed=1800).run_in_thread() as simulator:
        yield simulator


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    made: list[subprocess.Popen[bytes]] = []

    def begin(config: dict[str, object], clock: str) -> "subprocess.Popen[bytes]":
        words = [sys.executable, str(program), json.dumps(config), clock]
        env = {**os.environ, "LLMO_HOME": str(tmp_path / "home")}
        made.append(subprocess.Popen(words, env=env, stderr=subprocess.DEVNULL))
        return made[-1]

    yield begin
    for process in made:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.mark.timeout(600)
def test_jobs_survive_their_workers(
    url: str, sim: Simulator, start: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    config: dict[str, object] = {
        "providers": sections(sim, ("openai", "gemini")),
        "store": {"url": url},
        "bulk": {"create_timeout": 2.0, "list_lag": 0.3, "lease": 2.0},
    }
    chance = random.Random(7)
    with BatchProcessor(config, clock=sim.url) as batch:
        models = {"openai": "gpt-4o-mini", "gemini": "gemini-2.5-flash"}

        def states() -> Counter[str]:
            counts: Counter[str] = Counter()
            for _, _, _, state, count in batch.store.wait(batch.store.jobs.counts):
                counts[state] += count
            return counts

        ids = []
        workers = [start(config, sim.url) for _ in range(2)]
        for kill in range(KILLS):
            jobs = []
            for number in range(kill, JOBS, KILLS):
                provider = chance.choice(list(models))
                said = {"role": "user", "content": f"Say {number}."}
                data = {"model": models[provider], "messages": [said]}
                jobs.append({"job_type": f"type_{number % 2}", "provider": provider, "data": data})
            ids += batch.queue_jobs_sync(jobs)
            time.sleep(chance.uniform(1.0, 4.0))  # when it dies is what is random here
            workers[kill % 2].send_signal(signal.SIGKILL)
            workers[kill % 2].wait()
            workers[kill % 2] = start(config, sim.url)
        end = time.monotonic() + 120
        while states()["queued"] or states()["running"]:
            if states()["queued"] and not states()["running"]:
                batch.process_all_batches_sync(drive=False)
            assert time.monotonic() < end, states()
            time.sleep(0.2)
        assert states() == {"completed": JOBS}
        runs = {
            job.run_id
            for job in batch.store.wait(batch.store.jobs.listed, limit=1000)
            if job.result is not None
        }
        results = [
            result["job_id"]
            for run_id in runs
            for result in batch.retrieve_batch_results_sync(str(run_id))
        ]
        assert sorted(results) == sorted(ids)
        paid = batch.store.wait(batch.store.sums.paid)
        assert sum(unit.cost_pico or 0 for unit in paid) == sim.batches()["cost_pico"]
        assert sum(unit.items for unit in paid) == JOBS
        assert all(unit.booked_pico == unit.cost_pico for unit in paid)
        print(f"{KILLS} kills, {JOBS} jobs, {len(runs)} runs: 0 lost, 0 paid twice")  # noqa: T201 - the figure
