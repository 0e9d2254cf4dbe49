"""How far a run is: what each provider and batch has done, what it will cost, and when it ends."""

from collections.abc import Iterable, Mapping

import msgspec

from llm_orchestrator.bulk.output.brands import brand
from llm_orchestrator.bulk.output.summary import Report
from llm_orchestrator.bulk.output.unit_counts import UnitCounts
from llm_orchestrator.bulk.planning.plan import Lane
from llm_orchestrator.store.bulk_rows import Unit
from llm_orchestrator.types.money import Pico

_MOST = 20
"""Batches that get a line of their own."""


class Line(msgspec.Struct, kw_only=True):
    """One batch, or all chunks of a model."""

    provider: str
    model: str
    task: str
    lane: Lane
    state: str
    items: int
    done: int
    failed: int
    cost_pico: Pico | None
    left_s: float | None = None
    """Until it ends, if it goes on as it has; ``None``: nothing says when."""


def lines(report: Report, now: float) -> list[Line]:
    """A line for each batch that runs, and one for all else of a model; ``now``: the run's clock.

    They stay in place while states change.
    """
    running = [one for one in report.units if not one.over and one.lane == "batch"]
    made = [_batch(one, report, now) for one in running[:_MOST]]
    rest = running[_MOST:]
    rest += [one for one in report.units if one.over or one.lane == "online"]
    made += _summed(rest, report.unit_counts)
    return sorted(made, key=lambda one: (one.provider, one.model, one.task, one.lane))


def forecast(report: Report) -> Pico | None:
    """What all will have cost: what it has cost, and what is expected of the rest."""
    total = report.total.cost_pico
    per_item = _expected(report)
    left = report.count("waiting")
    for unit in report.units:
        if unit.over:
            if unit.cost_pico is None:
                return None
        elif unit.expected_pico is None:
            left += unit.count - (0 if unit.cost_pico is None else unit.done or 0)
        else:
            total += max(0, unit.expected_pico - (unit.cost_pico or 0))
    if left and per_item is None:
        return None
    return total + round((per_item or 0) * left)


def left_s(report: Report, now: float) -> float | None:
    """Seconds until all that is out is back, if it goes on as it has; ``None``: nobody knows."""
    if report.run.ended_at is not None or report.run.state == "paused":
        return None
    known = [one.left_s for one in lines(report, now) if one.left_s is not None]
    return max(known, default=None)


def _expected(report: Report) -> float | None:
    """What an item costs, on average, by the estimate."""
    rows = [one for one in report.expected if one.expected_pico is not None]
    items = sum(one.items for one in rows)
    return sum(one.expected_pico or 0 for one in rows) / items if items else None


def _batch(unit: Unit, report: Report, now: float) -> Line:
    done = unit.done or 0
    passed = now - (unit.sent_at or unit.created_at) / 1e6
    left = None
    if passed >= 0 and done:
        left = passed * (unit.count - done) / done
    elif passed >= 0 and unit.sent_at is not None:  # some providers count only at the end
        left = report.turnarounds.left(unit.provider, passed)
    return Line(
        provider=brand(unit.provider),
        model=unit.model,
        task=unit.task,
        lane=unit.lane,
        state=_state(unit),
        items=unit.count,
        done=done,
        failed=unit.failed or 0,
        cost_pico=unit.cost_pico,
        left_s=left,
    )


def _state(unit: Unit) -> str:
    if unit.error and unit.state == "prepared":
        return "waits: " + unit.error.partition(":")[0]
    if unit.cancel_at is not None:
        return "is given up"
    if unit.error and unit.state == "sending":
        return "in doubt"  # no reply to its creation: it is looked for before it is sent again
    return unit.state


def _summed(units: Iterable[Unit], unit_counts: Mapping[str, UnitCounts]) -> list[Line]:
    made: dict[tuple[str, str, str, str, str], Line] = {}
    for unit in units:
        if unit.state == "dropped" and not unit_counts[unit.work_id].failed:
            continue
        state = "over" if unit.over else "under way" if unit.owner else "waits"
        key = (unit.provider, unit.model, unit.task, unit.lane, state)
        line = made.get(key)
        if line is None:
            line = made[key] = Line(
                provider=brand(unit.provider),
                model=unit.model,
                task=unit.task,
                lane=unit.lane,
                state=state,
                items=0,
                done=0,
                failed=0,
                cost_pico=0,
            )
        counts = unit_counts[unit.work_id]
        line.items += counts.items - counts.again  # those are in another line, or later in this one
        line.done += counts.done
        line.failed += counts.failed
        known = line.cost_pico is not None and (unit.cost_pico is not None or not unit.over)
        line.cost_pico = (line.cost_pico or 0) + (unit.cost_pico or 0) if known else None
    return list(made.values())
