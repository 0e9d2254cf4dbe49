"""The ledger in one SQLite file, safe for many processes."""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from msgspec import to_builtins
from msgspec.structs import astuple

from llm_orchestrator.errors import StoreError
from llm_orchestrator.store.balance import Entry
from llm_orchestrator.store.budget_control import Plan
from llm_orchestrator.store.budget_tables_sqlite import Memory, SQLiteBudgetTables
from llm_orchestrator.store.ddl import ddl
from llm_orchestrator.store.executor import Executor
from llm_orchestrator.store.rows import Group, Row
from llm_orchestrator.store.sql_sqlite import HEAD

_REVISION = int(HEAD)
_CHUNK = 64
"""Rows a statement. The interpreter lock is given up once a statement, and taking it back from a
busy event loop may take milliseconds: so few, long statements."""
_STATEMENTS = 512
MEMORY = ":memory:"
_LOOK_S = 1.0
"""How often to look whether the file is still the one that was opened."""


def insert(table: str, columns: Sequence[str], rows: int = 1) -> str:
    """The insert of so many rows that give these columns; the others get their defaults.

    Python's sqlite3 takes 200 ns to bind a None, four times as long as a number: half of the
    columns of most rows are unset, so they are left out.
    """
    values = f"({', '.join('?' * len(columns))})"
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608 - names of our structs
        f"{', '.join([values] * rows)} ON CONFLICT DO NOTHING"
    )


