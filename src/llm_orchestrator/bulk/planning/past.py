"""What earlier runs of the same task used: by that the next estimate is corrected."""

from collections.abc import Iterable

import msgspec

from llm_orchestrator.store.bulk_history import EstimateRow
from llm_orchestrator.types.provider import Candidate

_RUNS = 5
"""How many of the latest runs count."""
_FURTHEST = 5.0
"""A count of tokens is corrected by this factor at most: beyond, something else is wrong."""


class Seen(msgspec.Struct, frozen=True):
    """What a task has used with a model."""

    input_ratio: float
    """Tokens as the provider counts them, for each that is counted here."""
    output: float
    """Tokens of an answer."""
    runs: int


class Past:
    """The earlier runs; ``rows`` are theirs, the latest first."""

    def __init__(self, rows: Iterable[EstimateRow] = ()) -> None:
        self._rows: dict[str, list[EstimateRow]] = {}
        for row in rows:
            if row.actual_items and row.actual_output is not None and row.items:
                self._rows.setdefault(row.task_digest, []).append(row)

    def of(self, task_digest: str, target: Candidate) -> Seen | None:
        """What the task used with this model, or else how long its answers were with others."""
        rows = self._rows.get(task_digest, [])
        names = (target.provider.name, target.model.id)
        own = [row for row in rows if (row.provider, row.model) == names][:_RUNS]
        if own:
            return Seen(_ratio(own), _output(own), len(own))
        others = rows[:_RUNS]
        return Seen(1.0, _output(others), len(others)) if others else None


def _ratio(rows: list[EstimateRow]) -> float:
    """The ratio of the sums, so that large runs count for more; rows have the tokens of an item."""
    counted = sum(row.input_tokens * (row.actual_items or 0) / row.items for row in rows)
    actual = sum(row.actual_input or 0 for row in rows)
    if not counted or not actual:
        return 1.0
    return min(_FURTHEST, max(1 / _FURTHEST, actual / counted))


def _output(rows: list[EstimateRow]) -> float:
    return sum(row.actual_output or 0 for row in rows) / sum(row.actual_items or 0 for row in rows)
