"""A bulk run in real time is killed while calls are under way.

What nobody knows is told with what it may have cost at most: the provider's bill lies between, and
the run's cap holds.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_orchestrator import LLMOrchestrator
from llm_orchestrator.bulk.output.summary import Report
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.connect import connect
from llm_orchestrator.store.treasury import Treasury
from llm_orchestrator.store.urls import parse_url

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).parent / "bulk_run.py"
KILLS = min(4, int(os.environ.get("LLMO_KILLS", "12")))
ROWS = 48
"""They are in one chunk: the next one would make up for what the first has spent too much."""


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(seed=3, latency="0.15,0").run_in_thread() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        found: str = request.getfixturevalue("postgres_url")
        return found
    return f"sqlite:///{tmp_path / 'ledger.db'}"


def begin(sim: Simulator, url: str, cap: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WORKER), sim.url, url, str(ROWS), cap, "online"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
    )


def billed(sim: Simulator) -> int:
    return int(sim.ledger()["total"]["cost_pico"])


def killed(sim: Simulator, url: str, cap: str, times: int) -> str:
    """How the run ends after it was killed so often, each time while calls were under way."""
    moments = random.Random(7)
    for _ in range(times):
        worker, before = begin(sim, url, cap), len(sim.ledger()["rows"])
        while worker.poll() is None and len(sim.ledger()["rows"]) < before + 4:
            time.sleep(0.02)
        time.sleep(moments.uniform(0.0, 0.2))
        worker.kill()
        worker.communicate()
    word, _ = begin(sim, url, cap).communicate()
    return word.strip()


def told(url: str) -> Report:
    with LLMOrchestrator({"store": {"url": url}}) as orchestrator:
        return orchestrator.bulk_run("run1").report()


def unsettled(url: str) -> tuple[int, int]:
    """Attempts without a known cost in the ledger, and what they held."""
    backend = connect(parse_url(url))
    try:
        sql = (
            "SELECT a.hold_pico FROM attempts AS a LEFT JOIN settlements AS s"
            " ON s.attempt_id = a.attempt_id WHERE s.cost_pico IS NULL"
        )
        held = [hold for (hold,) in backend.query(sql)]
    finally:
        backend.close()
    return len(held), sum(held)


@pytest.mark.timeout(300)
def test_calls_that_were_under_way_count_with_what_they_held(sim: Simulator, url: str) -> None:
    assert killed(sim, url, "1", KILLS) == "completed"
    report = told(url)
    total = report.total
    assert report.count("done") == ROWS
    assert (total.unknown_calls, total.unknown_pico) == unsettled(url)
    assert total.unknown_calls > 0
    assert total.cost_pico < billed(sim) <= total.cost_pico + total.unknown_pico
    shown = report.as_dict()["total"]
    assert shown["unknown_cost_calls"] == total.unknown_calls
    assert shown["unknown_most_usd"] > 0
    store = BulkStore(url)
    try:
        committed = store.units.committed(report.run.run_id)
    finally:
        store.close()
    assert committed == total.cost_pico + total.unknown_pico
    # A bill tells what they cost; the run takes it in when it is gone on with.
    with Treasury(url) as treasury:
        for one in treasury.unknown():
            treasury.settle(one.attempt_id, 7)
    calls = len(sim.ledger()["rows"])
    assert begin(sim, url, "1").communicate()[0].strip() == "completed"
    after = told(url).total
    assert len(sim.ledger()["rows"]) == calls
    assert (after.unknown, after.unknown_calls, after.unknown_pico) == (0, 0, 0)
    assert after.cost_pico == total.cost_pico + 7 * total.unknown_calls


@pytest.mark.timeout(300)
def test_the_cap_holds_whatever_they_have_cost(sim: Simulator, url: str) -> None:
    """It pays for every row once, which costs nearly what it may, and for no call beside."""
    cap = 13_800_000_000
    state = killed(sim, url, f"{cap / 10**12:.6f}", KILLS)
    report = told(url)
    total = report.total
    assert total.unknown_calls > 0
    assert billed(sim) <= total.cost_pico + total.unknown_pico <= cap
    assert state == "partial"
    assert (report.run.error or "").startswith("BudgetError")
    assert total.cost_pico + total.unknown_pico > cap * 0.9
