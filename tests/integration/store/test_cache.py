"""Answers kept beyond the process: SQLite, PostgreSQL and Redis, well and unwell."""

import asyncio
import gc
import logging
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator.store.cache import CacheStore
from llm_orchestrator.store.cache_redis import RedisShelf
from llm_orchestrator.store.cache_rows import CacheRow, Shelf
from llm_orchestrator.store.cache_sql import SQLShelf
from llm_orchestrator.store.urls import parse_url
from tests.waiting import until

SECOND = 1_000_000


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


def row(key: str, **more: Any) -> CacheRow:
    """An answer that counts from now on, for Redis goes by the clock."""
    now = time.time_ns() // 1000
    given: dict[str, Any] = {
        "body": b'{"content":"yes"}',
        "created_at": now,
        "expires_at": now + 60 * SECOND,
    }
    return CacheRow(key=key, **(given | more))


def now_us() -> int:
    return time.time_ns() // 1000


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


# ------------------------------------------------------------------ unwell


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.message for one in caplog.records if one.levelno == logging.WARNING]


async def test_a_place_that_is_not_there_is_told_once_and_breaks_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "ledger.db"
    path.mkdir()
    store = CacheStore(lambda: SQLShelf(parse_url(path)))
    assert await store.find("a") is None
    store.put(row("a"))
    await store.flush()
    assert await store.find("a") is None
    [told] = warnings_of(caplog)
    assert str(path) in told
    assert "calls go on without it" in told

    path.rmdir()

    async def is_back() -> bool:
        store.put(row("a"))
        await store.flush()
        return await store.find("a") is not None

    for _ in range(500):
        if await is_back():
            break
        await asyncio.sleep(0.02)
    assert await store.find("a") is not None
    assert warnings_of(caplog)[1:] == [f"the cache at {path} is used again"]
    await store.close()


@pytest.mark.parametrize("kind", ["postgres", "redis"])
async def test_a_server_that_says_nothing_holds_nobody_up(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]

        def open_one() -> Shelf:
            if kind == "redis":
                return RedisShelf(f"redis://127.0.0.1:{port}/0")
            return SQLShelf(parse_url(f"postgresql://me@127.0.0.1:{port}/db"))

        store = CacheStore(open_one, patience_s=0.1)
        assert await store.find("a") is None
        [told] = warnings_of(caplog)
        assert "no answer within 0.1 s" in told
        began = time.monotonic()
        for _ in range(100):
            assert await store.find("a") is None
        assert time.monotonic() - began < 0.9, "it is left alone for a while"
        store.put(row("a"))
    await store.close()


async def test_a_file_that_cannot_be_written_is_still_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = parse_url(tmp_path / "ledger.db")
    with closing(SQLShelf(target)) as shelf:
        shelf.put([row("a")])
    store = CacheStore(lambda: SQLShelf(target, timeout_s=0.05))
    with closing(sqlite3.connect(target.place, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for key in ("b", "c"):
            store.put(row(key))
            await store.flush()
            assert await store.find("a")
        other.execute("ROLLBACK")
    [told] = warnings_of(caplog)
    assert "locked" in told
    await store.close()


KILLED = """
import asyncio, sys, time
from llm_orchestrator.store.cache import CacheStore
from llm_orchestrator.store.cache_rows import CacheRow
from llm_orchestrator.store.cache_sql import SQLShelf
from llm_orchestrator.store.urls import parse_url
body, now = b'{"content":"' + b"x" * 3000 + b'"}', time.time_ns() // 1000
store = CacheStore(lambda: SQLShelf(parse_url(sys.argv[1])))
number = 0
while True:
    number += 1
    store.put(CacheRow(key=f"k{number}", body=body, created_at=now, expires_at=now + 10**9))
    if number % 50 == 0:
        store.flush_sync()
        print(number, flush=True)
"""


def test_what_a_killed_process_has_written_is_whole(tmp_path: Path) -> None:
    place = str(tmp_path / "ledger.db")
    for life in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, place], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        flushed = [int(process.stdout.readline()) for _ in range(3 + life)][-1]
        process.kill()
        process.communicate()
        with closing(SQLShelf(parse_url(place))) as shelf:
            found = shelf.find([f"k{number}" for number in range(1, flushed + 1)], now_us())
            assert len(found) == flushed
            assert {len(one.body) for one in found.values()} == {3014}
            assert shelf.clear() >= flushed
