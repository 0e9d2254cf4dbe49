"""Answers kept beyond the process: SQLite, PostgreSQL and Redis, well and unwell."""

import asyncio
import gc
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from llm_orchestrator.store.cache import CacheStore
from llm_orchestrator.store.cache_redis import RedisShelf
from llm_orchestrator.store.cache_rows import Shelf
from llm_orchestrator.store.cache_sql import SQLShelf
from llm_orchestrator.store.connect import connect
from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.store.reports import Reports
from llm_orchestrator.store.urls import parse_url
from tests.integration.store.cache_data import SECOND, now_us, row
from tests.integration.store.data import call
from tests.waiting import until


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("redis", marks=pytest.mark.redis),
    ]
)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Shelf]:
    """Makes shelves of one empty place."""
    if request.param == "redis":
        url: str = request.getfixturevalue("redis_url")
        return lambda: RedisShelf(url)
    if request.param == "postgres":
        target = parse_url(request.getfixturevalue("postgres_url"))
    else:
        target = parse_url(tmp_path / "data" / "ledger.db")
    return lambda: SQLShelf(target)


@pytest.fixture
def shelf(make: Callable[[], Shelf]) -> Iterator[Shelf]:
    with closing(make()) as made:
        yield made


@pytest.fixture
async def store(make: Callable[[], Shelf]) -> AsyncIterator[CacheStore]:
    made = CacheStore(make)
    yield made
    await made.close()


# ------------------------------------------------------------------ shelves


def test_what_is_put_is_found(shelf: Shelf) -> None:
    rows = [row(f"k{number}", tenant="ann") for number in range(200)]
    shelf.put(rows)
    found = shelf.find([f"k{number}" for number in range(150, 300)], now_us())
    assert sorted(found) == sorted(f"k{number}" for number in range(150, 200))
    assert found["k150"].created_at == rows[150].created_at
    assert found["k150"].expires_at == rows[150].expires_at
    assert found["k150"].body.replace(b" ", b"") == rows[150].body


def test_what_is_put_again_takes_the_old_ones_place(shelf: Shelf) -> None:
    shelf.put([row("a", body=b"1"), row("b", body=b"1"), row("a", body=b"2")])
    shelf.hit({"a": 3}, now_us())
    shelf.put([row("a", body=b"3")])
    found = shelf.find(["a", "b"], now_us())
    assert {key: one.body for key, one in found.items()} == {"a": b"3", "b": b"1"}
    assert shelf.totals(now_us()).hits == 0


def test_what_has_run_out_is_not_found(shelf: Shelf) -> None:
    soon = now_us() + 30 * SECOND
    shelf.put([row("a", expires_at=soon), row("b")])
    assert sorted(shelf.find(["a", "b"], now_us())) == ["a", "b"]
    assert sorted(shelf.find(["a", "b"], soon)) == ["b"]


