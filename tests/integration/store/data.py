"""Rows to write, and a plain look at what was written."""

import sqlite3
import time
from typing import Any

import psycopg

from llm_orchestrator.store.connect import connect
from llm_orchestrator.store.rows import AttemptRow, CallRow, SettlementRow
from llm_orchestrator.store.urls import parse_url

NOW = 1_750_000_000_000_000  # 2025-06-15T15:06:40Z


def open_store(url: str) -> None:
    """Make the store, or bring it up to date."""
    backend = connect(parse_url(url))
    try:
        backend.open()
    finally:
        backend.close()


def attempt(key: str, **fields: Any) -> AttemptRow:
    given: dict[str, Any] = {"provider": "openai", "model": "gpt-4o-mini", "started_at": NOW}
    return AttemptRow(attempt_id=f"att_{key}", call_id=f"call_{key}", **given | fields)


def settlement(key: str, **fields: Any) -> SettlementRow:
    given: dict[str, Any] = {
        "status": "ok",
        "status_code": 200,
        "input_tokens": 100,
        "output_tokens": 20,
        "cost_pico": 27_000_000,
        "cost_source": "price",
        "ended_at": NOW + 500_000,
        "latency_us": 500_000,
    }
    return SettlementRow(attempt_id=f"att_{key}", **given | fields)


def call(key: str, **fields: Any) -> CallRow:
    given: dict[str, Any] = {
        "started_at": NOW,
        "ended_at": NOW + 600_000,
        "status": "ok",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "requested_model": "gpt-4o-mini",
        "input_tokens": 100,
        "output_tokens": 20,
        "cost_pico": 27_000_000,
        "latency_us": 600_000,
    }
    return CallRow(call_id=f"call_{key}", **given | fields)


def read(url: str, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query, past all code of ours."""
    if url.startswith("postgres"):
        with psycopg.connect(url) as server:
            return server.execute(sql.encode()).fetchall()
    # Read only, so that looking does not make the file.
    connection = sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def wait_for(url: str, sql: str, expected: list[tuple[Any, ...]], timeout_s: float = 30) -> None:
    """Return when the query gives what is expected; fail after the timeout."""
    deadline = time.monotonic() + timeout_s
    while (found := _read_if_there(url, sql)) != expected:
        assert time.monotonic() < deadline, f"{sql}: {found}, not {expected}"
        time.sleep(0.02)


def _read_if_there(url: str, sql: str) -> list[tuple[Any, ...]] | str:
    try:
        return read(url, sql)
    except (sqlite3.OperationalError, psycopg.Error) as error:
        return str(error)
