"""What is left when a process is killed, and what many processes do to one store."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.store.reports import Reports
from llm_orchestrator.store.sql_sqlite import HEAD
from llm_orchestrator.store.writer import Committed
from tests.integration.store.data import attempt, open_store, read, settlement, wait_for

ROOT = Path(__file__).parents[3]

# Prints each attempt once its intent is committed, and each outcome that was given to the ledger.
WRITER = """
import asyncio, itertools, sys
from llm_orchestrator.store.ledger import Ledger
from tests.integration.store.data import attempt, call, settlement
url, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
async def main():
    ledger = Ledger(url)
    numbers = iter(range(count)) if count else itertools.count()
    async def worker():
        for number in numbers:
            key = f"{name}-{number}"
            assert (await ledger.intent(attempt(key, hold_pico=10))).value == "yes"
            sys.stdout.write(f"{key}\\n")
            sys.stdout.flush()
            ledger.add(settlement(key))
            ledger.add(call(key))
    await asyncio.gather(*(worker() for _ in range(16)))
    await ledger.close()
asyncio.run(main())
"""


def start(url: str, name: str, count: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, url, name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "src:."},
    )


def test_what_was_acknowledged_survives_a_kill(store_url: str) -> None:
    seed = random.Random(7)
    acknowledged: set[str] = set()
    for life in range(4):
        process = start(store_url, f"life{life}")
        assert process.stdout is not None
        acknowledged.add(process.stdout.readline().strip())  # it runs
        time.sleep(seed.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        lines = process.stdout.read().split("\n")
        process.stdout.close()
        process.wait()
        acknowledged.update(lines[:-1])  # the last one may be cut
    if store_url.startswith("postgres"):  # which may still be busy with what it was sent
        wait_for(
            store_url,
            "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'llm-orchestrator'"
            " AND datname = current_database()",
            [(0,)],
        )
    stored = {row[0].removeprefix("att_") for row in read(store_url, "SELECT * FROM attempts")}
    assert acknowledged <= stored
    with Reports(store_url) as reports:
        totals = reports.totals()
    settled = len(read(store_url, "SELECT attempt_id FROM settlements"))
    assert totals.calls == settled  # they were added together
    assert totals.attempts == len(stored)
    assert totals.open == 0
    assert totals.orphans == totals.unpriced == len(stored) - settled > 0
    assert totals.cost_pico == settled * 27_000_000
    assert totals.bound_pico == totals.orphans * 10


def test_many_processes_share_one_store(store_url: str) -> None:
    """They also make it together."""
    processes = [start(store_url, f"p{number}", 300) for number in range(4)]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert read(store_url, "SELECT COUNT(*) FROM attempts") == [(1200,)]
    assert read(store_url, "SELECT COUNT(*) FROM settlements") == [(1200,)]
    assert read(store_url, "SELECT COUNT(*) FROM executors WHERE ended_at IS NOT NULL") == [(4,)]


def test_the_next_writer_notes_the_end_of_the_dead(store_url: str) -> None:
    process = start(store_url, "dead")
    wait_for(store_url, "SELECT COUNT(*) FROM executors", [(1,)])
    process.kill()
    process.communicate()
    ledger = Ledger(store_url)
    ledger.add(settlement("1"))
    wait_for(store_url, "SELECT COUNT(ended_at), COUNT(*) FROM executors", [(1, 2)])
    ledger.close_sync()


def test_a_store_is_made_once_by_many(store_url: str) -> None:
    barrier = threading.Barrier(8)

    def make(_: int) -> None:
        barrier.wait()
        open_store(store_url)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(8)))
    assert read(store_url, "SELECT version_num FROM llmo_schema") == [(HEAD,)]


async def test_an_attempt_is_open_while_its_writer_lives(store_url: str) -> None:
    ledger = Ledger(store_url)
    await ledger.intent(attempt("1", hold_pico=5))
    await ledger.flush()
    with Reports(store_url) as reports:
        totals = reports.totals()
        assert (totals.open, totals.orphans, totals.unpriced, totals.bound_pico) == (1, 0, 0, 0)
    await ledger.close()  # signs off without settling it
    with Reports(store_url) as reports:
        totals = reports.totals()
        assert (totals.open, totals.orphans, totals.unpriced, totals.bound_pico) == (0, 1, 1, 5)
        assert (totals.cost_pico, totals.failed) == (0, 1)


async def test_a_late_outcome_still_counts(store_url: str) -> None:
    ledger = Ledger(store_url)
    await ledger.intent(attempt("1", hold_pico=5))
    await ledger.close()
    other = Ledger(store_url)
    other.add(settlement("1"))
    await other.close()
    with Reports(store_url) as reports:
        totals = reports.totals()
    assert (totals.orphans, totals.unpriced, totals.cost_pico) == (0, 0, 27_000_000)


@pytest.mark.parametrize("how", ["flush_sync", "close_sync"])
def test_exit_hooks_save_what_is_in_memory(store_url: str, how: str) -> None:
    code = f"""
import asyncio, atexit, sys
from llm_orchestrator.store.ledger import Ledger
from tests.integration.store.data import attempt, settlement
ledger = Ledger(sys.argv[1])
atexit.register(ledger.{how}, 10)
async def main():
    await ledger.intent(attempt("1"))
    ledger.add(settlement("1"))
asyncio.run(main())
"""
    environment = {**os.environ, "PYTHONPATH": "src:."}
    subprocess.run([sys.executable, "-c", code, store_url], check=True, cwd=ROOT, env=environment)
    assert read(store_url, "SELECT COUNT(*) FROM settlements") == [(1,)]


def test_a_flush_that_takes_too_long_says_no(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    open_store(str(path))
    ledger = Ledger(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        ledger.add(settlement("1"))
        assert ledger.flush_sync(0.05) is Committed.NO
        other.execute("COMMIT")
    ledger.close_sync()
    assert read(str(path), "SELECT COUNT(*) FROM settlements") == [(1,)]
