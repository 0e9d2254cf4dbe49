"""A store that goes away and comes back leaves budgets right."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from llm_orchestrator.errors import StoreError
from llm_orchestrator.store.budgets import put_budget
from llm_orchestrator.store.connect import connect
from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.store.treasury import Treasury
from llm_orchestrator.store.urls import parse_url
from llm_orchestrator.types.budget import Budget
from tests.integration.store.data import attempt, read, settlement, wait_for

AMOUNTS = "SELECT spent_pico, held_pico, unknown_pico FROM budget_windows"
HERS = Budget(scope="user", subject="ana", cap_pico=100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


async def test_what_was_held_is_settled_when_the_store_is_back(path: Path) -> None:
    ledger = Ledger(path, budgets=[HERS], busy_timeout_s=0.1)
    await ledger.admit(attempt("1", hold_pico=40, user_id="ana"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="under a budget"):
            await ledger.admit(attempt("2", hold_pico=10, user_id="ana"))
        ledger.add(settlement("2", status="dropped", cost_pico=0, cost_source="free"))
        await ledger.admit(attempt("3", hold_pico=10, user_id="bob"))  # under none
        ledger.add(settlement("3", cost_pico=5))
        ledger.add(settlement("1", cost_pico=30))
        await ledger.flush()
        other.execute("COMMIT")
    await asyncio.to_thread(wait_for, str(path), AMOUNTS, [(30, 0, 0)])
    await ledger.admit(attempt("4", hold_pico=70, user_id="ana"))
    await ledger.close()
    assert read(str(path), "SELECT COUNT(*) FROM attempts") == [(4,)]
    assert read(str(path), "SELECT attempt_id FROM budget_holds") == [("att_4",)]


async def test_what_a_process_that_ended_meanwhile_had_settled_is_taken_in(path: Path) -> None:
    first = Ledger(path, budgets=[HERS], busy_timeout_s=0.1)
    await first.admit(attempt("1", hold_pico=40, user_id="ana"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        first.add(settlement("1", cost_pico=30))
        await first.close()
        other.execute("COMMIT")
    assert read(str(path), AMOUNTS) == [(0, 40, 0)]
    with Treasury(str(path)) as treasury:  # as any reader or writer does
        [place] = treasury.places()
    assert (place.window.spent_pico, place.window.held_pico) == (30, 0)


async def test_a_budget_of_the_store_is_remembered_in_an_outage(path: Path) -> None:
    ledger = Ledger(path, busy_timeout_s=0.1)
    backend = connect(parse_url(str(path)))
    put_budget(backend, HERS)
    backend.close()
    await ledger.admit(attempt("1", hold_pico=40, user_id="ana"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError):
            await ledger.admit(attempt("2", hold_pico=10, user_id="ana"))
        other.execute("COMMIT")
    await ledger.close()


async def test_a_ledger_that_was_moved_away_begins_anew_under_its_budgets(path: Path) -> None:
    ledger = Ledger(path, budgets=[HERS])
    await ledger.admit(attempt("1", hold_pico=40, user_id="ana"))
    ledger.add(settlement("1", cost_pico=40))
    await ledger.flush()
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        name.unlink(missing_ok=True)
    await asyncio.sleep(1.1)  # how often it looks
    await ledger.admit(attempt("2", hold_pico=90, user_id="ana"))
    assert read(str(path), AMOUNTS) == [(0, 90, 0)]
    await ledger.close()
