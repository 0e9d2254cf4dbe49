"""What became of the items of units: answered, failed for good, or asked again in another unit."""

from collections.abc import Iterable
from typing import NamedTuple

from llm_orchestrator.store.bulk_items import Stayed
from llm_orchestrator.store.bulk_rows import ItemState, Unit


class UnitCounts(NamedTuple):
    """Items of a unit."""

    items: int
    done: int
    failed: int
    """Without an answer, and no other unit has them."""
    again: int
    """They failed or were given back, and were put into another unit."""


def count_units(units: Iterable[Unit], stayed: Iterable[Stayed]) -> dict[str, UnitCounts]:
    """By the id of each unit; ``stayed`` says what no other unit has taken."""
    left: dict[str, list[Stayed]] = {}
    for one in stayed:
        left.setdefault(one.work_id, []).append(one)
    return {unit.work_id: _counts(unit, left.get(unit.work_id, ())) for unit in units}


def _counts(unit: Unit, stayed: Iterable[Stayed]) -> UnitCounts:
    done, lost = unit.done or 0, unit.failed or 0
    if not unit.over:
        return UnitCounts(unit.count, done, lost, 0)
    failed = waiting = 0
    for one in stayed:
        if one.state != ItemState.WAITING:
            failed += one.items
        # A chunk does not count what it gave back unasked, which is in its first round still.
        elif unit.lane == "batch" or one.round > unit.round:
            waiting += one.items
    if unit.state == "dropped":  # it was never asked: what others have is theirs alone
        return UnitCounts(failed, 0, failed, 0)
    return UnitCounts(unit.count, done, failed, max(0, lost - failed - waiting))
