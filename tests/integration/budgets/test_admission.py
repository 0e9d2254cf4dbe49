"""Attempts hold what they can cost, and are refused where that does not fit."""

import asyncio
from typing import Any

import pytest

from llm_orchestrator.errors import BudgetError, StoreError
from llm_orchestrator.store.budgets import put_budget
from llm_orchestrator.store.connect import connect
from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.store.rows import AttemptRow
from llm_orchestrator.store.urls import parse_url
from llm_orchestrator.types.budget import Budget
from llm_orchestrator.types.money import to_usd
from tests.integration.budgets.conftest import Open
from tests.integration.store.data import NOW, attempt, read, settlement

WINDOWS = (
    "SELECT b.scope, w.window_key, w.spent_pico, w.held_pico, w.unknown_pico"
    " FROM budget_windows AS w JOIN budgets AS b ON b.budget_id = w.budget_id ORDER BY 1, 2"
)
HOLDS = "SELECT attempt_id, hold_pico FROM budget_holds ORDER BY 1"


def total(cap: int, **more: Any) -> Budget:
    given: dict[str, Any] = {"scope": "global", "cap_pico": cap}
    return Budget(**given | more)


async def hold(ledger: Ledger, key: str, amount: int | None = 10, **more: Any) -> AttemptRow:
    row = attempt(key, hold_pico=amount, **more)
    await ledger.admit(row, patience_s=0)
    return row


async def end(ledger: Ledger, key: str, cost: int | None, **more: Any) -> None:
    source = "unknown" if cost is None else "price"
    ledger.add(settlement(key, cost_pico=cost, cost_source=source, **more))
    await ledger.flush()


async def test_what_fits_is_held_and_the_rest_refused(ledger: Open, store_url: str) -> None:
    books = ledger(total(25))
    await hold(books, "1")
    await hold(books, "2")
    with pytest.raises(BudgetError, match=r"the budget for everything .* held") as caught:
        await hold(books, "3")
    error = caught.value
    assert (error.code, error.budget) == ("budget", "budget for everything")
    assert (error.cap, error.spent, error.held) == (to_usd(25), to_usd(0), to_usd(20))
    assert error.resets_at is None
    assert read(store_url, WINDOWS) == [("global", "total", 0, 20, 0)]
    assert read(store_url, HOLDS) == [("att_1", 10), ("att_2", 10)]
    assert read(store_url, "SELECT attempt_id FROM attempts ORDER BY 1") == [("att_1",), ("att_2",)]
    await hold(books, "4", 5)  # what fits goes on
    await end(books, "1", 3)
    assert read(store_url, WINDOWS) == [("global", "total", 3, 15, 0)]
    await hold(books, "5", 7)
    assert read(store_url, WINDOWS) == [("global", "total", 3, 22, 0)]


