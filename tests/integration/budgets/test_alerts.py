"""Alerts arrive, once for each share and period, whatever happens in between."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator, ConfigError
from llm_orchestrator.engine import notify
from llm_orchestrator.engine.notify import Notifier
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.types.budget import Alert, Budget
from llm_orchestrator.types.money import to_usd
from llm_orchestrator.types.secret import Secret
from tests.integration.budgets.conftest import Open
from tests.integration.budgets.receiver import Receiver
from tests.integration.store.data import attempt, read, settlement
from tests.integration.world import HELLO, configuration
from tests.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:apprise")
TOKEN = "T0123456-secret-word"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().run() as made:
        yield made


def url(receiver: Receiver) -> str:
    return f"json://ana:{TOKEN}@127.0.0.1:{receiver.port}/hooks/{TOKEN}"


def budget(**more: Any) -> Budget:
    given: dict[str, Any] = {"scope": "global", "cap_pico": 100, "alerts": (50, 80, 100)}
    return Budget(**given | more)


async def spend(ledger: Ledger, key: str, cost: int) -> None:
    await ledger.admit(attempt(key, hold_pico=cost, user_id="ana"))
    ledger.add(settlement(key, cost_pico=cost))
    await ledger.flush()


def some_alert(share: int = 80) -> Alert:
    return Alert(
        budget_id="bud_1",
        scope="user",
        subject="ana",
        period="total",
        window="total",
        window_key="total",
        share=share,
        spent=to_usd(80),
        cap=to_usd(100),
        resets_at=None,
        text=f"{share} % of the budget of user ana is spent",
    )


# ------------------------------------------------------------------ when they are due


async def test_each_share_is_told_once(ledger: Open) -> None:
    told: list[Alert] = []
    books = ledger(budget(), alerted=told.append)
    await spend(books, "1", 49)
    assert told == []
    await spend(books, "2", 1)
    assert [one.share for one in told] == [50]
    await spend(books, "3", 5)
    await spend(books, "4", 45)  # past two at once
    assert [one.share for one in told] == [50, 80, 100]
    last = told[-1]
    assert (last.spent, last.cap) == (to_usd(100), to_usd(100))
    assert last.text == (
        "100 % of the budget for everything is spent: 0.0000000001 of 0.0000000001 USD"
    )


async def test_a_share_is_not_told_again_by_others(ledger: Open, store_url: str) -> None:
    told: list[Alert] = []
    first = ledger(budget(), alerted=told.append)
    await spend(first, "1", 60)
    await first.close()
    later = ledger(budget(), alerted=told.append)
    await spend(later, "2", 25)
    other = ledger(budget(), alerted=told.append)
    await spend(other, "3", 10)
    assert [one.share for one in told] == [50, 80]
    rows = read(store_url, "SELECT share, spent_pico FROM budget_alerts ORDER BY share")
    assert rows == [(50, 60), (80, 85)]


async def test_a_new_period_tells_anew(ledger: Open) -> None:
    told: list[Alert] = []
    books = ledger(budget(scope="user", period="day", zone="America/New_York"), alerted=told.append)
    await spend(books, "1", 50)
    await books.admit(
        attempt("2", hold_pico=50, user_id="ana", started_at=1_750_000_000_000_000 + 86_400 * 10**6)
    )
    books.add(settlement("2", cost_pico=50))
    await books.flush()
    assert [(one.window, one.subject, one.share) for one in told] == [
        ("2025-06-15", "ana", 50),
        ("2025-06-16", "ana", 50),
    ]
    assert told[0].resets_at is not None
    assert told[0].resets_at.isoformat() == "2025-06-16T00:00:00-04:00"
    assert told[0].text.startswith("50 % of the daily budget of user ana (2025-06-15) is spent")


async def test_what_a_dead_process_could_not_tell_is_told(ledger: Open, store_url: str) -> None:
    first = ledger(budget(), alerted=lambda _: None)
    await spend(first, "1", 60)  # nobody notes that it was delivered
    told: list[Alert] = []
    for adopts in (False, True):
        books = ledger(budget(), alerted=told.append, adopts=adopts)
        await spend(books, f"{adopts}", 1)
        assert told == [], "the first one lives"
        await books.close()
    await first.close()
    for key in ("2", "3"):
        books = ledger(budget(), alerted=told.append, adopts=True)
        await spend(books, key, 1)
        assert [one.share for one in told] == [50]


# ------------------------------------------------------------------ how they arrive


async def test_they_arrive_and_are_told_once_also_after_a_restart(
    sim: Simulator, receiver: Receiver, llmo_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(1, logger="apprise")
    config = configuration(sim) | {
        "budgets": [{"scope": "global", "cap": "0.0002", "alerts": [10, 20]}],
        "notify": [url(receiver)],
    }
    for _ in range(2):
        async with AsyncLLMOrchestrator(config) as llm:
            await llm.send_request(HELLO, max_tokens=60, provider="openai")
            await llm.send_request(HELLO, max_tokens=60, provider="openai")
    texts = [post["message"] for post in receiver.posts]
    assert [text[:4] for text in texts] == ["10 %", "20 %"]
    assert "of the budget for everything is spent" in texts[0]
    with closing(sqlite3.connect(llmo_home / "ledger.db")) as db:
        rows = db.execute("SELECT share FROM budget_alerts WHERE delivered_at > reached_at")
        assert rows.fetchall() == [(10,), (20,)]
    assert caplog.text.count("10 % of the budget for everything") == 1
    assert TOKEN not in caplog.text


async def test_a_delivery_that_fails_is_tried_again(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.refusals = 2
    delivered: list[Alert] = []
    notifier = Notifier([Secret(url(receiver))], {}, delivered.append, waits_s=(0.01, 0.02))
    notifier.tell(some_alert())
    await until(lambda: delivered)
    assert [post["message"] for post in receiver.posts] == [some_alert().text]
    assert len(receiver.paths) == 3
    assert caplog.text.count("did not reach json://***; next try in 0 s") == 2
    assert TOKEN not in caplog.text


async def test_only_what_failed_is_tried_again(receiver: Receiver) -> None:
    with Receiver().run() as second:
        second.refusals = 1
        delivered: list[Alert] = []
        places = [Secret(url(receiver)), Secret(url(second))]
        notifier = Notifier(places, {}, delivered.append, waits_s=(0.01,))
        notifier.tell(some_alert())
        await until(lambda: delivered)
        assert len(receiver.posts) == len(second.posts) == 1


async def test_a_budget_may_have_destinations_of_its_own(receiver: Receiver) -> None:
    with Receiver().run() as second:
        own = {("user", "ana", "total"): (Secret(url(second)),), ("user", "bob", "total"): ()}
        notifier = Notifier([Secret(url(receiver))], own)
        notifier.tell(some_alert())
        assert notifier.flush(10)
        assert (len(receiver.posts), len(second.posts)) == (0, 1)


async def test_without_destinations_the_log_has_it(caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier()
    notifier.tell(some_alert())
    assert not notifier.busy
    [record] = caplog.records
    assert (record.levelname, record.message) == ("WARNING", some_alert().text)


async def test_a_notifier_of_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "pager.py").write_text(
        "seen = []\n"
        "def page(alert):\n"
        "    seen.append(alert)\n"
        "    if len(seen) == 1:\n"
        f"        raise RuntimeError('{TOKEN}')\n"
    )
    info = tmp_path / "pager-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pager\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{notify.GROUP}]\npager = pager:page\n")
    monkeypatch.syspath_prepend(tmp_path)
    delivered: list[Alert] = []
    caplog.set_level(logging.DEBUG)
    notifier = Notifier([Secret("pager")], {}, delivered.append, waits_s=(0.01,))
    notifier.tell(some_alert())
    await until(lambda: delivered)
    import pager  # type: ignore[import-not-found]

    assert [one.share for one in pager.seen] == [80, 80]
    assert "did not reach pager" in caplog.text
    assert TOKEN not in caplog.text


async def test_destinations_that_there_are_not_are_told_at_once(sim: Simulator) -> None:
    with pytest.raises(ConfigError, match=r"not 'pagerr' \(installed: none"):
        AsyncLLMOrchestrator(configuration(sim) | {"notify": ["pagerr"]})


async def test_a_url_that_apprise_does_not_know_is_no_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1)
    notifier = Notifier([Secret(f"nonsense://{TOKEN}")])
    assert notifier.try_out(some_alert()) == {"1. nonsense://***": False}
    assert TOKEN not in caplog.text
