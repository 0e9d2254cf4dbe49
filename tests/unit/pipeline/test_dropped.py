"""An attempt that never went out leaves no hold behind."""

import asyncio
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from llm_orchestrator.errors import StoreError
from llm_orchestrator.pipeline.attempt import Attempt, Call
from llm_orchestrator.pipeline.record import Record
from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.request import Message, Request

TARGET = Candidate(
    Provider(name="p", dialect="openai", base_url="http://127.0.0.1:1"), Model(provider="p", id="m")
)


def attempt(cap: int | None = None) -> Attempt:
    call = Call(Request(messages=(Message("user", "x"),)), session_id="s", cap=cap)
    made = Attempt(call, TARGET, 1)
    made.hold = 500
    return made


def outcomes(path: Path) -> list[tuple[str, str, int]]:
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'settlements'").fetchone():
            return []
        query = "SELECT a.attempt_id, s.status, s.cost_pico FROM attempts a LEFT JOIN settlements s"
        return db.execute(f"{query} USING (attempt_id)").fetchall()


def awaited(path: Path) -> list[tuple[str, str, int]]:
    until = time.monotonic() + 20
    while not (found := outcomes(path)) and time.monotonic() < until:
        time.sleep(0.05)
    return found


async def test_cancelled_while_its_intent_is_written(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.db")
    one = attempt()
    task = asyncio.create_task(Record(ledger, "v").enter(one))
    await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    await ledger.close()
    assert outcomes(tmp_path / "l.db") == [(one.id, "dropped", 0)]


async def test_refused_because_the_store_cannot_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    path.write_bytes(b"no database at all, but a text of some length" * 30)
    ledger = Ledger(path)
    one = attempt(cap=1000)
    with pytest.raises(StoreError):
        await Record(ledger, "v").enter(one)
    assert (one.status, one.cost) == ("dropped", 0)
    path.unlink()  # now it can be made
    assert await asyncio.to_thread(awaited, path) == [(one.id, "dropped", 0)]
    await ledger.close()
