"""Bring an older schema up to date with Alembic. Loaded only when the schema is behind."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from llm_orchestrator.store.backend import SCHEMA_LOCK
from llm_orchestrator.store.sql_sqlite import HEAD
from llm_orchestrator.store.views import VIEWS

_SCRIPTS = Path(__file__).with_name("migrations")


def upgrade_sqlite(path: str, *, timeout_s: float = 5.0, revision: str = HEAD) -> None:
    """Upgrade a SQLite file in one transaction."""
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(path, timeout=timeout_s, isolation_level=None),
        poolclass=NullPool,
    )
    with _plain_errors(), engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        _upgrade(connection, revision, "sqlite")
        connection.exec_driver_sql(f"PRAGMA user_version={int(revision)}")
        connection.commit()


def upgrade_postgres(url: str, *, revision: str = HEAD) -> None:
    """Upgrade a PostgreSQL database in one transaction."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with _plain_errors(), engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SCHEMA_LOCK})
        _upgrade(connection, revision, "postgres")


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Show the database's own errors, as the rest of the store knows them."""
    try:
        yield
    except DBAPIError as error:
        raise (error.orig or error) from error


def _upgrade(connection: Connection, revision: str, kind: str) -> None:
    names = [statement.split()[2] for statement in VIEWS[kind]]
    # Views are made anew each time: they follow from the tables and have no history.
    for name in reversed(names):
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    if revision == HEAD:
        for statement in VIEWS[kind]:
            connection.exec_driver_sql(statement)
