"""How far a run is, as it is shown while it goes on."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from llm_orchestrator.bulk.output import progress
from llm_orchestrator.bulk.output.summary import Costs, Report
from llm_orchestrator.bulk.output.unit_counts import count_units
from llm_orchestrator.cli import bulk_live
from llm_orchestrator.store.bulk_rows import RunRow, Unit

HOUR = 3_600_000_000


def unit(work_id: str, provider: str = "openai", **fields: Any) -> Unit:
    usual: dict[str, Any] = {"state": "sent", "sent_at": 0, "created_at": 0, "count": 1000}
    names: dict[str, Any] = {
        "run_id": "run_1",
        "task": "sentiment",
        "account": "a",
        "tag": "t",
        "prefix": "p",
    }
    model = "mistral-small-latest"
    return Unit(work_id=work_id, provider=provider, model=model, **names, **{**usual, **fields})


def report(*units: Unit, **run: Any) -> Report:
    row = RunRow(run_id="run_1", state="running", created_at=0, spec="{}", started_at=0, **run)
    total = Costs()
    found = count_units(units, ())
    for one in units:
        total.add(one, found[one.work_id])
    tasks = {"sentiment": {"sent": sum(one.count for one in units)}}
    sums: dict[str, Any] = {"by_provider": {}, "by_mode": {}, "by_task": {}, "retries": 0}
    return Report(run=row, tasks=tasks, units=list(units), unit_counts=found, total=total, **sums)


def drawn(made: Report, now: float, width: int = 80) -> list[str]:
    console = Console(file=StringIO(), width=width)
    with console.capture() as captured:
        console.print(bulk_live.drawing(made, now))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_lines_stay_in_place_while_states_change() -> None:
    first, second = unit("w1", "openai"), unit("w2", "anthropic")
    ended = unit("w2", "anthropic", state="collected", done=1000, cost_pico=5)
    for units in ((first, second), (second, first), (first, ended)):
        told = [one.provider for one in progress.lines(report(*units), 60.0)]
        assert told == ["claude", "openai"]


def test_what_is_left_is_what_the_slowest_batch_takes() -> None:
    made = report(unit("w1", done=500), unit("w2", done=250), unit("w3", done=0))
    assert progress.left_s(made, 3600.0) == pytest.approx(3 * 3600)
    (unknown,) = progress.lines(report(unit("w1")), 60.0)
    assert unknown.left_s is not None  # by how long such batches take
    assert progress.left_s(report(unit("w1", done=5), ended_at=9), 60.0) is None


def test_a_clock_that_is_behind_tells_no_time() -> None:
    made = report(unit("w1", sent_at=HOUR, done=500))
    assert progress.left_s(made, 60.0) is None
    assert "left" not in drawn(made, 60.0)[-1]


def test_the_forecast_is_the_cost_so_far_and_what_is_expected_of_the_rest() -> None:
    over = unit("w1", state="collected", done=1000, cost_pico=70)
    made = report(over, unit("w2", expected_pico=100))
    assert progress.forecast(made) == 170
    assert progress.forecast(report(over, unit("w2"))) is None


def test_it_fits_into_80_columns_and_cuts_no_number() -> None:
    units = [
        unit(f"w{n}", name, done=1234, count=12_345, failed=567)
        for n, name in enumerate(("openai", "anthropic", "gemini", "mistral"))
    ]
    lines = drawn(report(*units, deadline_at=9 * HOUR), 3600.0)
    assert len(lines) == 1 + 4 + 2
    assert all(len(line) <= 80 for line in lines)
    assert all("1,234/12,345" in line and " 567 " in line for line in lines[1:5])
    assert "deadline in 8h 0m" in lines[-1]
