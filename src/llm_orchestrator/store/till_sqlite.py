"""The tables of budgets in SQLite, inside a transaction that has begun."""

import sqlite3
from collections.abc import Sequence

import msgspec

from llm_orchestrator.store.balance import ORPHANS, Entry, Hold, Reached, Window
from llm_orchestrator.store.matching import Key

# Lists go as JSON: so each is one statement, whatever its length. The interpreter lock is given up
# once a statement, and taking it back costs more than the statement.
_HOLDS = (
    "SELECT attempt_id, budget_id, window_key, hold_pico, unknown FROM budget_holds"
    " WHERE attempt_id IN (SELECT value FROM json_each(?))"
)
_WINDOWS = (
    "SELECT k.budget_id, k.window_key, b.cap_pico, COALESCE(w.spent_pico, 0),"
    " COALESCE(w.held_pico, 0), COALESCE(w.unknown_pico, 0)"
    " FROM (SELECT json_extract(value, '$[0]') AS budget_id,"
    " json_extract(value, '$[1]') AS window_key FROM json_each(?)) AS k"
    " JOIN budgets AS b ON b.budget_id = k.budget_id"
    " LEFT JOIN budget_windows AS w"
    " ON w.budget_id = k.budget_id AND w.window_key = k.window_key"
)
_CHANGE = (
    "INSERT INTO budget_windows"
    " (budget_id, window_key, spent_pico, held_pico, unknown_pico, updated_at)"
    " SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'),"
    " json_extract(value, '$[2]'), json_extract(value, '$[3]'), json_extract(value, '$[4]'), ?"
    " FROM json_each(?) WHERE true"
    " ON CONFLICT (budget_id, window_key) DO UPDATE SET spent_pico = excluded.spent_pico,"
    " held_pico = excluded.held_pico, unknown_pico = excluded.unknown_pico,"
    " updated_at = excluded.updated_at"
)
_HOLD = (
    "INSERT INTO budget_holds (attempt_id, budget_id, window_key, hold_pico, unknown)"
    " SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'),"
    " json_extract(value, '$[2]'), json_extract(value, '$[3]'), json_extract(value, '$[4]')"
    " FROM json_each(?)"
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
_json = msgspec.json.Encoder().encode


class SQLiteDrawer:
    """Reads and changes the tables."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def holds(self, attempt_ids: Sequence[str]) -> list[Hold]:
        """What these attempts hold."""
        rows = self._connection.execute(_HOLDS, (_text(attempt_ids),))
        return [Hold(a, b, c, d, bool(e)) for a, b, c, d, e in rows]

    def orphans(self) -> list[str]:
        """Attempts that hold something, and whose process is gone."""
        return [attempt_id for (attempt_id,) in self._connection.execute(ORPHANS)]

    def windows(self, keys: Sequence[Key]) -> dict[Key, Window]:
        """The windows; those of budgets that were removed are left out."""
        rows = self._connection.execute(_WINDOWS, (_text(keys),))
        return {Key(row[0], row[1]): Window(*row[2:]) for row in rows}

    def tell(self, reached: Reached) -> bool:
        """Note that a share was reached; False when that was known."""
        return self._connection.execute(_TELL, reached).rowcount > 0

    def put(self, entry: Entry) -> None:
        """Change holds and windows."""
        run = self._connection.execute
        if entry.held:
            run(_HOLD, (_text([hold for own in entry.held.values() for hold in own]),))
        if entry.gone:
            run(_FREE, (_text(entry.gone),))
        if entry.lost:
            run(_LOSE, (_text(entry.lost),))
        if entry.changed:
            found = [(key, entry.windows[key]) for key in entry.changed]
            rows = [(*key, one.spent_pico, one.held_pico, one.unknown_pico) for key, one in found]
            run(_CHANGE, (entry.at_us, _text(rows)))


def _text(value: object) -> str:
    return _json(value).decode()
