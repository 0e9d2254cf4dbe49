"""The runs: made, found, changed, and leased to one driver at a time."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from llm_orchestrator.store.bulk_connection import BulkConnection
from llm_orchestrator.store.bulk_rows import RunRow, RunState

_FIELDS = tuple(field.name for field in msgspec.structs.fields(RunRow))
_JSON = frozenset(("spec", "decisions", "estimate"))
_COLUMNS = ", ".join(f"CAST({name} AS TEXT)" if name in _JSON else name for name in _FIELDS)
_SELECT = f"SELECT {_COLUMNS} FROM bulk_runs"  # noqa: S608 - our names
INSERT = (
    f"INSERT INTO bulk_runs ({', '.join(_FIELDS)}) "  # noqa: S608 - our names
    f"VALUES ({', '.join('?' * len(_FIELDS))}) ON CONFLICT DO NOTHING"
)
_LOCK = 0x6C6C6D72
"""Key of PostgreSQL's advisory lock under which runs are looked for and made."""


class BulkRuns:
    """Reads and changes `bulk_runs`. ``wall`` gives unix seconds, for leases."""

    def __init__(self, connection: BulkConnection, wall: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._wall = wall

    def add(self, run: RunRow) -> bool:
        """Write a new run; False when its id is taken."""
        with self._connection() as backend:
            return backend.execute(INSERT, msgspec.structs.astuple(run)) > 0

    def found_or_added(self, run: RunRow) -> RunRow | None:
        """The newest run of its name, or else of its folder; ``None``: there was none, it is added.

        Of two processes that ask for the same at once, one adds it, and the other one finds it.
        """
        key = "name" if run.name is not None else "out"
        with self._connection(atomic=True) as backend:
            if self._connection.postgres:
                list(backend.query("SELECT pg_advisory_xact_lock(?)", (_LOCK,)))
            rest = f"WHERE {key} = ? ORDER BY created_at DESC, run_id LIMIT 1"
            rows = list(backend.query(f"{_SELECT} {rest}", (getattr(run, key),)))
            if not rows:
                backend.execute(INSERT, msgspec.structs.astuple(run))
        return _run(rows[0]) if rows else None

    def get(self, run_id: str) -> RunRow | None:
        """The run as it stands."""
        found = self._read("WHERE run_id = ?", (run_id,))
        return found[0] if found else None

    def named(self, name: str) -> list[RunRow]:
        """The runs of this name, the newest first."""
        return self._read("WHERE name = ? ORDER BY created_at DESC, run_id", (name,))

    def at(self, out: str) -> list[RunRow]:
        """The runs that write to this folder, the newest first."""
        return self._read("WHERE out = ? ORDER BY created_at DESC, run_id", (out,))

    def listed(self, states: Sequence[RunState] = (), limit: int = 100) -> list[RunRow]:
        """Runs in these states (in all by default), the newest first."""
        where = f"WHERE state IN ({', '.join('?' * len(states))}) " if states else ""
        order = "ORDER BY created_at DESC, run_id LIMIT ?"
        return self._read(f"{where}{order}", (*states, limit))

    def change(self, run_id: str, *, among: Sequence[RunState] = (), **fields: Any) -> bool:
        """Set fields of the run, if it is in one of these states (in any by default)."""
        strange = fields.keys() - set(_FIELDS)
        if strange or not fields:
            raise TypeError(f"no fields of a run: {', '.join(sorted(strange))}")
        changes = ", ".join(f"{name} = ?" for name in fields)
        where = f" AND state IN ({', '.join('?' * len(among))})" if among else ""
        sql = f"UPDATE bulk_runs SET {changes} WHERE run_id = ?{where}"  # noqa: S608 - our names
        with self._connection() as backend:
            return backend.execute(sql, (*fields.values(), run_id, *among)) > 0

    def claim(self, run_id: str, owner: str, seconds: float) -> bool:
        """Lease the run, or renew the lease; False while another owner has it."""
        now = int(self._wall() * 1e6)
        with self._connection() as backend:
            return (
                backend.execute(
                    "UPDATE bulk_runs SET owner = ?, owner_until = ? WHERE run_id = ?"
                    " AND (owner IS NULL OR owner = ? OR owner_until < ?)",
                    (owner, now + int(seconds * 1e6), run_id, owner, now),
                )
                > 0
            )

    def release(self, run_id: str, owner: str) -> None:
        """End the lease of this owner."""
        with self._connection() as backend:
            backend.execute(
                "UPDATE bulk_runs SET owner = NULL, owner_until = NULL"
                " WHERE run_id = ? AND owner = ?",
                (run_id, owner),
            )

    def release_all(self, owner: str) -> None:
        """End all leases of this owner."""
        with self._connection() as backend:
            backend.execute(
                "UPDATE bulk_runs SET owner = NULL, owner_until = NULL WHERE owner = ?", (owner,)
            )

    def unowned(self, states: Sequence[RunState], limit: int = 10) -> list[str]:
        """Runs in these states that nobody drives now, the most urgent first."""
        now = int(self._wall() * 1e6)
        sql = (
            f"SELECT run_id FROM bulk_runs WHERE state IN ({', '.join('?' * len(states))})"  # noqa: S608
            " AND (owner IS NULL OR owner_until < ?) ORDER BY priority DESC, created_at LIMIT ?"
        )
        with self._connection() as backend:
            return [run_id for (run_id,) in backend.query(sql, (*states, now, limit))]

    def _read(self, rest: str, parameters: Sequence[object]) -> list[RunRow]:
        with self._connection() as backend:
            rows = list(backend.query(f"{_SELECT} {rest}", parameters))
        return list(map(_run, rows))


def _run(row: Sequence[Any]) -> RunRow:
    return RunRow(**dict(zip(_FIELDS, row, strict=True)))
