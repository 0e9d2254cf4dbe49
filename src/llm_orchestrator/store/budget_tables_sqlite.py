"""The tables of budgets in SQLite, inside a transaction that has begun."""

import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain

import msgspec

from llm_orchestrator.store.balance import CORRECT, ORPHANS, Entry, Hold, Reached, Window
from llm_orchestrator.store.matching import Key, make_key, split_key
from llm_orchestrator.types.money import Pico

# Few, long statements: the interpreter lock is given up once a statement, and taking it back costs
# more than the statement. Lists are padded to powers of two, so that few are ever prepared.
_CHUNK = 64
_HOLDS = (
    "SELECT attempt_id, windows, hold_pico, unknown FROM budget_holds"
    " WHERE attempt_id IN (SELECT value FROM json_each(?))"
)
_KNOWN = "SELECT attempt_id FROM attempts WHERE attempt_id IN (SELECT value FROM json_each(?))"
_WINDOWS = (
    "WITH k (budget_id, window_key) AS (VALUES {})"
    " SELECT k.budget_id, k.window_key, b.cap_pico, COALESCE(w.spent_pico, 0),"
    " COALESCE(w.held_pico, 0), COALESCE(w.unknown_pico, 0)"
    " FROM k JOIN budgets AS b ON b.budget_id = k.budget_id"
    " LEFT JOIN budget_windows AS w"
    " ON w.budget_id = k.budget_id AND w.window_key = k.window_key"
)
_CHANGE = (
    "INSERT INTO budget_windows"
    " (budget_id, window_key, spent_pico, held_pico, unknown_pico, updated_at) VALUES {}"
    " ON CONFLICT (budget_id, window_key) DO UPDATE SET spent_pico = excluded.spent_pico,"
    " held_pico = excluded.held_pico, unknown_pico = excluded.unknown_pico,"
    " updated_at = excluded.updated_at"
)
_HOLD = (
    "INSERT INTO budget_holds (attempt_id, windows, hold_pico, unknown) VALUES {}"
    " ON CONFLICT DO NOTHING"
)
_FREE = "DELETE FROM budget_holds WHERE attempt_id IN (SELECT value FROM json_each(?))"
_LOSE = (
    "UPDATE budget_holds SET unknown = true WHERE attempt_id IN (SELECT value FROM json_each(?))"
)
_TELL = (
    "INSERT INTO budget_alerts"
    " (budget_id, window_key, share, spent_pico, cap_pico, reached_at, executor_id)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_KEPT = 10_000
_json = msgspec.json.Encoder().encode


class Memory:
    """Windows as this connection left them: right as long as no other one has written."""

    def __init__(self) -> None:
        self._windows: dict[Key, Window] = {}
        self._version: object = None

    def windows(self, connection: sqlite3.Connection) -> dict[Key, Window]:
        """What is still right, inside a transaction that excludes others."""
        version = connection.execute("PRAGMA data_version").fetchone()
        if version != self._version or len(self._windows) > _KEPT:
            self._windows.clear()
            self._version = version
        return self._windows

    def forget(self) -> None:
        """Nothing of it is right any more."""
        self._windows.clear()
        self._version = None


class SQLiteBudgetTables:
    """Reads and changes the tables. What it did to ``memory`` counts once it is committed."""

    def __init__(self, connection: sqlite3.Connection, memory: Memory) -> None:
        self._connection = connection
        self._memory = memory

    def holds(self, attempt_ids: Sequence[str]) -> list[Hold]:
        """What these attempts hold."""
        return self._connection.execute(_HOLDS, (_text(attempt_ids),)).fetchall()

    def known(self, attempt_ids: Sequence[str]) -> list[str]:
        """Those of the attempts that are written already."""
        rows = self._connection.execute(_KNOWN, (_text(attempt_ids),))
        return [attempt_id for (attempt_id,) in rows]

    def orphans(self) -> list[str]:
        """Attempts that hold something, and whose process is gone."""
        return [attempt_id for (attempt_id,) in self._connection.execute(ORPHANS)]

    def windows(self, keys: Sequence[Key]) -> dict[Key, Window]:
        """The windows; those of budgets that were removed are left out."""
        known = self._memory.windows(self._connection)
        wanted = [split_key(key) for key in keys if key not in known]
        for size, values in _padded(wanted):
            for row in self._connection.execute(_many(_WINDOWS, size, 2), values):
                known[make_key(row[0], row[1])] = Window(*row[2:])
        return {key: window for key in keys if (window := known.get(key))}

    def tell(self, reached: Reached) -> bool:
        """Note that a share was reached; False when that was known."""
        return self._connection.execute(_TELL, reached).rowcount > 0

    def correct(self, attempt_id: str, cost_pico: Pico) -> None:
        """Say what an attempt has cost whose outcome is known without its cost."""
        self._connection.execute(CORRECT, (cost_pico, attempt_id))

    def put(self, entry: Entry) -> None:
        """Change holds and windows."""
        run = self._connection.execute
        for size, values in _padded(list(entry.held.values())):
            run(_many(_HOLD, size, 4), values)
        if entry.gone:
            run(_FREE, (_text(entry.gone),))
        if entry.lost:
            run(_LOSE, (_text(entry.lost),))
        found = [(split_key(key), entry.windows[key]) for key in entry.changed]
        rows = [
            (*key, one.spent_pico, one.held_pico, one.unknown_pico, entry.at_us)
            for key, one in found
        ]
        for size, values in _padded(rows):
            run(_many(_CHANGE, size, 6), values)


def _padded(rows: Sequence[Sequence[object]]) -> Iterable[tuple[int, list[object]]]:
    """The rows in chunks, the last one repeated up to a power of two, which changes nothing."""
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        size = 1 << (len(part) - 1).bit_length()
        yield size, [*chain.from_iterable(part), *list(part[-1]) * (size - len(part))]


@cache
def _many(statement: str, size: int, width: int) -> str:
    row = f"({', '.join('?' * width)})"
    return statement.format(", ".join([row] * size))


def _text(value: object) -> str:
    return _json(value).decode()
