"""What earlier runs teach: how right estimates were, and how long batches took."""

from collections.abc import Iterable

import msgspec

from llm_orchestrator.store.bulk_connection import BulkConnection
from llm_orchestrator.store.bulk_rows import ItemState
from llm_orchestrator.types.money import Pico

_SPLIT = 10**6  # SQLite's SUM overflows at 2**63: the parts above and below are summed apart
_KEPT = 200
"""Batches of a provider that are looked at, the latest."""


class EstimateRow(msgspec.Struct, frozen=True, kw_only=True):
    """What was expected of one model for one task of a run, and what came."""

    run_id: str
    task: str
    provider: str
    model: str
    task_digest: str
    items: int
    input_tokens: int
    """As counted here, before it was corrected by earlier runs."""
    output_tokens: int
    """The same."""
    expected_pico: Pico | None = None
    """As it was told, corrected."""
    actual_items: int | None = None
    """Items that were answered; ``None`` until the run has ended."""
    actual_input: int | None = None
    actual_output: int | None = None
    actual_pico: Pico | None = None
    """``None``: the cost of some is unknown."""
    at: int
    """Unix microseconds of the run's clock."""


_FIELDS = tuple(field.name for field in msgspec.structs.fields(EstimateRow))
_SELECT = f"SELECT {', '.join(_FIELDS)} FROM bulk_estimates"  # noqa: S608 - our names
INSERT = (
    f"INSERT INTO bulk_estimates ({', '.join(_FIELDS)}) "  # noqa: S608 - our names
    f"VALUES ({', '.join('?' * len(_FIELDS))}) ON CONFLICT (run_id, task, provider, model) "
    "DO UPDATE SET task_digest = excluded.task_digest, items = excluded.items, "
    "input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens, "
    "expected_pico = excluded.expected_pico, at = excluded.at"
)
_ACTUAL = (
    "SELECT task, provider, model, COUNT(*), SUM(input_tokens), SUM(output_tokens), "  # noqa: S608
    f"SUM(cost_pico / {_SPLIT}), SUM(cost_pico - cost_pico / {_SPLIT} * {_SPLIT}), "
    "COUNT(cost_pico), COUNT(input_tokens) "
    "FROM bulk_items WHERE run_id = ? AND state = ? GROUP BY task, provider, model"
)
_TOOK = (
    "SELECT provider, ended_at - sent_at FROM bulk_batches WHERE lane = 'batch' "
    "AND sent_at IS NOT NULL AND ended_at IS NOT NULL AND ended_at >= sent_at "
    "AND state IN ('ended', 'collected') AND provider_state IN ('completed', 'expired') "
    "AND provider = ? ORDER BY ended_at DESC LIMIT ?"
)


class BulkHistory:
    """Reads and changes `bulk_estimates`, and reads the times of `bulk_batches`."""

    def __init__(self, connection: BulkConnection) -> None:
        self._connection = connection

    def expect(self, rows: Iterable[EstimateRow]) -> None:
        """Note what is expected; the same model and task of a run again replaces it."""
        values = [msgspec.structs.astuple(row) for row in rows]
        with self._connection(atomic=True) as backend:
            backend.execute_many(INSERT, values)

    def conclude(self, run_id: str) -> list[EstimateRow]:
        """Note what came, by the items that were answered; all rows of the run."""
        with self._connection(atomic=True) as backend:
            found = list(backend.query(_ACTUAL, (run_id, int(ItemState.DONE))))
            update = (
                "UPDATE bulk_estimates SET actual_items = ?, actual_input = ?, actual_output = ?, "
                "actual_pico = ? WHERE run_id = ? AND task = ? AND provider = ? AND model = ?"
            )
            backend.execute_many(update, [_values(run_id, row) for row in found])
        return self.of_run(run_id)

    def of_run(self, run_id: str) -> list[EstimateRow]:
        """The estimate and the actual figures of a run."""
        return self._read("WHERE run_id = ? ORDER BY task, provider, model", (run_id,))

    def of_task(self, task_digest: str, limit: int = 100) -> list[EstimateRow]:
        """What came of earlier runs of the same task, the latest first."""
        where = "WHERE task_digest = ? AND actual_items > 0 ORDER BY at DESC LIMIT ?"
        return self._read(where, (task_digest, limit))

    def turnarounds(self, provider: str) -> list[float]:
        """Seconds that the provider's latest batches took, from their creation to their end.

        Those that expired count: they took at least so long. Cancelled ones say nothing.
        """
        with self._connection() as backend:
            return [took / 1e6 for _, took in backend.query(_TOOK, (provider, _KEPT))]

    def _read(self, where: str, parameters: tuple[object, ...]) -> list[EstimateRow]:
        with self._connection() as backend:
            rows = list(backend.query(f"{_SELECT} {where}", parameters))
        return [EstimateRow(**dict(zip(_FIELDS, row, strict=True))) for row in rows]


def _values(run_id: str, row: tuple[object, ...]) -> tuple[object, ...]:
    task, provider, model, items, read, written, above, below, priced, counted = row
    cost = None if priced != items else int(str(above)) * _SPLIT + int(str(below))
    known = counted == items
    tokens = (int(str(read)), int(str(written))) if known else (None, None)
    return (items, *tokens, cost, run_id, task, provider, model)
