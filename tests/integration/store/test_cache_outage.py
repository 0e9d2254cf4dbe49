"""Answers kept beyond the process, where that is down, slow, locked or killed."""

import asyncio
import logging
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from llm_orchestrator.store.cache import CacheStore
from llm_orchestrator.store.cache_redis import RedisShelf
from llm_orchestrator.store.cache_rows import Shelf
from llm_orchestrator.store.cache_sql import SQLShelf
from llm_orchestrator.store.urls import parse_url
from tests.integration.store.cache_data import now_us, row


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
        assert "no answer within 0.5 s" in told
        began = time.monotonic()
        for _ in range(100):
            assert await store.find("a") is None
        assert time.monotonic() - began < 8, "it is left alone for a while"
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