async def test_a_group_admits_as_many_as_fit(ledger: Open, store_url: str) -> None:
    books = ledger(total(100))
    asked = [hold(books, str(n), 7) for n in range(50)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    refused = [one for one in found if isinstance(one, BudgetError)]
    assert len(refused) == 50 - 14
    assert read(store_url, WINDOWS) == [("global", "total", 0, 98, 0)]
    assert read(store_url, "SELECT COUNT(*) FROM attempts") == [(14,)]


async def test_free_and_dropped_attempts_release_everything(ledger: Open, store_url: str) -> None:
    books = ledger(total(10))
    for key, status in (("1", "error"), ("2", "dropped")):
        await hold(books, key)
        await end(books, key, 0, status=status)
    assert read(store_url, WINDOWS) == [("global", "total", 0, 0, 0)]
    assert read(store_url, HOLDS) == []


async def test_what_costs_nothing_is_never_refused(ledger: Open, store_url: str) -> None:
    books = ledger(total(10))
    await hold(books, "1")
    await end(books, "1", 11)  # more than its hold, against all reason
    assert read(store_url, WINDOWS) == [("global", "total", 11, 0, 0)]
    await hold(books, "2", 0)
    with pytest.raises(BudgetError):
        await hold(books, "3", 1)
    await end(books, "2", 4)  # a provider that asks for money all the same
    assert read(store_url, WINDOWS) == [("global", "total", 15, 0, 0)]


async def test_an_unknown_cost_counts_as_its_hold(ledger: Open, store_url: str) -> None:
    books = ledger(total(25))
    await hold(books, "1")
    await end(books, "1", None)
    assert read(store_url, WINDOWS) == [("global", "total", 10, 0, 10)]
    assert read(store_url, "SELECT attempt_id, unknown FROM budget_holds") == [("att_1", True)]
    with pytest.raises(BudgetError, match=r"0.00000000001 of 0.000000000025 USD spent, and"):
        await hold(books, "2", 16)
    await hold(books, "2", 15)


async def test_an_attempt_that_nothing_bounds_is_refused(ledger: Open, store_url: str) -> None:
    books = ledger(total(25))
    with pytest.raises(BudgetError, match="set its prices") as caught:
        await hold(books, "1", None)
    assert caught.value.code == "unpriced"
    await hold(books, "2")


async def test_a_refused_attempt_leaves_no_trace(ledger: Open, store_url: str) -> None:
    books = ledger(total(5))
    with pytest.raises(BudgetError):
        await hold(books, "1")
    await end(books, "1", 0, status="dropped")  # as every attempt that does not go out
    await hold(books, "2", 5)
    assert read(store_url, "SELECT attempt_id FROM settlements") == []
    await end(books, "2", 5)
    assert read(store_url, "SELECT attempt_id FROM settlements") == [("att_2",)]


async def test_others_under_way_are_waited_for(ledger: Open, store_url: str) -> None:
    books = ledger(total(25))
    await hold(books, "1", 20)
    waiting = asyncio.create_task(books.admit(attempt("2", hold_pico=20)))
    with pytest.raises(BudgetError):
        await hold(books, "3", 26)  # that could never fit
    await end(books, "1", 4)
    await waiting
    assert read(store_url, WINDOWS) == [("global", "total", 4, 20, 0)]


async def test_who_stops_waiting_holds_nothing(ledger: Open, store_url: str) -> None:
    books = ledger(total(25))
    await hold(books, "1", 20)
    waiting = asyncio.create_task(books.admit(attempt("2", hold_pico=20)))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await end(books, "2", 0, status="dropped")
    await end(books, "1", 0)
    assert read(store_url, WINDOWS) == [("global", "total", 0, 0, 0)]
    assert read(store_url, HOLDS) == []


async def test_every_budget_that_matches_is_charged(ledger: Open, store_url: str) -> None:
    books = ledger(
        total(1000),
        total(100, scope="user", subject="ana"),
        total(50, scope="user"),
        total(40, scope="tag", subject="team=blue"),
        total(30, scope="tag", subject="stage"),
        total(20, scope="session"),
        total(60, scope="run"),
        total(70, scope="key", subject="key_1"),
        total(200, scope="global", period="month"),
    )
    await hold(books, "1", user_id="ana", session_id="s1", key_id="key_1")
    tags = '{"team":"blue","stage":"test","run":"r1"}'
    await hold(books, "2", user_id="bob", session_id="s1", key_id="key_2", tags=tags)
    assert read(store_url, WINDOWS) == [
        ("global", "2025-06", 0, 20, 0),
        ("global", "total", 0, 20, 0),
        ("key", "total", 0, 10, 0),
        ("run", "total/r1", 0, 10, 0),
        ("session", "total/s1", 0, 20, 0),
        ("tag", "total", 0, 10, 0),
        ("tag", "total/stage=test", 0, 10, 0),
        ("user", "total", 0, 10, 0),
        ("user", "total/bob", 0, 10, 0),
    ]
    with pytest.raises(BudgetError, match="the budget of session s1"):
        await hold(books, "3", session_id="s1")
    with pytest.raises(BudgetError, match="the budget of user bob"):
        await hold(books, "4", 41, user_id="bob")
    await hold(books, "5", 41, user_id="ana")  # her own takes the place of each user's


async def test_a_refused_attempt_holds_nothing_elsewhere(ledger: Open, store_url: str) -> None:
    books = ledger(total(100), total(5, scope="user"))
    with pytest.raises(BudgetError):
        await hold(books, "1", user_id="ana")
    await hold(books, "2")
    assert read(store_url, WINDOWS) == [
        ("global", "total", 0, 10, 0),
        *([("user", "total/ana", 0, 0, 0)] if store_url.startswith("postgres") else []),
    ]


async def test_a_new_period_begins_with_nothing_spent(ledger: Open, store_url: str) -> None:
    books = ledger(total(10, period="day", zone="Asia/Tokyo"))
    await hold(books, "1")  # 00:06 there
    before = NOW - 7 * 60 * 10**6
    await hold(books, "2", started_at=before)
    with pytest.raises(BudgetError, match=r"begins anew on 2025-06-17 00:00 \(Asia/Tokyo\)"):
        await hold(books, "3")
    await end(books, "2", 4)
    assert read(store_url, WINDOWS) == [
        ("global", "2025-06-15", 4, 0, 0),
        ("global", "2025-06-16", 0, 10, 0),
    ]


async def test_two_processes_share_a_budget(ledger: Open, store_url: str) -> None:
    first, second = ledger(total(25)), ledger(total(25))
    await hold(first, "1")
    await hold(second, "2")
    for books in (first, second):
        with pytest.raises(BudgetError):
            await hold(books, "3")
    await end(first, "1", 1)
    await hold(second, "4", 14)
    assert read(store_url, WINDOWS) == [("global", "total", 1, 24, 0)]


async def test_a_cap_that_is_set_by_another_holds_at_once(ledger: Open, store_url: str) -> None:
    books = ledger(total(25))
    await hold(books, "1")
    other = connect(parse_url(store_url))
    put_budget(other, total(100))
    await hold(books, "2", 80)
    put_budget(other, total(95))
    with pytest.raises(BudgetError):
        await hold(books, "3", 6)
    other.close()


async def test_a_store_that_cannot_be_written_refuses_what_is_under_a_budget(tmp_path: Any) -> None:
    path = tmp_path / "ledger.db"
    path.mkdir()
    books = Ledger(path, budgets=[total(25, scope="user", subject="ana")])
    with pytest.raises(StoreError, match="under a budget"):
        await hold(books, "1", user_id="ana")
    await hold(books, "2", user_id="bob")
    books.add(settlement("1", status="dropped", cost_pico=0, cost_source="free"))
    await books.close()
