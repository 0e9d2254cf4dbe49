"""What a run has done and cost so far, from its units: nobody has to count its items."""

from typing import Any

import msgspec

from llm_orchestrator.bulk.error_text import without_details
from llm_orchestrator.bulk.output.brands import brand
from llm_orchestrator.bulk.output.unit_counts import UnitCounts, count_units
from llm_orchestrator.bulk.planning import stored_estimate
from llm_orchestrator.bulk.planning.turnaround import Turnarounds
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_history import EstimateRow
from llm_orchestrator.store.bulk_rows import ItemState, RunRow, Unit
from llm_orchestrator.types.money import Pico, to_usd

STRANGE = "strange.jsonl"
"""The file with results that nobody asked for, in the folder of a run."""
_LOOKED_AT = 200
_EXAMPLES = 3
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
    """Items without an answer that no other unit has."""
    again: int = 0
    """Items that were asked again, in another unit."""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_pico: Pico = 0
    unknown: int = 0
    """Units whose cost is not known, or not in full."""
    unknown_calls: int = 0
    """Calls in real time among them whose process died."""
    unknown_pico: Pico = 0
    """What is not known has cost at most, as far as anything bounds it."""
    realtime_pico: Pico = 0
    """What the same tokens would have cost in real time, of those whose cost is known."""
    held_pico: Pico = 0
    """At most, of what is under way."""

    def add(self, unit: Unit, counts: UnitCounts) -> None:
        """One more unit."""
        self.units += 1
        self.items += counts.items
        self.done += counts.done
        self.failed += counts.failed
        self.again += counts.again
        if not unit.over:
            spent = unit.cost_pico or 0
            self.held_pico += max(0, (unit.hold_pico or 0) - spent) if unit.reserved else 0
        if unit.state == "dropped" or (not unit.over and unit.cost_pico is None):
            return
        self.input_tokens += unit.input_tokens or 0
        self.output_tokens += unit.output_tokens or 0
        self.cost_pico += unit.cost_pico or 0
        self.unknown += unit.cost_pico is None or bool(unit.unknown)
        self.unknown_calls += unit.unknown or 0
        self.unknown_pico += unit.unknown_pico or 0
        if unit.cost_pico is None:
            self.unknown_pico += unit.hold_pico or 0
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
            "asked_again": self.again,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost_usd": to_usd(self.cost_pico),
            "unknown_cost_units": self.unknown,
            "unknown_cost_calls": self.unknown_calls,
            "unknown_most_usd": to_usd(self.unknown_pico),
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
    unit_counts: dict[str, UnitCounts]
    """What became of the items of each unit."""
    total: Costs
    by_provider: dict[str, Costs]
    by_mode: dict[str, Costs]
    by_task: dict[str, Costs]
    retries: int
    """Items that were asked in a later round than the first."""
    expected: list[EstimateRow] = []
    """What was expected of each model, beside what came."""
    turnarounds: Turnarounds = Turnarounds()
    """How long batches of the providers that have some out have been taking."""
    failures: tuple[str, ...] = ()
    """Why items have failed: examples."""
    driven: bool = False
    """Whether somebody is at it."""

    def count(self, word: str) -> int:
        """Items in a state, of all tasks."""
        return sum(one.get(word, 0) for one in self.tasks.values())

    @property
    def items(self) -> int:
        """All of them."""
        return sum(sum(one.values()) for one in self.tasks.values())

    @property
    def strange(self) -> int:
        """Results that nobody asked for, or that cannot be read: they may have been paid for."""
        return sum(one.strange or 0 for one in self.units)

    @property
    def strange_file(self) -> str | None:
        """Where in the folder of the run they are; ``None`` where there are none, or no folder."""
        return STRANGE if self.strange and self.run.out else None

    @property
    def decisions(self) -> list[dict[str, Any]]:
        """What was decided, and why, in order."""
        text = self.run.decisions
        made: list[dict[str, Any]] = [] if text is None else msgspec.json.decode(text)
        return made

    def paid(self, row: EstimateRow) -> Pico | None:
        """What was paid for what the row expects, failures too; ``None``: that is not known."""
        asked = (row.task, row.provider, row.model)
        units = [one for one in self.units if (one.task, one.provider, one.model) == asked]
        sent = [one for one in units if one.state != "dropped" or one.cost_pico]
        if not sent or any(not one.over or one.cost_pico is None or one.unknown for one in sent):
            return None
        return sum(one.cost_pico or 0 for one in sent)

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
            "strange": self.strange,
            "strange_file": self.strange_file,
            "started_at": _seconds(run.started_at),
            "ended_at": _seconds(run.ended_at),
            "deadline_at": _seconds(run.deadline_at),
            "max_cost_usd": None if run.cap_pico is None else to_usd(run.cap_pico),
            "total": self.total.as_dict(),
            "cost_by_provider": _dicts(self.by_provider),
            "cost_by_mode": _dicts(self.by_mode),
            "cost_by_task": _dicts(self.by_task),
            "tasks": self.tasks,
            "failures": self.failures,
            "estimate_vs_actual": [_compared(one, self.paid(one)) for one in self.expected],
            "estimate": stored_estimate.shown(run.estimate),
            "decisions": self.decisions,
        }


