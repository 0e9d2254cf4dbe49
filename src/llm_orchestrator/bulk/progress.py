"""How far a run is: what each provider and batch has done, what it will cost, and when it ends."""

from collections.abc import Iterable

import msgspec

from llm_orchestrator.bulk.brands import brand
from llm_orchestrator.bulk.plan import Lane
from llm_orchestrator.bulk.summary import Report
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
    """What runs first, then what is over, summed up; ``now`` is the run's clock."""
    open_ones = [one for one in report.units if not one.over and one.lane == "batch"]
    made = [_batch(one, now) for one in open_ones[:_MOST]]
    rest = open_ones[_MOST:]
    rest += [one for one in report.units if one.over or one.lane == "online"]
    return made + _summed(rest)


def forecast(report: Report) -> Pico | None:
    """What all will have cost, by what it has cost so far; ``None`` while nothing is known."""
    total = report.total
    done = sum(one.done or 0 for one in report.units if one.over and one.cost_pico is not None)
    if not done or total.unknown:
        return None
    return total.cost_pico * report.items // done


def left_s(report: Report, now: float) -> float | None:
    """Seconds until it ends, if all goes on as it has; ``None``: nothing says when."""
    begun = report.run.started_at
    done = report.count("done") + sum(one.done or 0 for one in report.units if not one.over)
    if not begun or not done or report.run.ended_at is not None:
        return None
    return (now - begun / 1e6) * max(0, report.items - done) / done


def _batch(unit: Unit, now: float) -> Line:
    done = unit.done or 0
    begun = (unit.sent_at or unit.created_at) / 1e6
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
        left_s=(now - begun) * (unit.count - done) / done if done else None,
    )


def _state(unit: Unit) -> str:
    if unit.error and unit.state == "prepared":
        return "waits: " + unit.error.partition(":")[0]
    if unit.cancel_at is not None:
        return "is given up"
    return unit.state


def _summed(units: Iterable[Unit]) -> list[Line]:
    made: dict[tuple[str, str, str, str, str], Line] = {}
    for unit in units:
        if unit.state == "dropped":
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
        line.items += unit.count
        line.done += unit.done or 0
        line.failed += unit.failed or 0
        known = line.cost_pico is not None and (unit.cost_pico is not None or not unit.over)
        line.cost_pico = (line.cost_pico or 0) + (unit.cost_pico or 0) if known else None
    return list(made.values())
