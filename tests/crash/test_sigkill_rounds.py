"""Whoever drives a run is killed while failed items are asked again, beside batches that go on.

No item is asked more often than was said, none is lost, and our ledger is the provider's.
"""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_rows import ItemState

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).parent / "bulk_run.py"
KILLS = int(os.environ.get("LLMO_KILLS", "5"))
ROWS = 400
SENT = 1 + 2
"""Times that an item is asked at most: once, and in two rounds."""


@pytest.fixture
def sim() -> Iterator[Simulator]:
    made = Simulator(seed=3, speed=600, batch={"queue": 20, "item": 5, "failures": 0.5})
    with made.run_in_thread() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        found: str = request.getfixturevalue("postgres_url")
        return found
    return f"sqlite:///{tmp_path / 'ledger.db'}"


def begin(sim: Simulator, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WORKER), sim.url, url, str(ROWS), "1", "batch"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
    )


@pytest.mark.timeout(300 + 20 * KILLS)
def test_rounds_survive_whoever_counts_them(sim: Simulator, url: str) -> None:
    moments = random.Random(7)
    for _ in range(KILLS):
        worker, accepted = begin(sim, url), sim.batches()["accepted"]
        while worker.poll() is None and sim.batches()["accepted"] == accepted:
            time.sleep(0.02)
        time.sleep(moments.uniform(0.0, 1.5))
        worker.kill()
        worker.communicate()
    word, _ = begin(sim, url).communicate()
    view, store = sim.batches(), BulkStore(url)
    try:
        (run,) = store.runs.named("run1")
        items = list(store.items.iterate(run.run_id))
        units = store.units.of_run(run.run_id)
    finally:
        store.close()
    states = Counter(ItemState(item.state).name for item in items)
    assert states.keys() <= {"DONE", "RETRY"}, states
    assert word.strip() == ("partial" if states["RETRY"] else "completed")
    assert all(item.round <= SENT - 1 for item in items)
    assert all(item.round == SENT - 1 for item in items if item.state == ItemState.RETRY)
    assert max(unit.round for unit in units) == SENT - 1
    assert view["paid_twice"] == 0
    assert sum(unit.cost_pico or 0 for unit in units) == view["cost_pico"] > 0
