"""An attempt that several processes write, one after the other or at once, holds once."""

import asyncio

from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.types.budget import Budget
from tests.integration.budgets.conftest import Open
from tests.integration.budgets.test_admission import HOLDS, WINDOWS, end
from tests.integration.store.data import attempt, read

CAP = Budget(scope="global", cap_pico=25)


async def admit(ledger: Ledger, key: str = "1") -> None:
    await ledger.admit(attempt(key, hold_pico=10), patience_s=0, again=True)


async def test_it_holds_once_whoever_writes_it(ledger: Open, store_url: str) -> None:
    first, second = ledger(CAP), ledger(CAP)
    await admit(first)
    await admit(second)
    await admit(first)
    assert read(store_url, WINDOWS) == [("global", "total", 0, 10, 0)]
    assert read(store_url, HOLDS) == [("att_1", 10)]
    await end(second, "1", 4)
    assert read(store_url, WINDOWS) == [("global", "total", 4, 0, 0)]
    await admit(first)  # by one who does not know that it has ended
    assert read(store_url, WINDOWS) == [("global", "total", 4, 0, 0)]


async def test_it_holds_once_when_all_write_it_at_once(ledger: Open, store_url: str) -> None:
    books = [ledger(CAP) for _ in range(4)]
    await asyncio.gather(*(admit(one, str(n)) for one in books for n in range(2)))
    assert read(store_url, WINDOWS) == [("global", "total", 0, 20, 0)]
    assert read(store_url, "SELECT COUNT(*) FROM attempts") == [(2,)]
