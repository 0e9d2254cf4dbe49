"""What ``llmo bulk`` shows of a run, and the exit code that its end means."""

import datetime as dt
from typing import TYPE_CHECKING

from llm_orchestrator.cli import faults, output
from llm_orchestrator.errors import StoreError
from llm_orchestrator.types.money import to_usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from llm_orchestrator.bulk.face import BulkRun
    from llm_orchestrator.bulk.summary import Report
    from llm_orchestrator.store.bulk_rows import RunRow

_TOLD = frozenset(("note", "limit", "cancel"))
_MOST = 5


def begun(run: "BulkRun") -> None:
    """What became of the input."""
    told = run.loaded
    if told is None:
        return
    parts = [f"{output.count(told.rows, 'row')}: {told.new:,} new"]
    parts += [f"{told.kept:,} known"] if told.kept else []
    parts += [f"{told.gone:,} gone"] if told.gone else []
    parts += [f"{told.rejected:,} rejected"] if told.rejected else []
    output.note(f"{run.run_id}: {', '.join(parts)}")
    if told.changed:
        output.warn(f"the input: {told.changed}; the same command again reads what is new")


def followed(run: "BulkRun", *, as_json: bool) -> int:
    """Wait until it ends, and show it; an interrupt leaves it to be gone on with."""
    from llm_orchestrator.cli.bulk_live import live

    try:
        with live(run):
            run.wait()
    except (KeyboardInterrupt, SystemExit):
        run.stop()
        output.note("stopping: what is under way is written down; the same command goes on")
        run.wait()
        raise
    except (OSError, StoreError) as error:
        text = _words(error) if isinstance(error, OSError) else str(error)
        output.fail(f"{run.run_id} stopped: {text}", "Nothing is lost: the same command goes on.")
        return faults.PARTIAL
    report = run.report()
    if as_json:
        output.json(report.as_dict())
    else:
        ended(report)
    if run.fault is not None:
        output.fail(
            f"the results cannot be written: {_words(run.fault)}",
            f"Nothing is lost: `llmo bulk results {run.run_id} --out DIR` writes them.",
        )
        return faults.PARTIAL
    return code(report)


def _words(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def ended(report: "Report") -> None:
    """Its end in a few lines."""
    run, total = report.run, report.total
    done = f"{report.count('done'):,} of {output.count(report.items, 'answer')}"
    output.line(f"{run.run_id} {run.state}: {done}, {output.usd(to_usd(total.cost_pico))}")
    if run.error:
        output.warn(run.error)
    for name, one in report.by_mode.items():
        saved = to_usd(one.realtime_pico - one.cost_pico)
        text = f"  {name}: {one.done:,} done, {one.failed:,} failed, "
        output.line(text + f"{output.usd(to_usd(one.cost_pico))}, saved {output.usd(saved)}")
    told = [one for one in report.decisions if one.get("kind") in _TOLD]
    for why in list(dict.fromkeys(one["why"] for one in told))[-_MOST:]:
        output.note(f"  {why}")
    if run.out:
        output.note(f"The results are in {run.out}.")


def reported(report: "Report") -> None:
    """Costs, savings, what was expected, and what was decided why."""
    ended(report)
    rows = [
        (
            name,
            f"{one.items:,}",
            f"{one.input_tokens:,}",
            f"{one.output_tokens:,}",
            output.usd(to_usd(one.cost_pico)),
            output.usd(to_usd(one.realtime_pico)),
            output.usd(to_usd(one.realtime_pico - one.cost_pico)),
        )
        for name, one in report.by_mode.items()
    ]
    heads = ("mode", "items", "input", "output", "cost", "in real time", "saved")
    output.line()
    output.show(output.table(heads, rows, right=heads[1:]))
    compared = [
        (
            f"{one.task}: {one.provider}/{one.model}",
            output.usd(None if one.expected_pico is None else to_usd(one.expected_pico)),
            output.usd(None if one.actual_pico is None else to_usd(one.actual_pico)),
        )
        for one in report.expected
    ]
    if compared:
        output.line()
        columns = ("estimate", "expected", "actual")
        output.show(output.table(columns, compared, right=columns[1:]))
    whys = [one["why"] for one in report.decisions]
    if whys:
        output.line()
    for why in whys:
        output.line(f"• {why}")


def listed(rows: "Sequence[RunRow]") -> "Table":
    """Runs, the newest first."""
    cells = [
        (
            row.run_id,
            row.name or row.out or "",
            row.state,
            "" if row.items is None else f"{row.items:,}",
            _moment(row.created_at),
        )
        for row in rows
    ]
    return output.table(("run", "name", "state", "items", "begun"), cells, right=("items",))


def facts(row: "RunRow") -> dict[str, object]:
    """A run in a list, for programs."""
    return {
        "run_id": row.run_id,
        "name": row.name,
        "state": row.state,
        "out": row.out,
        "items": row.items,
        "rejects": row.rejects,
        "created_at": row.created_at / 1e6,
        "error": row.error,
    }


def _moment(micros: int) -> str:
    return dt.datetime.fromtimestamp(micros / 1e6, dt.UTC).strftime("%Y-%m-%d %H:%M")


def code(report: "Report") -> int:
    """The exit code of a run as it stands."""
    run = report.run
    if run.state == "completed":
        return faults.OK
    if (run.error or "").startswith("BudgetError"):
        return faults.BUDGET
    return faults.FAILED if run.state == "failed" else faults.PARTIAL
