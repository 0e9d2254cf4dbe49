"""A process that ends without closing anything loses no row, however it ends."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.rescue.books import Books
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.reports import Reports
from tests.crash import books


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(seed=3).run_in_thread() as made:
        yield made


def check(told: dict[str, int | None], found: Books) -> None:
    """All that the program was told is in the ledger, and as the provider bills it."""
    missing = {name for name, cost in told.items() if name not in found.ours}
    assert not missing
    different = {name for name, cost in told.items() if found.ours[name].cost_pico != cost}
    assert not different
    assert found.unbooked == set()
    assert found.wrong() == []


@pytest.mark.parametrize(("how", "calls"), [("async", 40), ("sync", 20), ("child", 5)])
def test_an_end_without_close(simulator: Simulator, tmp_path: Path, how: str, calls: int) -> None:
    ledger = tmp_path / "ledger.db"
    process = books.start(how, simulator, ledger)
    told = books.heard(process)
    assert process.returncode == 0
    assert len(told) == calls
    found = books.read(simulator, ledger)
    check(told, found)
    assert {one.status for one in found.ours.values()} == {"ok"}
    with Reports(str(ledger)) as reports:
        assert reports.totals().calls == calls


def test_sigterm_writes_what_is_left_and_ends_as_before(
    simulator: Simulator, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.db"
    process = books.start("endless", simulator, ledger)
    books.begun(process, simulator, calls=60)
    process.send_signal(signal.SIGTERM)
    told = books.heard(process)
    assert process.returncode == -signal.SIGTERM
    assert len(told) > 20
    check(told, books.read(simulator, ledger))


@pytest.mark.parametrize("how", ["own-handler", "own-sync-handler"])
def test_a_handler_of_the_program_stays(simulator: Simulator, tmp_path: Path, how: str) -> None:
    ledger = tmp_path / "ledger.db"
    process = books.start(how, simulator, ledger)
    books.begun(process, simulator, calls=60)
    process.send_signal(signal.SIGTERM)
    told = books.heard(process)
    assert process.returncode == 3
    found = books.read(simulator, ledger)
    check(told, found)
    assert not found.unknown()  # its own end cancels what runs, and that is booked


def test_a_stream_left_open_is_booked_as_cancelled(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    with Simulator(seed=3, latency="0.01,0.05").run_in_thread() as simulator:
        process = books.start("sync-left-open", simulator, ledger)
        books.heard(process)
        assert process.returncode == 0
        found = books.read(simulator, ledger)
    assert [one.status for one in found.ours.values()] == ["cancelled"]
    assert found.unbounded() == []
