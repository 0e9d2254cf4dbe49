"""What a run has done and cost so far, from its units: nobody has to count its items."""

from collections.abc import Iterable
from typing import Any

import msgspec

from llm_orchestrator.bulk import foresight
from llm_orchestrator.bulk.brands import brand
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_history import EstimateRow
from llm_orchestrator.store.bulk_rows import ItemState, RunRow, Unit
from llm_orchestrator.types.money import Pico, to_usd

_STATES = {
    ItemState.WAITING: "waiting",
    ItemState.SENT: "sent",
    ItemState.DONE: "done",
    ItemState.RETRY: "failed",
    ItemState.FAILED: "failed",
    ItemState.REJECTED: "rejected",
}


class Costs(msgspec.Struct, kw_only=True):
    """Sums of units."""

    units: int = 0
    items: int = 0
    done: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_pico: Pico = 0
    unknown: int = 0
    """Units whose cost is not known, or not in full."""
    realtime_pico: Pico = 0
    """What the same tokens would have cost in real time, of those whose cost is known."""
    held_pico: Pico = 0
    """At most, of what is under way."""

    def add(self, unit: Unit) -> None:
        """One more unit."""
        self.units += 1
        if not unit.over:
            self.items += unit.count
            self.done += unit.done or 0
            self.failed += unit.failed or 0
            self.held_pico += (unit.hold_pico or 0) if unit.reserved else 0
            return
        if unit.state == "dropped":
            return
        self.items += unit.count
        self.done += unit.done or 0
        self.failed += unit.failed or 0
        self.input_tokens += unit.input_tokens or 0
        self.output_tokens += unit.output_tokens or 0
        self.cost_pico += unit.cost_pico or 0
        if unit.cost_pico is None:
            self.unknown += 1
        else:
            real = unit.realtime_pico
            self.realtime_pico += unit.cost_pico if real is None else real

    def as_dict(self) -> dict[str, Any]:
        """Amounts in USD."""
        return {
            "units": self.units,
            "items": self.items,
            "done": self.done,
            "failed": self.failed,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost_usd": to_usd(self.cost_pico),
            "unknown_cost_units": self.unknown,
            "realtime_usd": to_usd(self.realtime_pico),
            "savings_usd": to_usd(self.realtime_pico - self.cost_pico)
            if not self.unknown
            else None,
        }


class Report(msgspec.Struct, kw_only=True):
    """A run as it stands."""

    run: RunRow
    tasks: dict[str, dict[str, int]]
    """Items of each task: waiting, sent, done, failed, rejected."""
    units: list[Unit]
    total: Costs
    by_provider: dict[str, Costs]
    by_mode: dict[str, Costs]
    by_task: dict[str, Costs]
    retries: int
    """Items that were asked in a later round than the first."""
    expected: list[EstimateRow] = []
    """What was expected of each model, beside what came."""

    def count(self, word: str) -> int:
        """Items in a state, of all tasks."""
        return sum(one.get(word, 0) for one in self.tasks.values())

    @property
    def items(self) -> int:
        """All of them."""
        return sum(sum(one.values()) for one in self.tasks.values())

    @property
    def decisions(self) -> list[dict[str, Any]]:
        """What was decided, and why, in order."""
        text = self.run.decisions
        made: list[dict[str, Any]] = [] if text is None else msgspec.json.decode(text)
        return made

    def as_dict(self) -> dict[str, Any]:
        """As JSON data; amounts in USD, times in seconds since 1970."""
        run = self.run
        return {
            "run_id": run.run_id,
            "name": run.name,
            "state": run.state,
            "error": run.error,
            "items": self.items,
            "done": self.count("done"),
            "failed": self.count("failed"),
            "waiting": self.count("waiting") + self.count("sent"),
            "rejected": run.rejects or 0,
            "retries": self.retries,
            "started_at": _seconds(run.started_at),
            "ended_at": _seconds(run.ended_at),
            "deadline_at": _seconds(run.deadline_at),
            "max_cost_usd": None if run.cap_pico is None else to_usd(run.cap_pico),
            "total": self.total.as_dict(),
            "cost_by_provider": _dicts(self.by_provider),
            "cost_by_mode": _dicts(self.by_mode),
            "cost_by_task": _dicts(self.by_task),
            "tasks": self.tasks,
            "estimate_vs_actual": [_compared(one) for one in self.expected],
            "estimate": foresight.told(run.estimate),
            "decisions": self.decisions,
        }


def gather(store: BulkStore, run: RunRow) -> Report:
    """The report of a run; blocks, in a thread other than the store's."""
    counts = store.wait(store.items.counts, run.run_id)
    units = store.wait(store.units.of_run, run.run_id)
    made = _report(run, counts, units)
    made.expected = store.wait(store.history.of_run, run.run_id)
    return made


async def report(store: BulkStore, run_id: str) -> Report:
    """The same for coroutines; raises `InvalidRequestError` for a run that is not there."""
    run = await store.do(store.runs.get, run_id)
    if run is None:
        from llm_orchestrator.errors import InvalidRequestError

        raise InvalidRequestError(f"there is no run {run_id}; `llmo bulk status` lists them")
    counts = await store.do(store.items.counts, run_id)
    made = _report(run, counts, await store.do(store.units.of_run, run_id))
    made.expected = await store.do(store.history.of_run, run_id)
    return made


def _report(run: RunRow, counts: dict[tuple[str, ItemState], int], units: Iterable[Unit]) -> Report:
    tasks: dict[str, dict[str, int]] = {}
    for (task, state), count in sorted(counts.items()):
        own = tasks.setdefault(task, {})
        own[_STATES[state]] = own.get(_STATES[state], 0) + count
    made = Report(
        run=run,
        tasks=tasks,
        units=list(units),
        total=Costs(),
        by_provider={},
        by_mode={},
        by_task={},
        retries=0,
    )
    for unit in made.units:
        made.total.add(unit)
        mode = brand(unit.provider) + ("_batch" if unit.lane == "batch" else "")
        made.by_provider.setdefault(brand(unit.provider), Costs()).add(unit)
        made.by_mode.setdefault(mode, Costs()).add(unit)
        made.by_task.setdefault(unit.task, Costs()).add(unit)
        if unit.round and unit.state != "dropped":
            made.retries += unit.count
    return made


def _compared(row: EstimateRow) -> dict[str, Any]:
    expected, actual = row.expected_pico, row.actual_pico
    return {
        "task": row.task,
        "provider": brand(row.provider),
        "model": row.model,
        "items": row.items,
        "expected_usd": None if expected is None else to_usd(expected),
        "actual_items": row.actual_items,
        "actual_usd": None if actual is None else to_usd(actual),
    }


def _dicts(sums: dict[str, Costs]) -> dict[str, Any]:
    return {name: one.as_dict() for name, one in sums.items()}


def _seconds(moment: int | None) -> float | None:
    return None if moment is None else moment / 1e6
