"""The ledger in PostgreSQL."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, TypeVar

import msgspec
import psycopg
from msgspec.structs import astuple
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from llm_orchestrator.errors import StoreError
from llm_orchestrator.store.backend import SCHEMA_LOCK
from llm_orchestrator.store.balance import Entry
from llm_orchestrator.store.budget_control import Plan
from llm_orchestrator.store.budget_tables_postgres import PostgresBudgetTables
from llm_orchestrator.store.ddl import ddl
from llm_orchestrator.store.executor import Executor
from llm_orchestrator.store.matching import Key
from llm_orchestrator.store.rows import Group
from llm_orchestrator.store.sql_postgres import HEAD, INSERT

_POOLED = (psycopg.errors.InvalidSqlStatementName, psycopg.errors.DuplicatePreparedStatement)
"""A pooler gives each statement to any of its sessions: nothing stays prepared there."""
_INSERT = INSERT.replace("%s", "$1").encode()
_BEGIN = b"BEGIN ISOLATION LEVEL READ COMMITTED"
_DONE = frozenset((ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK))
_Found = TypeVar("_Found")


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
        self._prepared: dict[bytes, bytes] = {}
        self._pooled = False
        self._windows: set[Key] = set()
        """Windows of budgets that are known to be there."""
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
        self._prepared = {}
        self._windows.clear()
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
                for statement in ddl("postgres"):
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

    def write(self, group: Group, plan: Plan | None = None) -> Entry | None:
        """Commit all rows of the group, or none. Rows that are already there are left alone."""
        fresh = self._connection is None
        try:
            return self._write(group, plan)
        except _POOLED:
            self._pooled = True
            return self._write(group, plan)
        except psycopg.OperationalError:
            if fresh or self._connection is None or not self._connection.broken:
                raise
            # The server dropped an idle connection, or was restarted: that alone is no outage.
            self.close()
            return self._write(self._without_known(group) if plan else group, plan)

    def _write(self, group: Group, plan: Plan | None) -> Entry | None:
        connection = self._connected()
        run = partial(self._run, connection.pgconn)
        if plan is None:
            # One statement, so that a group costs one round trip and is atomic by itself.
            run(_INSERT, [self._encode(group)])
            return None
        _check(connection.pgconn, connection.pgconn.exec_(_BEGIN))
        try:
            tables = PostgresBudgetTables(run, self._windows)
            entry = plan(tables, group)
            tables.put(entry)
            rows = Group(list(entry.attempts), list(entry.settlements), group.calls)
            if rows:
                run(_INSERT, [self._encode(rows)])
            _check(connection.pgconn, connection.pgconn.exec_(b"COMMIT"))
        except BaseException:
            if connection.pgconn.status == ConnStatus.OK:
                connection.pgconn.exec_(b"ROLLBACK")
            raise
        self._windows.update(entry.windows)
        return entry

    def _without_known(self, group: Group) -> Group:
        """The group without attempts that were committed before the connection broke."""
        ids = [row.attempt_id for row in group.attempts]
        rows = self._connected().execute(
            "SELECT attempt_id FROM attempts WHERE attempt_id = ANY(%s)", (ids,)
        )
        known = {attempt_id for (attempt_id,) in rows}
        attempts = [row for row in group.attempts if row.attempt_id not in known]
        return Group(attempts, group.settlements, group.calls)

    def _run(self, libpq: PGconn, statement: bytes, parameters: Sequence[bytes]) -> PGresult:
        """Run a statement by libpq's own blocking calls.

        They give the interpreter lock up once instead of several times, which matters beside a
        busy event loop, and take a third less CPU.
        """
        if self._pooled:
            result = libpq.exec_params(statement, parameters)
        else:
            name = self._prepared.get(statement)
            if name is None:
                name = b"llmo_%d" % len(self._prepared)
                _check(libpq, libpq.prepare(name, statement))
                self._prepared[statement] = name
            result = libpq.exec_prepared(name, parameters)
        _check(libpq, result)
        return result

    def _repeated(self, work: Callable[[psycopg.Connection], _Found]) -> _Found:
        """Do what may be done twice, once more if the server has dropped an idle connection."""
        idle = (
            self._connection is not None
            and self._connection.pgconn.transaction_status == TransactionStatus.IDLE
        )
        try:
            return work(self._connected())
        except psycopg.OperationalError:
            if not idle or self._connection is None or not self._connection.broken:
                raise
            self.close()
            return work(self._connected())

    def enrol(self, executor: Executor, now_us: int) -> None:
        """Say that this process writes, or still does."""
        sql = (
            "INSERT INTO executors (executor_id, host, boot, pid, born, started_at, seen_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (executor_id) DO UPDATE SET seen_at = excluded.seen_at, ended_at = NULL"
        )
        values = (*astuple(executor)[:6], now_us)
        self._repeated(lambda connection: connection.execute(sql, values))

    def living(self) -> list[Executor]:
        """The processes that have not ended, as far as the store knows."""
        sql = (
            "SELECT executor_id, host, boot, pid, born, started_at, seen_at FROM executors"
            " WHERE ended_at IS NULL"
        )
        rows = self._repeated(lambda connection: connection.execute(sql))
        return [Executor(*row) for row in rows]

    def retire(self, executor_ids: Sequence[str], now_us: int) -> None:
        """Note the end of processes."""
        self._connected().execute(
            "UPDATE executors SET ended_at = %s WHERE executor_id = ANY(%s) AND ended_at IS NULL",
            (now_us, list(executor_ids)),
        )

    def query(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a SELECT, one by one."""
        rows, ahead = self._repeated(partial(_begun, _marked(sql), parameters))
        # One is read ahead: whoever takes the only one leaves nothing that must be cancelled.
        with closing(rows):
            while (row := ahead) is not None:
                ahead = next(rows, None)
                yield row

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run one statement that changes rows, by itself; how many."""
        # Behind a pooler, the next statement may reach a session where nothing is prepared.
        return self._connected().execute(_marked(sql), parameters, prepare=False).rowcount

    def execute_many(self, sql: str, rows: Iterable[Sequence[object]]) -> int:
        """Run one statement once for each row; how many rows it changed."""
        with self._connected().cursor() as cursor:
            cursor.executemany(_marked(sql), rows)
            return max(0, cursor.rowcount)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is executed within is committed together, or not at all."""
        with self._connected().transaction():
            yield

    def close(self) -> None:
        """Disconnect; `write` connects again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _begun(
    sql: bytes, parameters: Sequence[object], connection: psycopg.Connection
) -> tuple[Generator[tuple[Any, ...]], tuple[Any, ...] | None]:
    """The rows of a query, of which the first one is there."""

    def read() -> Generator[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            yield from cursor.stream(sql, parameters)

    rows = read()
    return rows, next(rows, None)


def _marked(sql: str) -> bytes:
    """The statement with parameters marked as psycopg does."""
    return sql.replace("%", "%%").replace("?", "%s").encode()


def _check(libpq: PGconn, result: PGresult) -> None:
    if result.status in _DONE:
        return
    if libpq.status != ConnStatus.OK:
        raise psycopg.OperationalError(libpq.get_error_message())
    raise error_from_result(result, "utf-8")
