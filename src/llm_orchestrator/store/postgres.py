"""The ledger in PostgreSQL."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import psycopg
from msgspec.structs import astuple
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from llm_orchestrator.errors import StoreError
from llm_orchestrator.store.backend import SCHEMA_LOCK, Group
from llm_orchestrator.store.executor import Executor
from llm_orchestrator.store.sql_postgres import DDL, HEAD, INSERT

_NAME = b"llmo_insert"
_POOLED = (psycopg.errors.InvalidSqlStatementName, psycopg.errors.DuplicatePreparedStatement)
"""A pooler gives each statement to any of its sessions: nothing stays prepared there."""
_INSERT = INSERT.replace("%s", "$1").encode()


class PostgresBackend:
    """One connection, used by one thread."""

    errors: tuple[type[Exception], ...] = (psycopg.Error,)
    data_errors: tuple[type[Exception], ...] = (
        psycopg.DataError,
        psycopg.IntegrityError,
        UnicodeEncodeError,
    )

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        self.url = url
        self.timeout_s = timeout_s
        self._connection: psycopg.Connection | None = None
        self._prepared = False
        self._pooled = False
        self._encode = msgspec.json.Encoder().encode

    def open(self) -> None:
        """Connect; make the schema, or bring it up to date."""
        connection = psycopg.connect(
            self.url,
            autocommit=True,
            connect_timeout=max(2, round(self.timeout_s)),
            application_name="llm-orchestrator",
            client_encoding="utf8",
            tcp_user_timeout=round(self.timeout_s * 1000),
        )
        self._prepared = False
        try:
            connection.execute(f"SET lock_timeout = {round(self.timeout_s * 1000)}".encode())
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _prepare(self, connection: psycopg.Connection) -> None:
        try:
            row = connection.execute("SELECT version_num FROM llmo_schema").fetchone()
        except psycopg.errors.UndefinedTable:
            row = None
        if row is None:
            self._create(connection)
        elif row[0] < HEAD:
            from llm_orchestrator.store.migrate import upgrade_postgres

            upgrade_postgres(self.url)
        elif row[0] > HEAD:
            raise StoreError(
                f"the store was written by a newer llm-orchestrator (schema {row[0]}, this one "
                f"knows {HEAD}): upgrade it, or set store.url to another database"
            )

    def _create(self, connection: psycopg.Connection) -> None:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
            if connection.execute("SELECT to_regclass('llmo_schema')").fetchone() != (None,):
                return  # another process was faster
            try:
                for statement in DDL:
                    connection.execute(statement.encode())
            except psycopg.errors.DuplicateTable as error:
                raise StoreError(
                    f"the database holds another application's tables ({error.diag.message_primary}"
                    "): give the ledger a schema of its own, for instance with "
                    "?options=-csearch_path%3Dllmo in store.url"
                ) from error

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self.open()
        assert self._connection is not None  # noqa: S101 - for the type checker
        return self._connection

    def write(self, group: Group) -> None:
        """Commit all rows of the group, or none. Rows that are already there are left alone."""
        # One statement, so that a group costs one round trip and is atomic by itself.
        rows = self._encode(group)
        fresh = self._connection is None
        try:
            self._insert(self._connected(), rows)
        except psycopg.OperationalError:
            if fresh or self._connection is None or not self._connection.broken:
                raise
            # The server dropped an idle connection, or was restarted: that alone is no outage.
            self.close()
            self._insert(self._connected(), rows)

    def _insert(self, connection: psycopg.Connection, rows: bytes) -> None:
        """Run the insert by libpq's own blocking calls.

        They give the interpreter lock up once instead of several times, which matters beside a
        busy event loop, and take a third less CPU.
        """
        libpq = connection.pgconn
        if self._pooled:
            _check(libpq, libpq.exec_params(_INSERT, [rows]))
            return
        try:
            if not self._prepared:
                _check(libpq, libpq.prepare(_NAME, _INSERT))
                self._prepared = True
            _check(libpq, libpq.exec_prepared(_NAME, [rows]))
        except _POOLED:
            self._pooled = True
            self._insert(connection, rows)

    def enrol(self, executor: Executor, now_us: int) -> None:
        """Say that this process writes, or still does."""
        self._connected().execute(
            "INSERT INTO executors (executor_id, host, boot, pid, born, started_at, seen_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (executor_id) DO UPDATE SET seen_at = excluded.seen_at, ended_at = NULL",
            (*astuple(executor)[:6], now_us),
        )

    def living(self) -> list[Executor]:
        """The processes that have not ended, as far as the store knows."""
        rows = self._connected().execute(
            "SELECT executor_id, host, boot, pid, born, started_at, seen_at FROM executors"
            " WHERE ended_at IS NULL"
        )
        return [Executor(*row) for row in rows]

    def retire(self, executor_ids: Sequence[str], now_us: int) -> None:
        """Note the end of processes."""
        self._connected().execute(
            "UPDATE executors SET ended_at = %s WHERE executor_id = ANY(%s) AND ended_at IS NULL",
            (now_us, list(executor_ids)),
        )

    def query(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a SELECT, one by one."""
        with self._connected().cursor() as cursor:
            yield from cursor.stream(_marked(sql), parameters)

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run one statement that changes rows, by itself; how many."""
        return self._connected().execute(_marked(sql), parameters).rowcount

    def close(self) -> None:
        """Disconnect; `write` connects again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _marked(sql: str) -> bytes:
    """The statement with parameters marked as psycopg does."""
    return sql.replace("%", "%%").replace("?", "%s").encode()


def _check(libpq: PGconn, result: PGresult) -> None:
    if result.status == ExecStatus.COMMAND_OK:
        return
    if libpq.status != ConnStatus.OK:
        raise psycopg.OperationalError(libpq.get_error_message())
    raise error_from_result(result, "utf-8")
