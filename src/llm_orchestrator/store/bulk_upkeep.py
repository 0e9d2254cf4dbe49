"""Upkeep: what workers do now and then, once for all of them, and what they found."""

import time
from collections.abc import Callable

import msgspec

from llm_orchestrator.store.bulk_connection import BulkConnection


class Upkeep(msgspec.Struct, frozen=True):
    """One such thing. Times are unix microseconds; ``told`` is JSON text."""

    name: str
    owner: str | None
    owner_until: int | None
    done_real: int | None
    done_at: int | None
    told: str | None


class BulkUpkeep:
    """Reads and changes `bulk_upkeep`. ``wall`` gives unix seconds: intervals are real ones."""

    def __init__(self, connection: BulkConnection, wall: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._wall = wall

    def take(self, name: str, owner: str, lease_s: float, every_s: float) -> bool:
        """Lease it, if nobody is at it and nobody has done it within ``every_s``."""
        now = int(self._wall() * 1e6)
        with self._connection() as backend:
            return (
                backend.execute(
                    "INSERT INTO bulk_upkeep (name, owner, owner_until) VALUES (?, ?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET owner = excluded.owner,"
                    " owner_until = excluded.owner_until"
                    " WHERE (bulk_upkeep.owner IS NULL OR bulk_upkeep.owner = excluded.owner"
                    " OR bulk_upkeep.owner_until < ?)"
                    " AND (bulk_upkeep.done_real IS NULL OR bulk_upkeep.done_real <= ?)",
                    (name, owner, now + int(lease_s * 1e6), now, now - int(every_s * 1e6)),
                )
                > 0
            )

    def done(self, name: str, owner: str, told: str, *, at: int) -> bool:
        """Note that it was done ``at`` this time; False: another one has taken it over."""
        with self._connection() as backend:
            return (
                backend.execute(
                    "UPDATE bulk_upkeep SET owner = NULL, owner_until = NULL, done_real = ?,"
                    " done_at = ?, told = ? WHERE name = ? AND owner = ?",
                    (int(self._wall() * 1e6), at, told, name, owner),
                )
                > 0
            )

    def release(self, name: str, owner: str) -> None:
        """Leave it to others, undone."""
        with self._connection() as backend:
            backend.execute(
                "UPDATE bulk_upkeep SET owner = NULL, owner_until = NULL"
                " WHERE name = ? AND owner = ?",
                (name, owner),
            )

    def listed(self) -> list[Upkeep]:
        """All of it, by name."""
        sql = (
            "SELECT name, owner, owner_until, done_real, done_at, CAST(told AS TEXT)"
            " FROM bulk_upkeep ORDER BY name"
        )
        with self._connection() as backend:
            return [Upkeep(*row) for row in list(backend.query(sql))]
