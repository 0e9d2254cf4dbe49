"""Nights: which dates of a schedule were run, so that none is run twice."""

import time
from collections.abc import Callable

import msgspec

from llm_orchestrator.store.bulk_connection import BulkConnection


class Night(msgspec.Struct, frozen=True):
    """One night of a schedule. Times are unix microseconds; ``jobs`` went out in it."""

    schedule: str
    local_date: str
    begun_at: int
    ended_at: int | None
    owner: str | None
    owner_until: int | None
    jobs: int | None


_SELECT = (
    "SELECT schedule, local_date, begun_at, ended_at, owner, owner_until, jobs FROM bulk_nights"
)


class BulkNights:
    """Reads and changes `bulk_nights`. ``wall`` gives unix seconds, for leases."""

    def __init__(self, connection: BulkConnection, wall: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._wall = wall

    def begin(self, schedule: str, local_date: str, owner: str, seconds: float, *, at: int) -> bool:
        """Take a night that nobody has run; False when it, or a later one, was begun."""
        until = int((self._wall() + seconds) * 1e6)
        with self._connection() as backend:
            return (
                backend.execute(
                    "INSERT INTO bulk_nights (schedule, local_date, begun_at, owner, owner_until)"
                    " SELECT CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT),"
                    " CAST(? AS TEXT), CAST(? AS BIGINT) WHERE NOT EXISTS"
                    " (SELECT 1 FROM bulk_nights WHERE schedule = ? AND local_date >= ?)"
                    " ON CONFLICT DO NOTHING",
                    (schedule, local_date, at, owner, until, schedule, local_date),
                )
                > 0
            )

    def take_over(self, schedule: str, owner: str, seconds: float) -> Night | None:
        """The night that a worker began and left when it died; ``None`` without one.

        One that ``owner`` is still at is none: another thread of its process may ask.
        """
        now = int(self._wall() * 1e6)
        unfinished = "schedule = ? AND ended_at IS NULL"
        with self._connection() as backend:
            if not backend.execute(
                f"UPDATE bulk_nights SET owner = ?, owner_until = ? WHERE {unfinished}"  # noqa: S608
                " AND (owner_until IS NULL OR owner_until < ?)",
                (owner, now + int(seconds * 1e6), schedule, now),
            ):
                return None
            sql = f"{_SELECT} WHERE {unfinished} AND owner = ? ORDER BY local_date LIMIT 1"
            row = next(iter(list(backend.query(sql, (schedule, owner)))), None)
        return None if row is None else Night(*row)

    def end(self, schedule: str, local_date: str, *, at: int, jobs: int) -> None:
        """All runs of the night are made; what another one has made of it is added."""
        with self._connection() as backend:
            backend.execute(
                "UPDATE bulk_nights SET ended_at = COALESCE(ended_at, ?),"
                " jobs = COALESCE(jobs, 0) + ?, owner = NULL, owner_until = NULL"
                " WHERE schedule = ? AND local_date = ?",
                (at, jobs, schedule, local_date),
            )

    def skip(self, schedule: str, local_date: str, *, at: int) -> bool:
        """Count a night as run, if it is the first of its schedule; whether it was."""
        with self._connection() as backend:
            return (
                backend.execute(
                    "INSERT INTO bulk_nights (schedule, local_date, begun_at, ended_at, jobs)"
                    " SELECT CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT),"
                    " CAST(? AS BIGINT), 0"
                    " WHERE NOT EXISTS (SELECT 1 FROM bulk_nights WHERE schedule = ?)"
                    " ON CONFLICT DO NOTHING",
                    (schedule, local_date, at, at, schedule),
                )
                > 0
            )

    def listed(self, schedule: str, limit: int = 30) -> list[Night]:
        """The latest nights, the newest first."""
        sql = f"{_SELECT} WHERE schedule = ? ORDER BY local_date DESC LIMIT ?"
        with self._connection() as backend:
            return [Night(*row) for row in list(backend.query(sql, (schedule, limit)))]
