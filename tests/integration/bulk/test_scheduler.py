"""Workers: they run the queue at night, take over from one that died, and stop in order."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator.bulk import BatchProcessor, BatchScheduler
from llm_orchestrator.bulk.opening import work_folder
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.bulk_nights import Night
from llm_orchestrator.store.bulk_rows import new_work_id
from llm_orchestrator.store.connect import connect
from tests.integration.budgets.receiver import Receiver
from tests.integration.bulk.world import sections
from tests.long import on_both

PROGRAM = """
import faulthandler, json, signal, sys
from datetime import time
from llm_orchestrator.bulk import BatchScheduler
faulthandler.register(signal.SIGUSR1)
config, clock, schedule = sys.argv[1:4]
scheduler = BatchScheduler(schedule or None, 0.3, config=json.loads(config), clock=clock)
print("ready", flush=True)
scheduler.run_forever(run_now="now" in sys.argv)
print("stopped", flush=True)
"""


pytestmark = pytest.mark.timeout(300)  # each starts several processes


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """So slow that a night does not pass while a machine is busy: time is turned where it flies."""
    with Simulator(seed=5, speed=60).run_in_thread() as simulator:
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
    batch: BatchProcessor, sim: Simulator, config: dict[str, Any], tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    folder = work_folder(batch.store)
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
        until(lambda: str(process.pid) in at_work())
        return process

    def at_work() -> set[str]:
        return {path.read_text().strip() for path in folder.glob("worker-*.lock")}

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


def ended(process: subprocess.Popen[str]) -> int:
    """Its exit code; a process that does not end first says where its threads are."""
    try:
        return process.wait(60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGUSR1)
        time.sleep(1)
        raise


def until(happened: Callable[[], object], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.05)


def test_the_queue_is_run_at_night_and_once(
    batch: BatchProcessor, sim: Simulator, work: Callable[..., subprocess.Popen[str]]
) -> None:
    fill(batch, 5)
    one, two = work(schedule="02:00"), work(schedule="02:00")
    upkeep = batch.store.upkeep.listed
    # Nothing else is left to do by which they would learn that the clock was turned.
    until(lambda: [one.done_at is None for one in batch.store.wait(upkeep)] == [False] * 2)
    until_two = dt.timedelta(hours=26) - dt.timedelta(seconds=sim.advance(0) % 86_400)
    sim.advance(until_two.total_seconds())
    until(lambda: states(batch) == {"completed": 5})

    def jobs() -> list[int]:
        nights = batch.store.wait(batch.store.nights.listed, "nightly")
        return [night.jobs for night in nights if night.jobs]

    until(jobs)
    assert jobs() == [5]
    runs = batch.store.wait(batch.store.runs.listed, ())
    assert len(runs) == 1
    assert sim.batches()["cost_pico"] > 0
    for process in (one, two):
        process.send_signal(signal.SIGTERM)
    assert [ended(process) for process in (one, two)] == [0, 0]


def test_the_work_of_a_worker_that_died_is_taken_over(
    batch: BatchProcessor, sim: Simulator, work: Callable[..., subprocess.Popen[str]]
) -> None:
    sim.set_batches(queue=36_000)  # minutes
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
    work(schedule="02:00")
    begun = time.monotonic()
    until(lambda: driven() not in {owner, None})
    assert time.monotonic() - begun < 30
    sim.world.clock.hasten(36_000)
    until(lambda: states(batch) == {"completed": 3})
    paid = sim.batches()["batches"]
    assert len(paid) == 1, "nothing is paid twice"


@on_both("both")
def test_a_night_comes_once_when_clocks_change(
    batch: BatchProcessor,
    sim: Simulator,
    work: Callable[..., subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BATCH_SCHEDULE_TIME", "02:30")
    monkeypatch.setenv("BATCH_TIME_ZONE", "Europe/Berlin")
    nights = batch.store.nights

    def run() -> dict[str, Night]:
        return {one.local_date: one for one in batch.store.wait(nights.listed, "nightly")}

    def over(date: str) -> bool:
        return date in run() and run()[date].ended_at is not None

    def passed(moment: dt.datetime) -> bool:
        return sim.advance(0) > moment.timestamp()

    # In the first night there is no 02:30, in the other one it comes twice.
    for moment in ("2027-03-28T01:30:00+00:00", "2027-10-31T00:30:00+00:00"):
        begins = dt.datetime.fromisoformat(moment)
        day, before = (str((begins - dt.timedelta(days)).date()) for days in (0, 1))
        sim.advance((begins - dt.timedelta(hours=1)).timestamp() - sim.advance(0))
        workers = [work() for _ in range(3)]
        until(partial(over, before))
        fill(batch, 3)
        later = begins + dt.timedelta(hours=3)
        while not passed(later) or set(states(batch)) != {"completed"}:
            sim.advance(600)
            time.sleep(0.4)  # for a look of every worker
            if passed(begins):
                until(lambda day=day: day in run())  # type: ignore[misc]
        until(partial(over, day))
        night = run()[day]
        assert night.jobs == 3
        assert 0 <= night.begun_at / 1e6 - begins.timestamp() < 3600, "nor an hour later"
        for process in workers:
            process.send_signal(signal.SIGTERM)
        assert [ended(process) for process in workers] == [0, 0, 0]
    assert states(batch) == {"completed": 6}
    assert len(batch.store.wait(batch.store.runs.listed, ())) == 2


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=lambda one: one.name)
def test_another_worker_goes_on_within_seconds(
    batch: BatchProcessor,
    sim: Simulator,
    config: dict[str, Any],
    work: Callable[..., subprocess.Popen[str]],
    how: signal.Signals,
) -> None:
    # The default; or so long that only who is given the run has it in time.
    config["bulk"]["lease"] = 5.0 if how is signal.SIGKILL else 300.0
    sim.set_batches(queue=36_000)  # minutes
    fill(batch, 3)
    first = work("now", schedule="02:00")
    until(lambda: [one["state"] for one in sim.batches()["batches"]] == ["queued"])
    (run,) = batch.store.wait(batch.store.runs.listed, ())

    def driver() -> str | None:
        found = batch.store.wait(batch.store.runs.get, run.run_id)
        return None if found is None else found.owner

    owner = driver()
    assert owner is not None
    work(schedule="02:00")
    first.send_signal(how)
    begun = time.monotonic()
    until(lambda: driver() not in {owner, None})
    took = time.monotonic() - begun
    ended(first)
    print(f"after {how.name} another worker had the run in {took:.1f} s")  # noqa: T201 - the figure
    assert took < 30
    sim.world.clock.hasten(36_000)
    until(lambda: states(batch) == {"completed": 3})
    assert len(sim.batches()["batches"]) == 1, "nothing is paid twice"


@on_both("both")
def test_audits_are_made_once_for_all_workers_and_told(
    batch: BatchProcessor,
    config: dict[str, Any],
    sim: Simulator,
    work: Callable[..., subprocess.Popen[str]],
) -> None:
    fill(batch, 2)
    (run_id,) = batch.process_all_batches_sync()
    until(lambda: batch.check_batch_status_sync(run_id)["status"] == "completed")
    store = batch.store
    (unit,) = store.wait(store.units.of_run, run_id)
    # As of a store that has lost the unit, and has another one of that provider.
    backend = connect(store.target)
    other = (new_work_id(), "llmo-other", "batch_other", unit.work_id)
    sql = "UPDATE bulk_batches SET work_id = ?, tag = ?, batch_id = ? WHERE work_id = ?"
    backend.execute(sql, other)
    backend.close()
    listed = [entry for entry in sim.log() if is_list(entry)]
    workers = [work(schedule="02:00") for _ in range(3)]

    def status() -> dict[str, Any]:
        scheduler = BatchScheduler(config=config, clock=sim.url)
        found = scheduler.status()
        scheduler.stop()
        return found

    until(lambda: status()["audit"]["at"] and status()["files"])
    counts = {"ours": 0, "tagged": 1, "unknown": 0, "skipped": None}
    assert status()["audit"]["providers"] == {"openai": counts}
    assert [one["removed"] for one in status()["files"]] == [0]
    until(lambda: store.wait(store.alerts.listed)[0].delivered_at is not None)
    (alert,) = store.wait(store.alerts.listed, standing=True)
    assert (alert.name, alert.subject) == ("Unordered Batch", f"openai/{unit.batch_id}")
    assert len([entry for entry in sim.log() if is_list(entry)]) == len(listed) + 1
    for process in workers:
        process.send_signal(signal.SIGTERM)
    assert [ended(process) for process in workers] == [0, 0, 0]


@on_both("both")
def test_a_stop_does_not_wait_for_an_audit(
    batch: BatchProcessor, sim: Simulator, work: Callable[..., subprocess.Popen[str]]
) -> None:
    fill(batch, 2)
    (run_id,) = batch.process_all_batches_sync()
    until(lambda: batch.check_batch_status_sync(run_id)["status"] == "completed")
    sim.add_fault(fault="silence", on="list", seconds=300.0)
    worker = work(schedule="02:00")

    def owner() -> str | None:
        return next((one.owner for one in batch.store.wait(batch.store.upkeep.listed)), None)

    until(owner)
    worker.send_signal(signal.SIGTERM)
    assert ended(worker) == 0
    (audit,) = batch.store.wait(batch.store.upkeep.listed)
    assert (audit.owner, audit.done_at) == (None, None), "the next worker may do it at once"


def is_list(entry: dict[str, Any]) -> bool:
    return str(entry["wire"]).endswith("batches.list")


@on_both("both")
def test_a_worker_stops_in_order(
    batch: BatchProcessor, work: Callable[..., subprocess.Popen[str]]
) -> None:
    fill(batch, 2)
    worker = work("now", schedule="02:00")
    until(lambda: "queued" not in states(batch))
    worker.send_signal(signal.SIGTERM)
    assert ended(worker) == 0
    assert worker.stdout is not None
    assert worker.stdout.read().endswith("stopped\n")
    runs = batch.store.wait(batch.store.runs.listed, ())
    assert [run.owner for run in runs] == [None], "its leases are given back"


@on_both("both")
def test_what_real_runs_give_reason_to_is_told_once_also_after_a_restart(
    config: dict[str, Any], sim: Simulator, work: Callable[..., subprocess.Popen[str]]
) -> None:
    prices = {
        "input": 1_000_000,
        "output": 1_000_000,
        "batch": {"input": 500_000, "output": 500_000},
    }
    config["providers"]["openai"]["models"] = [{"name": "gpt-4o", "prices": prices}]
    config["budgets"] = [{"scope": "global", "cap": 100_000, "alerts": [1, 90]}]
    with Receiver().run() as receiver, BatchProcessor(config, clock=sim.url) as batch:
        config["notify"] = [f"json://127.0.0.1:{receiver.port}/hook"]

        def told() -> Counter[str]:
            return Counter(post["title"] for post in receiver.posts)

        sim.add_fault(fault="batch-failed", provider="anthropic")
        sim.add_fault(fault="unavailable", provider="anthropic", on="poll")
        for number in range(60):
            data = ask(f"Score creative {number}.") | {"max_tokens": 100}
            batch.queue_job_sync("creative_scoring", "openai", data)
        data = ask("Hello") | {"model": "claude-haiku-4-5"}
        batch.queue_job_sync("creative_scoring", "anthropic", data)
        first = work("now", schedule="02:00")
        until(lambda: told()["LLM Cost Savings Milestone"] == 2)
        until(lambda: sim.batches()["accepted"] == 2)
        sim.advance(49 * 3600)
        until(lambda: told()["LLM Stale Batches"])
        sim.reset()  # its provider answers again: the batch has failed
        until(lambda: told()["LLM High Failure Rate"])
        first.send_signal(signal.SIGTERM)
        assert ended(first) == 0
        fill(batch, 10_001)
        later = dt.datetime.fromtimestamp(sim.advance(0) + 20 * 3600, dt.UTC)
        second = work(schedule=later.strftime("%H:%M"))
        until(lambda: told()["LLM Large Queue"])
        second.send_signal(signal.SIGTERM)
        assert ended(second) == 0
    assert told() == {
        "LLM budget: 1 % spent": 1,
        "LLM Cost Savings Milestone": 2,
        "LLM Stale Batches": 1,
        "LLM High Failure Rate": 1,
        "LLM Large Queue": 1,
    }


def test_a_schedule_says_how_it_stands(config: dict[str, Any], sim: Simulator) -> None:
    scheduler = BatchScheduler("03:30", 300, zone="Europe/Berlin", config=config, clock=sim.url)
    status = scheduler.status()
    assert (status["schedule_time"], status["time_zone"]) == ("03:30", "Europe/Berlin")
    assert status["check_interval_seconds"] == 300
    assert "T03:30:00" in status["next_run"]
    assert (status["jobs_queued"], status["nights"]) == (0, [])
    scheduler.stop()
