"""A process that is killed at any moment leaves no attempt unbooked; LLMO_KILLS says how often."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.reports import Reports
from tests.crash import books

KILLS = int(os.environ.get("LLMO_KILLS", "12"))
MIX = {
    "rate-limit-bare": 2,
    "server-error": 2,
    "overloaded": 2,
    "bad-gateway": 1,
    "reset": 2,
    "cut,after=9": 3,
    "cut-clean,after=9": 1,
    "error-mid,after=4": 2,
    "stall,after=5,seconds=0.2": 1,
    "malformed": 1,
    "empty": 1,
    "no-usage": 2,
}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    made = Simulator(seed=11, latency="0.01,0.001", fault_rate=0.25, mix=MIX)
    with made.run_in_thread():
        yield made


@pytest.mark.timeout(60 + 10 * KILLS)
def test_every_attempt_is_booked_however_often_it_is_killed(
    simulator: Simulator, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    ledger = tmp_path / "ledger.db"
    moments = random.Random(5)
    for life in range(KILLS):
        process = books.start("endless", simulator, ledger, f"life {life}")
        if life % 4:  # the others may die before their first call
            books.begun(process, simulator)
        time.sleep(moments.uniform(0.1, 0.9))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with Reports(str(ledger)) as reports:  # also sees who is dead
        totals = reports.totals()
    found = books.read(simulator, ledger)
    exact, unknown = found.exact(), found.unknown()
    record_property(
        "figures",
        f"{KILLS} kills, {len(found.ours)} attempts booked, {len(found.bill)} billed, "
        f"{len(found.unbooked)} unbooked; {len(exact)} of known cost, "
        f"{len(found.wrong())} of them unlike the bill; {len(unknown)} unknown, "
        f"{len(found.unbounded())} above their hold",
    )
    assert len(found.bill) > 10 * KILLS
    assert found.unsigned == 0
    assert found.unbooked == set()
    assert found.wrong() == []
    assert found.broken() == []
    assert len(exact) > len(found.bill) / 2
    assert unknown
    assert all(one.cost_pico is None for one in unknown)
    assert found.unbounded() == []
    assert not [one for one in found.ours.values() if one.status == "open"]
    assert totals.orphans == len(unknown)
    assert totals.attempts == len(found.ours)
