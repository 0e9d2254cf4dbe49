"""What a run will use and cost, before anything is sent: by a sample, scaled to all rows.

Three figures each: *low* with short answers, *expected*, and *high*, which it cannot pass: there
the input counts by its bytes and each answer is as long as it may be, as budgets hold it.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from llm_orchestrator.bulk.planning.past import Past
from llm_orchestrator.bulk.planning.plan import Lane
from llm_orchestrator.bulk.planning.pricing import Priced, count_inputs, price
from llm_orchestrator.bulk.rows.row import RowError
from llm_orchestrator.bulk.rows.sampling import Sampler
from llm_orchestrator.bulk.tasks.task import Asked, Task
from llm_orchestrator.types.money import Pico, to_usd
from llm_orchestrator.types.provider import Candidate

LANES: tuple[Lane, ...] = ("batch", "online")


class Interval(msgspec.Struct, frozen=True):
    """Tokens of all items."""

    low: int
    expected: int
    high: int


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One task with one model in one lane, for all of its items."""

    task: str
    provider: str
    model: str
    lane: Lane
    items: int
    input_tokens: Interval
    output_tokens: Interval
    low_pico: Pico | None
    expected_pico: Pico | None
    """``None``: the price is unknown."""
    high_pico: Pico | None
    """``None``: nothing bounds it."""
    priced: Priced
    """The usage and price of one item."""
    notes: tuple[str, ...] = ()
    refusal: str | None = None
    """Why nothing can be asked there; the figures are as if it could."""

    @property
    def target(self) -> str:
        """``provider/model``."""
        return f"{self.provider}/{self.model}"

    @property
    def low(self) -> Decimal | None:
        """USD, with short answers."""
        return _usd(self.low_pico)

    @property
    def expected(self) -> Decimal | None:
        """USD, by what is known."""
        return _usd(self.expected_pico)

    @property
    def high(self) -> Decimal | None:
        """USD at most."""
        return _usd(self.high_pico)


class BulkEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """What each task would cost with each model, in a batch and in real time."""

    rows: int
    """Rows that can be read."""
    broken: int
    """Rows that cannot be read, or whose id was there before."""
    sampled: int
    """Rows that were looked at."""
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether every row was looked at."""
        return self.sampled == self.rows

    def of(self, task: str) -> tuple[Line, ...]:
        """The lines of a task, the cheapest first; those that cannot be had last."""

        def order(line: Line) -> tuple[bool, bool, Pico]:
            unknown = line.expected_pico is None
            return line.refusal is not None, unknown, line.expected_pico or 0

        return tuple(sorted((one for one in self.lines if one.task == task), key=order))

    def as_dict(self) -> dict[str, Any]:
        """For people and programs: tokens, and costs in USD."""
        return {
            "rows": self.rows,
            "broken": self.broken,
            "sampled": self.sampled,
            "lines": [_facts(line) for line in self.lines],
            "notes": list(self.notes),
        }


def estimate(
    tasks: Sequence[Task],
    sample: Sampler,
    targets: Mapping[str, Sequence[Candidate]],
    *,
    past: Past | None = None,
    items: Mapping[str, int] | None = None,
) -> BulkEstimate:
    """By the rows that the sampler has kept; ``targets`` are the candidates of each task by name.

    ``items`` says how many items of each task there are, where that is known; else it is as many
    as rows, but for the part that could not be asked in the sample.
    """
    lines: list[Line] = []
    notes: list[str] = []
    for task in tasks:
        asked, faults = _asked(task, sample)
        if faults:
            notes.append(_faulty(task, faults, len(asked)))
        share = len(asked) / len(sample.kept) if sample.kept else 0.0
        count = round(sample.count * share) if items is None else items.get(task.name, 0)
        for target in targets[task.name]:
            seen = None if past is None else past.of(task.digest, target)
            counts = count_inputs(asked, target.model)
            for lane in LANES:
                one = price(task, target, lane, asked, counts, seen)
                lines.append(_line(task, target, lane, count, one))
    return BulkEstimate(
        rows=sample.count,
        broken=sample.broken,
        sampled=len(sample.kept),
        lines=tuple(lines),
        notes=tuple(notes),
    )


def _asked(task: Task, sample: Sampler) -> tuple[list[Asked], list[RowError]]:
    """What the rows of the sample ask, and what is wrong with the others."""
    asked: list[Asked] = []
    faults: list[RowError] = []
    for _, data in sample.kept:
        try:
            asked.append(task.item(data).request)
        except RowError as error:
            faults.append(error)
    return asked, faults


def _faulty(task: Task, faults: Sequence[RowError], fine: int) -> str:
    share = 100 * len(faults) / (len(faults) + fine)
    return f"task {task.name}: {share:.3g} % of the rows cannot be asked ({faults[0].reason})"


def _line(task: Task, target: Candidate, lane: Lane, count: int, one: Priced) -> Line:
    return Line(
        task=task.name,
        provider=target.provider.name,
        model=target.model.id,
        lane=lane,
        items=count,
        input_tokens=_interval(one.input, count),
        output_tokens=_interval(one.output, count),
        low_pico=_times(one.low_pico, count),
        expected_pico=_times(one.expected_pico, count),
        high_pico=_times(one.high_pico, count),
        priced=one,
        notes=(*one.notes, *((target.notice,) if target.notice else ())),
        refusal=one.refusal,
    )


def _interval(sizes: tuple[float, float, float], count: int) -> Interval:
    low, expected, high = (round(size * count) for size in sizes)
    return Interval(low, expected, high)


def _times(cost: Pico | None, count: int) -> Pico | None:
    return None if cost is None else cost * count


def _usd(amount: Pico | None) -> Decimal | None:
    return None if amount is None else to_usd(amount)


def _facts(line: Line) -> dict[str, Any]:
    return {
        "task": line.task,
        "provider": line.provider,
        "model": line.model,
        "mode": line.lane,
        "items": line.items,
        "input_tokens": msgspec.to_builtins(line.input_tokens),
        "output_tokens": msgspec.to_builtins(line.output_tokens),
        "cost_usd": {"low": line.low, "expected": line.expected, "high": line.high},
        "notes": list(line.notes),
        "refusal": line.refusal,
    }
