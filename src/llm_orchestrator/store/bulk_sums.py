"""Units of work with what the ledger says of them: what was paid, and what it would have cost."""

import msgspec

from llm_orchestrator.store.bulk_connection import BulkConnection
from llm_orchestrator.types.money import Pico


class PaidUnit(msgspec.Struct, frozen=True, gc=False):
    """One batch that was collected. Amounts are pico-USD, times unix microseconds."""

    work_id: str
    run_id: str
    name: str | None
    """The name of its run."""
    task: str
    provider: str
    collected_at: int
    items: int
    cost_pico: Pico | None
    realtime_pico: Pico | None
    booked_pico: Pico | None
    """Its cost in the ledger; ``None`` where it has none."""
    booked_at: int
    """When it began in the ledger, by which that counts; else as ``collected_at``."""


class BatchSums(msgspec.Struct, frozen=True):
    """How the batches stand that ended, or were begun, in some time."""

    ended: int
    failed: int
    """How many of them brought no answer."""


_PAID = (
    "SELECT b.work_id, b.run_id, r.name, b.task, b.provider,"
    " COALESCE(b.collected_at, b.ended_at, b.created_at), b.count, b.cost_pico, b.realtime_pico,"
    " s.cost_pico, COALESCE(a.started_at, b.collected_at, b.ended_at, b.created_at)"
    " FROM bulk_batches b LEFT JOIN bulk_runs r ON r.run_id = b.run_id"
    " LEFT JOIN attempts a ON a.attempt_id = b.work_id"
    " LEFT JOIN settlements s ON s.attempt_id = b.work_id"
    " WHERE b.state = 'collected' AND b.lane = 'batch' ORDER BY 6, b.work_id"
)


class BulkSums:
    """Reads `bulk_batches` beside the ledger."""

    def __init__(self, connection: BulkConnection) -> None:
        self._connection = connection

    def paid(self) -> list[PaidUnit]:
        """All batches that were collected, the oldest first."""
        with self._connection() as backend:
            return [PaidUnit(*row) for row in backend.query(_PAID)]

    def batches(self, since: int) -> BatchSums:
        """Batches that were over since then: how many, and how many of them brought nothing."""
        sql = (
            "SELECT COUNT(*), COALESCE(SUM(CASE WHEN state = 'dropped' AND cancel_at IS NULL"
            " OR state = 'collected' AND COALESCE(done, 0) = 0 THEN 1 ELSE 0 END), 0)"
            " FROM bulk_batches WHERE lane = 'batch' AND state IN ('collected', 'dropped')"
            " AND COALESCE(collected_at, ended_at, created_at) >= ?"
        )
        with self._connection() as backend:
            ((ended, failed),) = list(backend.query(sql, (since,)))
        return BatchSums(int(ended), int(failed))

    def stale(self, before: int) -> list[tuple[str, str, str, int]]:
        """Open batches that were sent before then: unit, provider, task and when."""
        sql = (
            "SELECT work_id, provider, task, COALESCE(sent_at, created_at) FROM bulk_batches"
            " WHERE lane = 'batch' AND state IN ('prepared', 'sending', 'sent', 'ended')"
            " AND COALESCE(sent_at, created_at) < ? ORDER BY 4, work_id"
        )
        with self._connection() as backend:
            return [(one, two, three, at) for one, two, three, at in backend.query(sql, (before,))]
