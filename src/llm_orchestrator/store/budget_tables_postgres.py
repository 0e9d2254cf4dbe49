"""The tables of budgets in PostgreSQL, inside a transaction that has begun.

Rows are locked in one order everywhere, so that no two processes wait for each other: first holds,
then windows, each by their keys.
"""

import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec
from psycopg.pq.abc import PGresult

from llm_orchestrator.store.balance import CORRECT, ORPHANS, Entry, Hold, Reached, Window
from llm_orchestrator.store.matching import Key, make_key, split_key
from llm_orchestrator.types.money import Pico

_HOLDS = b"""\
SELECT attempt_id, windows, hold_pico, unknown FROM budget_holds
WHERE attempt_id IN (SELECT json_array_elements_text(CAST($1 AS json)))
ORDER BY attempt_id FOR UPDATE"""
_KNOWN = b"""\
SELECT attempt_id FROM attempts
WHERE attempt_id IN (SELECT json_array_elements_text(CAST($1 AS json)))"""
_MAKE = b"""\
INSERT INTO budget_windows (budget_id, window_key, updated_at)
SELECT b.budget_id, k ->> 1, CAST($2 AS bigint) FROM json_array_elements(CAST($1 AS json)) AS k
JOIN budgets AS b ON b.budget_id = k ->> 0
ORDER BY 1, 2 ON CONFLICT DO NOTHING"""
_WINDOWS = b"""\
SELECT w.budget_id, w.window_key, b.cap_pico, w.spent_pico, w.held_pico, w.unknown_pico
FROM json_array_elements(CAST($1 AS json)) AS k
JOIN budget_windows AS w ON w.budget_id = k ->> 0 AND w.window_key = k ->> 1
JOIN budgets AS b ON b.budget_id = w.budget_id
ORDER BY w.budget_id, w.window_key FOR UPDATE OF w"""
_TELL = b"""\
INSERT INTO budget_alerts
(budget_id, window_key, share, spent_pico, cap_pico, reached_at, executor_id)
SELECT k ->> 0, k ->> 1, CAST(k ->> 2 AS integer), CAST(k ->> 3 AS bigint),
  CAST(k ->> 4 AS bigint), CAST(k ->> 5 AS bigint), k ->> 6
FROM CAST($1 AS json) AS k ON CONFLICT DO NOTHING RETURNING share"""
_PUT = b"""\
WITH input AS (SELECT CAST($1 AS json) AS d),
held AS (
INSERT INTO budget_holds (attempt_id, windows, hold_pico, unknown)
SELECT h ->> 0, h ->> 1, CAST(h ->> 2 AS bigint), CAST(h ->> 3 AS boolean)
FROM input, json_array_elements(d -> 0) AS h),
gone AS (
DELETE FROM budget_holds
WHERE attempt_id IN (SELECT json_array_elements_text(d -> 1) FROM input)),
lost AS (
UPDATE budget_holds SET unknown = true
WHERE attempt_id IN (SELECT json_array_elements_text(d -> 2) FROM input))
UPDATE budget_windows AS w SET spent_pico = CAST(c ->> 2 AS bigint),
  held_pico = CAST(c ->> 3 AS bigint), unknown_pico = CAST(c ->> 4 AS bigint),
  updated_at = CAST(d ->> 4 AS bigint)
FROM input, json_array_elements(d -> 3) AS c
WHERE w.budget_id = c ->> 0 AND w.window_key = c ->> 1"""
_CORRECT = CORRECT.replace("?", "CAST($1 AS bigint)", 1).replace("?", "$2").encode()
_json = msgspec.json.Encoder().encode

Run: TypeAlias = Callable[[bytes, Sequence[bytes]], PGresult]
"""Runs one statement with its parameters; raises what the database raises."""


class PostgresBudgetTables:
    """Reads and changes the tables; ``made`` are windows that are known to be there."""

    def __init__(self, run: Run, made: set[Key]) -> None:
        self._run = run
        self._made = made

    def holds(self, attempt_ids: Sequence[str]) -> list[Hold]:
        """What these attempts hold."""
        return [
            (a, b, int(c), d == "t")
            for a, b, c, d in _rows(self._run(_HOLDS, [_json(attempt_ids)]))
        ]

    def known(self, attempt_ids: Sequence[str]) -> list[str]:
        """Those of the attempts that are written already."""
        return [row[0] for row in _rows(self._run(_KNOWN, [_json(attempt_ids)]))]

    def orphans(self) -> list[str]:
        """Attempts that hold something, and whose process is gone."""
        return [row[0] for row in _rows(self._run(ORPHANS.encode(), []))]

    def windows(self, keys: Sequence[Key]) -> dict[Key, Window]:
        """The windows; those of budgets that were removed are left out."""
        wanted = _json([split_key(key) for key in keys])
        if not self._made.issuperset(keys):
            self._run(_MAKE, [wanted, b"%d" % (time.time_ns() // 1000)])
        rows = _rows(self._run(_WINDOWS, [wanted]))
        return {make_key(row[0], row[1]): Window(*map(int, row[2:])) for row in rows}

    def tell(self, reached: Reached) -> bool:
        """Note that a share was reached; False when that was known."""
        return self._run(_TELL, [_json(reached)]).ntuples > 0

    def correct(self, attempt_id: str, cost_pico: Pico) -> None:
        """Say what an attempt has cost whose outcome is known without its cost."""
        self._run(_CORRECT, [b"%d" % cost_pico, attempt_id.encode()])

    def put(self, entry: Entry) -> None:
        """Change holds and windows."""
        if not entry.changed and not entry.gone:
            return
        held = list(entry.held.values())
        found = [(key, entry.windows[key]) for key in entry.changed]
        changed = [
            (*split_key(key), one.spent_pico, one.held_pico, one.unknown_pico) for key, one in found
        ]
        self._run(_PUT, [_json((held, entry.gone, entry.lost, changed, entry.at_us))])


def _rows(result: PGresult) -> list[list[str]]:
    columns = range(result.nfields)
    return [
        [(result.get_value(row, column) or b"").decode() for column in columns]
        for row in range(result.ntuples)
    ]
