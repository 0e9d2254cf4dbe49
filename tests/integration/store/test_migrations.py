"""Older schemas become the one that a new store is made with."""

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from llm_orchestrator.store.connect import ddl
from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.store.migrate import upgrade_postgres, upgrade_sqlite
from llm_orchestrator.store.sql_sqlite import HEAD
from llm_orchestrator.store.writer import Committed
from tests.integration.store.data import attempt, open_store, read

COLUMNS = (
    "SELECT table_name, column_name, data_type, is_nullable, column_default, numeric_precision"
    " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"
)
INDEXES = "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2"
VIEWS = "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1"


def schema(path: Path) -> dict[str, object]:
    """What a SQLite file holds, without how its statements were written."""
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute(
            "SELECT name, type, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
        ).fetchall()
        found: dict[str, object] = {}
        for name, kind, text in names:
            if kind == "table":
                columns = connection.execute(f"PRAGMA table_info({name})").fetchall()
                unique = sorted(
                    tuple(c[2] for c in connection.execute(f"PRAGMA index_info({index[1]})"))
                    for index in connection.execute(f"PRAGMA index_list({name})")
                )
                found[name] = [row[1:] for row in columns], unique
            else:
                found[name] = " ".join(text.split())
        return found


async def test_an_old_sqlite_file_is_upgraded_by_the_first_row(tmp_path: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    upgrade_sqlite(str(old), revision="0001")
    with closing(sqlite3.connect(old)) as connection:
        connection.execute(
            "INSERT INTO attempts (attempt_id, call_id, provider, model, started_at)"
            " VALUES ('att_0', 'call_0', 'openai', 'gpt-4', 1)"
        )
        connection.commit()
    ledger = Ledger(old)
    assert await ledger.intent(attempt("1")) is Committed.YES
    await ledger.close()
    open_store(str(new))
    assert schema(old) == schema(new)
    assert read(str(old), "SELECT attempt_id FROM attempt_ledger ORDER BY 1") == [
        ("att_0",),
        ("att_1",),
    ]
    assert read(str(old), "SELECT version_num FROM llmo_schema") == [(HEAD,)]
    assert read(str(old), "PRAGMA user_version") == [(int(HEAD),)]


@pytest.mark.postgres
async def test_an_old_database_is_upgraded_by_the_first_row(postgres_url: str) -> None:
    upgrade_postgres(postgres_url, revision="0001")
    ledger = Ledger(postgres_url)
    assert await ledger.intent(attempt("1")) is Committed.YES
    await ledger.close()
    upgraded = [read(postgres_url, query) for query in (COLUMNS, INDEXES, VIEWS)]
    with psycopg.connect(postgres_url) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    open_store(postgres_url)
    assert [read(postgres_url, query) for query in (COLUMNS, INDEXES, VIEWS)] == upgraded


def test_the_printed_schema_makes_a_sqlite_store(tmp_path: Path) -> None:
    printed, made = tmp_path / "printed.db", tmp_path / "made.db"
    with closing(sqlite3.connect(printed)) as connection:
        connection.executescript(ddl("sqlite"))
    open_store(str(made))
    assert schema(printed) == schema(made)
    open_store(str(printed))  # is taken for what it is


@pytest.mark.postgres
def test_the_printed_schema_makes_a_postgres_store(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute(ddl(postgres_url).encode())
    open_store(postgres_url)
    assert read(postgres_url, "SELECT version_num FROM llmo_schema") == [(HEAD,)]


def test_the_classic_names_are_there(store_url: str) -> None:
    open_store(store_url)
    for table, names in {
        "ai_audit_log": "event_id, event_type, timestamp, provider, model, tokens_in, tokens_out,"
        " cost_usd, latency_ms, routing_decision, fallback_used, request_body, response_body,"
        " user_id",
        "ai_workflows": "name, version, definition, status",
        "ai_workflow_runs": "workflow_id, user_id, status, steps, total_cost_usd, total_latency_ms",
        "ai_cache": "request_hash, response_body, expires_at, hit_count",
        "analytics_daily": "day, provider, model, attempts, cost_usd",
    }.items():
        assert read(store_url, f"SELECT {names} FROM {table}") == []