def gather(store: BulkStore, run: RunRow) -> Report:
    """The report of a run; blocks, in a thread other than the store's."""
    return store.wait(_gathered, store, run)


async def report(store: BulkStore, run_id: str) -> Report:
    """`gather` for coroutines; raises `InvalidRequestError` for a run that is not there."""
    run = await store.do(store.runs.get, run_id)
    if run is None:
        from llm_orchestrator.errors import InvalidRequestError

        raise InvalidRequestError(f"there is no run {run_id}; `llmo bulk status` lists them")
    return await store.do(_gathered, store, run)


def _gathered(store: BulkStore, run: RunRow) -> Report:
    """In the store's thread."""
    units = [_so_far(store, one) for one in store.units.of_run(run.run_id)]
    # Nobody has to look where all was answered the first time.
    lost = any(one.over and (one.failed or one.state == "dropped") for one in units)
    stayed = store.items.stayed(run.run_id) if lost else []
    made = _report(run, store.items.counts(run.run_id), units, count_units(units, stayed))
    made.expected = store.history.of_run(run.run_id)
    out = {one.provider for one in made.units if one.lane == "batch" and not one.over}
    made.turnarounds = Turnarounds({one: store.history.turnarounds(one) for one in out})
    if made.count("failed"):
        made.failures = _examples(store, run.run_id)
    made.driven = run.driven(store.wall())
    return made


def _so_far(store: BulkStore, unit: Unit) -> Unit:
    """The unit with what it has answered, which a chunk counts itself only when it is over."""
    if unit.over or unit.lane != "online":
        return unit
    sums = store.items.sums(unit.run_id, unit.work_id)
    if not sums.count:
        return unit
    return msgspec.structs.replace(
        unit,
        done=sums.done,
        failed=sums.count - sums.done,
        cost_pico=sums.cost_pico,
        input_tokens=sums.input_tokens,
        output_tokens=sums.output_tokens,
    )


def _examples(store: BulkStore, run_id: str) -> tuple[str, ...]:
    """Why items have failed, each reason once."""
    items = store.items.page(run_id, states=(ItemState.RETRY, ItemState.FAILED), limit=_LOOKED_AT)
    found = (without_details(item.error) for item in items if item.error)
    return tuple(dict.fromkeys(found))[:_EXAMPLES]


def _report(
    run: RunRow,
    counts: dict[tuple[str, ItemState], int],
    units: list[Unit],
    found: dict[str, UnitCounts],
) -> Report:
    tasks: dict[str, dict[str, int]] = {}
    for (task, state), count in sorted(counts.items()):
        own = tasks.setdefault(task, {})
        own[_STATES[state]] = own.get(_STATES[state], 0) + count
    made = Report(
        run=run,
        tasks=tasks,
        units=units,
        unit_counts=found,
        total=Costs(),
        by_provider={},
        by_mode={},
        by_task={},
        retries=0,
    )
    for unit in made.units:
        of_unit = found[unit.work_id]
        made.total.add(unit, of_unit)
        mode = brand(unit.provider) + ("_batch" if unit.lane == "batch" else "")
        made.by_provider.setdefault(brand(unit.provider), Costs()).add(unit, of_unit)
        made.by_mode.setdefault(mode, Costs()).add(unit, of_unit)
        made.by_task.setdefault(unit.task, Costs()).add(unit, of_unit)
        if unit.round and unit.state != "dropped":
            made.retries += unit.count
    return made


def _compared(row: EstimateRow, actual: Pico | None) -> dict[str, Any]:
    expected = row.expected_pico
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