class SQLiteBackend:
    """One connection, used by one thread."""

    errors: tuple[type[Exception], ...] = (sqlite3.Error,)
    data_errors: tuple[type[Exception], ...] = (
        sqlite3.IntegrityError,
        sqlite3.DataError,
        sqlite3.ProgrammingError,
        OverflowError,
        UnicodeEncodeError,
    )

    def __init__(self, path: str, *, timeout_s: float = 5.0) -> None:
        self.path = path
        self.timeout_s = timeout_s
        self._connection: sqlite3.Connection | None = None
        self._statements: dict[tuple[str, tuple[str, ...], int], str] = {}
        self._memory = Memory()
        self._inode = 0
        self._looked = 0.0

    def open(self) -> None:
        """Connect; make the file, or bring its schema up to date."""
        if self.path != MEMORY:
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self.path,
            timeout=self.timeout_s,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_STATEMENTS,
        )
        try:
            self._prepare(connection)
            self._inode = self._look()
        except BaseException:
            connection.close()
            raise
        self._looked = time.monotonic()
        self._connection = connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        revision = connection.execute("PRAGMA user_version").fetchone()[0]
        if revision == 0:
            self._create(connection)
        elif revision < _REVISION:
            from llm_orchestrator.store.migrate import upgrade_sqlite

            upgrade_sqlite(self.path, timeout_s=self.timeout_s)
        elif revision > _REVISION:
            raise StoreError(
                f"{self.path} was written by a newer llm-orchestrator (schema {revision}, "
                f"this one knows {_REVISION}): upgrade it, or set store.url to another file"
            )
        connection.execute("PRAGMA synchronous=NORMAL")

    def _create(self, connection: sqlite3.Connection) -> None:
        self._use_wal(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                self._refuse_foreign(connection)
                for statement in ddl("sqlite"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={_REVISION}")
            connection.execute("COMMIT")
        except BaseException:
            _roll_back(connection)
            raise

    def _refuse_foreign(self, connection: sqlite3.Connection) -> None:
        row = connection.execute("SELECT name FROM sqlite_master LIMIT 1").fetchone()
        if row is not None:
            raise StoreError(
                f"{self.path} belongs to another application (it holds {row[0]}): "
                "give the ledger a file of its own with store.url"
            )

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        # Switching the journal does not wait for other connections, whatever the timeout.
        deadline = time.monotonic() + self.timeout_s
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def write(self, group: Group, plan: Plan | None = None) -> Entry | None:
        """Commit all rows of the group, or none. Rows that are already there are left alone."""
        connection = self._connected()
        if plan is None and self._written_at_once(connection, group):
            return None
        connection.execute("BEGIN IMMEDIATE")
        try:
            entry = None
            attempts: Sequence[Row] = group.attempts
            settlements: Sequence[Row] = group.settlements
            if plan is not None:
                tables = SQLiteBudgetTables(connection, self._memory)
                entry = plan(tables, group)
                tables.put(entry)
                attempts, settlements = entry.attempts, entry.settlements
            self._insert(connection, "attempts", attempts)
            self._insert(connection, "settlements", settlements)
            self._insert(connection, "calls", group.calls)
            connection.execute("COMMIT")
        except BaseException:
            self._memory.forget()
            _roll_back(connection)
            raise
        return entry

    def _written_at_once(self, connection: sqlite3.Connection, group: Group) -> bool:
        """Whether the group was one statement, which is a transaction by itself."""
        if group.settlements or group.calls or len(group.attempts) > _CHUNK:
            return False
        shapes = _by_shape(group.attempts)
        if len(shapes) != 1:
            return False
        self._insert_shapes(connection, "attempts", shapes)
        return True

    def _connected(self) -> sqlite3.Connection:
        now = time.monotonic()
        if self._connection is not None and now - self._looked > _LOOK_S:
            self._looked = now
            self._check_file()
        if self._connection is None:
            self.open()
        assert self._connection is not None  # noqa: S101 - for the type checker
        return self._connection

    def _check_file(self) -> None:
        """Let a file go that was moved or deleted: what is written to it, nobody would find."""
        if self._look() != self._inode:
            self.close()

    def _look(self) -> int:
        try:
            return os.stat(self.path).st_ino  # noqa: PTH116 - asked once a second
        except OSError:
            return 0

    def _insert(self, connection: sqlite3.Connection, table: str, rows: Sequence[Row]) -> None:
        self._insert_shapes(connection, table, _by_shape(rows))

    def _insert_shapes(self, connection: sqlite3.Connection, table: str, shapes: "_Shapes") -> None:
        for shape, values in shapes.items():
            width = len(shape)
            step = _CHUNK * width
            for start in range(0, len(values), step):
                part = values[start : start + step]
                connection.execute(self._statement(table, shape, len(part) // width), part)

    def _statement(self, table: str, shape: tuple[str, ...], size: int) -> str:
        key = (table, shape, size)
        try:
            return self._statements[key]
        except KeyError:
            text = insert(table, shape, size)
            if len(self._statements) >= _STATEMENTS:
                self._statements.clear()
            self._statements[key] = text
            return text

    def enrol(self, executor: Executor, now_us: int) -> None:
        """Say that this process writes, or still does."""
        self._connected().execute(
            "INSERT INTO executors (executor_id, host, boot, pid, born, started_at, seen_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET seen_at = excluded.seen_at, ended_at = NULL",
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
        self._connected().executemany(
            "UPDATE executors SET ended_at = ? WHERE executor_id = ? AND ended_at IS NULL",
            [(now_us, executor_id) for executor_id in executor_ids],
        )

    def query(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a SELECT, one by one."""
        return iter(self._connected().execute(sql, parameters))

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run one statement that changes rows, by itself; how many."""
        self._memory.forget()
        return self._connected().execute(sql, parameters).rowcount

    def execute_many(self, sql: str, rows: Iterable[Sequence[object]]) -> int:
        """Run one statement once for each row; how many rows it changed."""
        self._memory.forget()
        return max(0, self._connected().executemany(sql, rows).rowcount)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is executed within is committed together; nobody else writes meanwhile."""
        connection = self._connected()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            _roll_back(connection)
            raise

    def close(self) -> None:
        """Disconnect; `write` connects again."""
        self._memory.forget()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


_Shapes: TypeAlias = dict[tuple[str, ...], list[object]]
"""Values of rows one after the other, by the columns that they give."""


def _by_shape(rows: Sequence[Row]) -> _Shapes:
    shapes: _Shapes = {}
    for row in rows:
        given: dict[str, object] = to_builtins(row)
        shape = tuple(given)
        values = shapes.get(shape)
        if values is None:
            shapes[shape] = list(given.values())
        else:
            values += given.values()
    return shapes


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")
