import asyncio
import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from llm_orchestrator.errors import ConfigError, StoreError
from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.store.reports import Filter, Reports, Totals
from llm_orchestrator.store.rows import CallRow, SettlementRow
from tests.integration.store.data import NOW, attempt, call, read, settlement

DAY = 86_400 * 10**6
BIG = 9_000_000 * 10**12  # nine million dollars: two of them overflow 63 bits


async def write_story(url: str) -> None:
    """A failed attempt and its fallback, a free call the day before, a call nobody answered."""
    ann = {"user_id": "ann", "session_id": "ses_1", "strategy": "fallback"}
    claude = {"provider": "anthropic", "model": "claude-haiku-4-5"}
    before = {"started_at": NOW - DAY, "category": "test"}
    ledger = Ledger(url)
    for row in (
        attempt("1", hold_pico=70, **ann),
        attempt("2", number=2, hold_pico=90, **ann, **claude),
        attempt("3", provider="local", model="smol", **before),
        attempt("4"),
    ):
        await ledger.intent(row)
    unknown = {"cost_pico": None, "cost_source": "unknown", "input_tokens": None}
    outcomes: list[SettlementRow | CallRow] = [
        settlement("1", status="truncated", error="TruncatedError", **unknown),
        settlement("2", cost_pico=1_050_000_001, cache_read_tokens=40, cache_write_tokens=30),
        settlement("3", cost_pico=0, cost_source="free", reasoning_tokens=5),
        settlement("4", status="error", error="ServerError", **unknown),
        call("1", cost_pico=None, fallback_used=True, latency_us=900_001, **ann, **claude),
        call("3", cost_pico=0, provider="local", model="smol", **before),
        call("4", status="error", provider=None, model=None, cost_pico=None, latency_us=3),
    ]
    for outcome in outcomes:
        ledger.add(outcome)
    await ledger.close()


@pytest.fixture
def reports(store_url: str) -> Iterator[Reports]:
    asyncio.run(write_story(store_url))
    with Reports(store_url) as reports:
        yield reports


def test_totals(reports: Reports) -> None:
    totals = reports.totals()
    assert totals == Totals(
        calls=3,
        failed_calls=1,
        latency_us=(900_001 + 600_000 + 3) // 3,
        attempts=4,
        failed=2,
        unpriced=2,
        unbounded=1,
        cost_pico=1_050_000_001,
        bound_pico=70,
        input_tokens=200,
        output_tokens=80,
        cache_read_tokens=40,
        cache_write_tokens=30,
        reasoning_tokens=5,
    )
    assert totals.cost == Decimal("0.001050000001")


def test_by_provider_counts_calls_where_they_were_answered(reports: Reports) -> None:
    found = reports.by("provider")
    assert list(found) == ["anthropic", "", "local", "openai"]
    assert (found["anthropic"].calls, found["anthropic"].attempts) == (1, 1)
    assert (found["openai"].calls, found["openai"].attempts, found["openai"].failed) == (0, 2, 2)
    assert (found[""].calls, found[""].failed_calls, found[""].attempts) == (1, 1, 0)
    assert found["local"].latency_us == 600_000


@pytest.mark.parametrize(
    ("dimension", "keys"),
    [
        ("model", ["anthropic/claude-haiku-4-5", "", "local/smol", "openai/gpt-4o-mini"]),
        ("category", ["orchestration", "test"]),
        ("strategy", ["fallback", ""]),
        ("day", ["2025-06-14", "2025-06-15"]),
        ("user", ["ann", ""]),
    ],
)
def test_groupings(reports: Reports, dimension: str, keys: list[str]) -> None:
    found = reports.by(dimension)  # type: ignore[arg-type]
    assert list(found) == keys
    assert sum(totals.attempts for totals in found.values()) == 4
    assert sum(totals.calls for totals in found.values()) == 3
    assert sum(totals.cost_pico for totals in found.values()) == 1_050_000_001