@pytest.mark.parametrize(
    "make", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
def test_sweeping_is_bounded(shelf: Shelf) -> None:
    now = now_us()
    shelf.put([row(f"old{number}", expires_at=now - 1) for number in range(25)])
    shelf.put([row("new")])
    assert [shelf.sweep(now, 10) for _ in range(4)] == [10, 10, 5, 0]
    assert shelf.totals(now).entries == 1


@pytest.mark.parametrize("make", [pytest.param("redis", marks=pytest.mark.redis)], indirect=True)
async def test_redis_forgets_by_itself(shelf: Shelf, redis_url: str) -> None:
    shelf.put([row("a", expires_at=now_us() + 20_000), row("b")])
    await until(lambda: shelf.totals(now_us()).entries == 1)
    assert shelf.sweep(now_us(), 10) == 0


def test_hits_are_counted_of_what_is_there(shelf: Shelf) -> None:
    shelf.put([row("a", cost_pico=5), row("b", cost_pico=10**15), row("c", cost_pico=None)])
    shelf.hit({"a": 2, "b": 1, "c": 1, "gone": 1}, now_us())
    shelf.hit({"b": 8000}, now_us())
    totals = shelf.totals(now_us())
    assert totals.entries == 3
    assert totals.hits == 8004
    assert totals.saved_pico == 10 + 8001 * 10**15
    assert "gone" not in shelf.find(["gone"], now_us())


def test_totals_tell_what_there_is(shelf: Shelf) -> None:
    assert shelf.totals(now_us()).entries == 0
    assert shelf.totals(now_us()).oldest is None
    one, two = row("a", tenant="ann"), row("b", tenant="bob")
    shelf.put([one, two])
    totals = shelf.totals(now_us())
    assert totals.tenants == 2
    assert totals.bytes >= 2 * len(one.body)
    assert (totals.oldest, totals.newest) == (one.created_at, two.created_at)


def test_clearing_takes_all_or_some(shelf: Shelf) -> None:
    now = now_us()
    rows = [
        row(f"{tenant}{age}", tenant=tenant, created_at=now - age * SECOND)
        for tenant in ("", "ann", "bob")
        for age in (0, 100)
    ]
    shelf.put(rows)
    assert shelf.clear(before_us=now - 50 * SECOND, tenant="ann") == 1
    assert shelf.clear(before_us=now - 50 * SECOND) == 2
    assert shelf.clear(tenant="") == 1
    assert sorted(shelf.find([one.key for one in rows], now)) == ["ann0", "bob0"]
    assert shelf.clear() == 2


def test_a_shelf_shows_no_password() -> None:
    assert "s3cret" not in SQLShelf(parse_url("postgresql://me:s3cret@h/db")).shown
    assert "s3cret" not in RedisShelf("redis://me:s3cret@h:1/0").shown


# ------------------------------------------------------------------ the store


async def test_it_is_read_and_written_beside_the_loop(store: CacheStore) -> None:
    assert await store.find("a") is None
    store.put(row("a"))
    await store.flush()
    found = await asyncio.gather(*(store.find("a") for _ in range(100)), store.find("b"))
    assert [one is not None for one in found] == [True] * 100 + [False]


async def test_hits_and_answers_are_on_disk_after_closing(make: Callable[[], Shelf]) -> None:
    store = CacheStore(make)
    store.put(row("a"))
    for _ in range(7):
        store.hit("a")
    await store.close()
    with closing(make()) as shelf:
        assert shelf.totals(now_us()).hits == 7
    assert await store.find("a") is None
    store.put(row("b"))  # a closed one takes nothing, and breaks nothing


async def test_writing_sweeps_what_has_run_out(make: Callable[[], Shelf]) -> None:
    with closing(make()) as shelf:
        shelf.put([row("old", expires_at=now_us() - 1)])
        store = CacheStore(make)
        store.put(row("new"))
        await store.close()
        totals = shelf.totals(now_us())
        assert (totals.entries, totals.expired) == (1, 0)


async def test_a_row_that_the_place_refuses_does_not_take_others_along(
    store: CacheStore, make: Callable[[], Shelf]
) -> None:
    store.put(row("a"))
    store.put(row("b", body=b'{"content":"\\u0000"}'))  # PostgreSQL's JSON holds no NUL
    store.put(row("c"))
    await store.flush()
    assert await store.find("a")
    assert await store.find("c")


@pytest.mark.usefixtures("new_garbage")
def test_threads_end_with_their_store(make: Callable[[], Shelf]) -> None:
    async def used() -> None:
        store = CacheStore(make)
        store.put(row("a"))
        await store.find("a")

    asyncio.run(used())
    gc.collect()
    until_s = time.monotonic() + 10
    while any(one.name.startswith("llmo-cache") for one in threading.enumerate()):
        assert time.monotonic() < until_s
        time.sleep(0.01)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own(make: Callable[[], Shelf]) -> None:
    store = CacheStore(make)
    store.put(row("parent"))
    store.flush_sync()
    assert asyncio.run(store.find("parent"))
    pid = os.fork()
    if pid == 0:
        try:
            found = asyncio.run(store.find("parent"))
            store.put(row("child"))
            store.close_sync()
            os._exit(0 if found else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert asyncio.run(store.find("parent"))
    assert asyncio.run(store.find("child"))
    store.close_sync()


async def test_two_processes_share(make: Callable[[], Shelf]) -> None:
    one, other = CacheStore(make), CacheStore(make)
    one.put(row("a"))
    await one.flush()
    assert await other.find("a")
    await one.close()
    await other.close()


@pytest.mark.parametrize(
    "make", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
async def test_many_writers_of_the_same_rows(make: Callable[[], Shelf]) -> None:
    def work(seed: int) -> None:
        with closing(make()) as shelf:
            for turn in range(10):
                keys = [f"k{(number * 7 + seed) % 40}" for number in range(40)]
                shelf.put([row(key) for key in keys])
                shelf.hit(dict.fromkeys(keys[turn:], 1), now_us())
                shelf.sweep(now_us(), 5)

    await asyncio.gather(*(asyncio.to_thread(work, seed) for seed in range(4)))
    with closing(make()) as shelf:
        assert shelf.totals(now_us()).entries == 40


async def test_reports_tell_what_was_saved_however_much_it_is(store_url: str) -> None:
    big = 9_000_000 * 10**12  # two of them overflow 63 bits
    ledger = Ledger(store_url)
    rows = [
        call("1"),
        call("2", cache_hit=True, saved_pico=big, cost_pico=0, user_id="ann"),
        call("3", cache_hit=True, saved_pico=big + 1, cost_pico=0, user_id="ann"),
        call("4", cache_hit=True, saved_pico=None, cost_pico=0),
    ]
    for one in rows:
        ledger.add(one)
    await ledger.close()
    with Reports(store_url) as reports:
        totals = reports.totals()
        assert (totals.calls, totals.cache_hits, totals.saved_pico) == (4, 3, 2 * big + 1)
        by_user = reports.by("user")
        assert (by_user["ann"].cache_hits, by_user[""].saved_pico) == (2, 0)
        told = {one["call_id"]: one for one in reports.rows()}
        assert told["call_2"]["cache_hit"] is True
        assert told["call_2"]["saved_usd"] == 9_000_000


def test_nothing_stays_prepared_in_a_session_that_a_pooler_may_give_away(postgres_url: str) -> None:
    backend = connect(parse_url(postgres_url))
    for number in range(20):
        backend.execute("DELETE FROM ai_cache WHERE request_hash = ?", [str(number)])
        list(backend.query("SELECT * FROM ai_cache WHERE request_hash = ?", [str(number)]))
    assert list(backend.query("SELECT statement FROM pg_prepared_statements")) == []
    backend.close()
