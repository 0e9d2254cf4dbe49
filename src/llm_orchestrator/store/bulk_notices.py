"""Alerts and callbacks of bulk runs: kept until they were delivered."""

import time
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import msgspec

from llm_orchestrator.store.bulk_connection import BulkConnection

Severity: TypeAlias = Literal["info", "warning"]
LATER = 1 << 62
"""``next_at`` of a callback whose run has not ended."""


class AlertRow(msgspec.Struct, frozen=True, kw_only=True):
    """One alert; ``subject`` is what it is about. Times are unix microseconds."""

    name: str
    subject: str
    severity: Severity
    action: str
    message: str
    raised_at: int
    told_until: int | None = None
    delivered_at: int | None = None
    resolved_at: int | None = None


class CallbackRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be told when a run ends. ``body`` is JSON text."""

    callback_id: str
    run_id: str
    kind: str
    target: str
    body: str = "{}"
    tries: int = 0
    next_at: int = LATER
    delivered_at: int | None = None
    error: str | None = None


_ALERT = tuple(field.name for field in msgspec.structs.fields(AlertRow))
_CALL = tuple(field.name for field in msgspec.structs.fields(CallbackRow))
_CALL_COLUMNS = ", ".join("CAST(body AS TEXT)" if name == "body" else name for name in _CALL)
_OVER = "('completed', 'partial', 'cancelled', 'failed')"


class BulkAlerts:
    """Reads and changes `bulk_alerts`. ``wall`` gives unix seconds."""

    def __init__(self, connection: BulkConnection, wall: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._wall = wall

    def raise_one(self, alert: AlertRow) -> bool:
        """Note an alert; False when it stands already. One that was resolved stands anew."""
        values = msgspec.structs.astuple(alert)
        with self._connection() as backend:
            return (
                backend.execute(
                    f"INSERT INTO bulk_alerts ({', '.join(_ALERT)})"  # noqa: S608 - our names
                    f" VALUES ({', '.join('?' * len(_ALERT))})"
                    " ON CONFLICT (name, subject) DO UPDATE SET message = excluded.message,"
                    " raised_at = excluded.raised_at, told_until = NULL, delivered_at = NULL,"
                    " resolved_at = NULL WHERE bulk_alerts.resolved_at IS NOT NULL",
                    values,
                )
                > 0
            )

    def resolve(self, name: str, standing: Sequence[str], *, at: int) -> int:
        """Alerts of this name about other subjects are over; how many."""
        keep = f" AND subject NOT IN ({', '.join('?' * len(standing))})" if standing else ""
        sql = f"UPDATE bulk_alerts SET resolved_at = ? WHERE name = ? AND resolved_at IS NULL{keep}"  # noqa: S608
        with self._connection() as backend:
            return backend.execute(sql, (at, name, *standing))

    def take(self, seconds: float) -> list[AlertRow]:
        """Alerts that were not delivered, leased to the caller for so long."""
        now = int(self._wall() * 1e6)
        due = self._read(
            "WHERE delivered_at IS NULL AND (told_until IS NULL OR told_until < ?)"
            " ORDER BY raised_at, name, subject",
            (now,),
        )
        sql = (
            "UPDATE bulk_alerts SET told_until = ? WHERE name = ? AND subject = ?"
            " AND delivered_at IS NULL AND (told_until IS NULL OR told_until < ?)"
        )
        until = now + int(seconds * 1e6)
        with self._connection() as backend:
            return [
                alert
                for alert in due
                if backend.execute(sql, (until, alert.name, alert.subject, now))
            ]

    def delivered(self, name: str, subject: str) -> None:
        """It has arrived."""
        with self._connection() as backend:
            backend.execute(
                "UPDATE bulk_alerts SET delivered_at = ? WHERE name = ? AND subject = ?",
                (int(self._wall() * 1e6), name, subject),
            )

    def listed(self, *, standing: bool = False, limit: int = 100) -> list[AlertRow]:
        """The latest alerts first; only those that are not over if ``standing``."""
        where = "WHERE resolved_at IS NULL " if standing else ""
        return self._read(f"{where}ORDER BY raised_at DESC, name, subject LIMIT ?", (limit,))

    def _read(self, rest: str, parameters: Sequence[object]) -> list[AlertRow]:
        sql = f"SELECT {', '.join(_ALERT)} FROM bulk_alerts {rest}"  # noqa: S608 - our names
        with self._connection() as backend:
            rows = list(backend.query(sql, parameters))
        return [AlertRow(**dict(zip(_ALERT, row, strict=True))) for row in rows]


class BulkCallbacks:
    """Reads and changes `bulk_callbacks`. ``wall`` gives unix seconds: people wait in real time."""

    def __init__(self, connection: BulkConnection, wall: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._wall = wall

    def add(self, callback: CallbackRow) -> bool:
        """Write a new one; False when it is there already."""
        with self._connection() as backend:
            return (
                backend.execute(
                    f"INSERT INTO bulk_callbacks ({', '.join(_CALL)})"  # noqa: S608 - our names
                    f" VALUES ({', '.join('?' * len(_CALL))}) ON CONFLICT DO NOTHING",
                    msgspec.structs.astuple(callback),
                )
                > 0
            )

    def unarmed(self) -> list[str]:
        """Runs that have ended, and whose callbacks do not know it."""
        sql = (
            "SELECT DISTINCT c.run_id FROM bulk_callbacks c JOIN bulk_runs r"  # noqa: S608
            f" ON r.run_id = c.run_id WHERE c.next_at = ? AND r.state IN {_OVER}"
        )
        with self._connection() as backend:
            return [run_id for (run_id,) in list(backend.query(sql, (LATER,)))]

    def untold(self, target: str, since: int) -> list[str]:
        """Runs that ended since then (on their own clock) and have no callback to this target."""
        sql = (
            f"SELECT run_id FROM bulk_runs r WHERE state IN {_OVER} AND ended_at >= ?"  # noqa: S608
            " AND NOT EXISTS (SELECT 1 FROM bulk_callbacks c"
            " WHERE c.run_id = r.run_id AND c.target = ?)"
        )
        with self._connection() as backend:
            return [run_id for (run_id,) in list(backend.query(sql, (since, target)))]

    def arm(self, run_id: str, body: str) -> int:
        """The run has ended: let its callbacks go out; how many."""
        with self._connection() as backend:
            return backend.execute(
                "UPDATE bulk_callbacks SET body = ?, next_at = ? WHERE run_id = ? AND next_at = ?",
                (body, int(self._wall() * 1e6), run_id, LATER),
            )

    def take(self, seconds: float) -> CallbackRow | None:
        """One that is due, counted as tried and leased for so long; ``None`` when none is."""
        now = int(self._wall() * 1e6)
        found = self._read(
            "WHERE delivered_at IS NULL AND next_at <= ? ORDER BY next_at, callback_id LIMIT 20",
            (now,),
        )
        for one in found:
            with self._connection() as backend:
                if backend.execute(
                    "UPDATE bulk_callbacks SET tries = tries + 1, next_at = ?"
                    " WHERE callback_id = ? AND tries = ? AND delivered_at IS NULL",
                    (now + int(seconds * 1e6), one.callback_id, one.tries),
                ):
                    return msgspec.structs.replace(one, tries=one.tries + 1)
        return None

    def delivered(self, callback_id: str) -> None:
        """It has arrived."""
        with self._connection() as backend:
            backend.execute(
                "UPDATE bulk_callbacks SET delivered_at = ?, error = NULL WHERE callback_id = ?",
                (int(self._wall() * 1e6), callback_id),
            )

    def failed(self, callback_id: str, error: str, wait_s: float) -> None:
        """It has not; try it again after so many seconds."""
        with self._connection() as backend:
            backend.execute(
                "UPDATE bulk_callbacks SET error = ?, next_at = ?"
                " WHERE callback_id = ? AND delivered_at IS NULL",
                (error, int((self._wall() + wait_s) * 1e6), callback_id),
            )

    def of_run(self, run_id: str) -> list[CallbackRow]:
        """The callbacks of a run."""
        return self._read("WHERE run_id = ? ORDER BY callback_id", (run_id,))

    def _read(self, rest: str, parameters: Sequence[object]) -> list[CallbackRow]:
        sql = f"SELECT {_CALL_COLUMNS} FROM bulk_callbacks {rest}"  # noqa: S608 - our names
        with self._connection() as backend:
            rows = list(backend.query(sql, parameters))
        return [CallbackRow(**dict(zip(_CALL, row, strict=True))) for row in rows]