@pytest.mark.parametrize(
    ("where", "attempts", "calls"),
    [
        (Filter(since=NOW), 3, 2),
        (Filter(until=NOW), 1, 1),
        (Filter(category="test"), 1, 1),
        (Filter(strategy="fallback"), 2, 1),
        (Filter(user_id="ann", provider="openai"), 1, 0),
        (Filter(session_id="ses_1"), 2, 1),
        (Filter(model="smol"), 1, 1),
        (Filter(model="local/smol"), 1, 1),
        (Filter(model="openai/smol"), 0, 0),
        (Filter(user_id="' OR 1=1 --"), 0, 0),
    ],
)
def test_filters(reports: Reports, where: Filter, attempts: int, calls: int) -> None:
    totals = reports.totals(where)
    assert (totals.attempts, totals.calls) == (attempts, calls)


def test_periods() -> None:
    now = dt.datetime(2025, 6, 15, 23, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    midnight = int(dt.datetime(2025, 6, 15, tzinfo=dt.UTC).timestamp()) * 10**6
    assert Filter.of("daily", now=now).since == midnight
    assert Filter.of("weekly", now=now).since == midnight - 6 * DAY
    assert Filter.of("monthly", now=now, category="x").since == midnight - 29 * DAY
    assert Filter.of("all") == Filter()
    with pytest.raises(ConfigError, match="daily, weekly, monthly, all"):
        Filter.of("hourly")


def test_an_unknown_grouping_is_refused(reports: Reports) -> None:
    with pytest.raises(ConfigError, match="category"):
        reports.by("attempt_id; DROP TABLE calls")  # type: ignore[arg-type]


def test_rows_of_calls(reports: Reports) -> None:
    rows = list(reports.rows())
    assert [row["call_id"] for row in rows] == ["call_3", "call_1", "call_4"]
    assert rows[0]["started_at"] == "2025-06-14T15:06:40+00:00"
    assert rows[0]["cost_usd"] == Decimal(0)
    assert rows[1]["cost_usd"] is None
    assert rows[1]["fallback_used"] is True
    assert "request_body" not in rows[0]
    assert "request_body" in next(reports.rows(bodies=True))


def test_rows_of_attempts(reports: Reports) -> None:
    rows = {row["attempt_id"]: row for row in reports.rows(attempts=True)}
    assert len(rows) == 4
    assert rows["att_1"]["status"] == "truncated"
    assert rows["att_1"]["hold_usd"] == Decimal("0.00000000007")
    assert rows["att_2"]["cost_usd"] == Decimal("0.001050000001")
    assert rows["att_2"]["usage_estimated"] is False


def test_sums_beyond_63_bits(store_url: str) -> None:
    async def write() -> None:
        ledger = Ledger(store_url)
        for key in "123":
            await ledger.intent(attempt(key))
            ledger.add(settlement(key, cost_pico=BIG + 1))
            ledger.add(call(key, cost_pico=BIG + 1))
        await ledger.close()

    asyncio.run(write())
    with Reports(store_url) as reports:
        assert reports.totals().cost_pico == 3 * BIG + 3
        assert reports.totals().cost == Decimal("27000000.000000000003")
    exact = "27000000.000000000003"
    [(cost,)] = read(store_url, "SELECT cost_usd FROM analytics_daily")
    assert str(cost) == exact
    found = read(store_url, "SELECT cost_usd FROM ai_audit_log")
    assert {str(row[0]) for row in found} == {"9000000.000000000001"}


def test_the_classic_audit_log(reports: Reports, store_url: str) -> None:
    found = read(
        store_url,
        "SELECT event_id, event_type, tokens_in, latency_ms, user_id, CAST(timestamp AS TEXT)"
        " FROM ai_audit_log ORDER BY event_id",
    )
    assert [row[:5] for row in found] == [
        ("call_1", "request_completed", 100, 900, "ann"),
        ("call_3", "request_completed", 100, 600, None),
        ("call_4", "request_failed", 100, 0, None),
    ]
    assert all("2025-06-1" in row[5] for row in found)


def test_a_store_that_is_not_there_reads_as_empty(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "ledger.db"
    with Reports(str(path)) as reports:
        assert reports.totals() == Totals()
        assert reports.by("provider") == {}
        assert list(reports.rows()) == []
    assert not path.parent.exists()


@pytest.mark.postgres
def test_a_server_that_is_not_there(postgres_url: str) -> None:
    with pytest.raises(StoreError, match=r"cannot be read.*Check that the database runs") as caught:
        Reports("postgresql://me:canary-9@127.0.0.1:1/none")
    assert "canary-9" not in str(caught.value)
    assert "canary-9" not in repr(caught.value)
