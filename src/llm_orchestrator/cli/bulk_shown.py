"""What ``llmo bulk`` shows of a run, and the exit code that its end means."""

import datetime as dt
from typing import TYPE_CHECKING, cast

from llm_orchestrator.cli import faults, output
from llm_orchestrator.errors import StoreError
from llm_orchestrator.types.money import to_usd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from rich.table import Table

    from llm_orchestrator.bulk.output.summary import Report
    from llm_orchestrator.bulk.sync import BulkRun
    from llm_orchestrator.store.bulk_rows import RunRow, RunState

_GOES_ON = ("loading", "planned", "running", "cancelling")
"""States that somebody has to bring to an end."""
_TOLD = frozenset(("note", "limit", "cancel"))
_MOST = 5
_AHEAD_S = 300.0
"""Seconds that machines' clocks may differ by."""


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
    if told.first is not None:
        output.note(f"  {told.first.told}{' (the first of them)' if told.rejected > 1 else ''}")
    if told.changed:
        output.warn(f"the input: {told.changed}; the same command again reads what is new")


def followed(run: "BulkRun", *, as_json: bool) -> int:
    """Wait until it ends, and show it; an interrupt leaves it to be gone on with."""
    from llm_orchestrator.cli.bulk_live import live

    begun_at = run.status().run.created_at / 1e6
    if begun_at > run.now + _AHEAD_S:
        output.warn(
            f"{run.run_id} was begun at a time that has not come yet, as by the clock of a "
            "simulator: go on with it with the same --clock, or it waits"
        )
    try:
        with live(run):
            state = run.wait()
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
    if report.run.state in _GOES_ON and state not in _GOES_ON:
        import msgspec

        # Another process has begun it anew since; told is what became of it here.
        report.run = msgspec.structs.replace(report.run, state=cast("RunState", state))
    if as_json:
        output.json(report.as_dict())
    else:
        ended(report, written=run.fault is None)
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


def ended(report: "Report", *, written: bool = True) -> None:
    """Its end in a few lines."""
    run, total = report.run, report.total
    done = f"{report.count('done'):,} of {output.count(report.items, 'answer')}"
    rejected = f", {run.rejects:,} rejected" if run.rejects else ""
    cost = output.usd(to_usd(total.cost_pico))
    if total.unknown:
        cost += f" and at most {output.usd(to_usd(total.unknown_pico))} more"
    output.line(f"{run.run_id} {run.state}: {done}{rejected}, {cost}")
    if run.error:
        output.warn(run.error)
    for example in report.failures:
        output.warn(f"{report.count('failed'):,} failed, such as: {example}")
    for name, one in report.by_mode.items():
        saved = to_usd(one.realtime_pico - one.cost_pico)
        again = f"{one.again:,} asked again, " if one.again else ""
        text = f"  {name}: {one.done:,} done, {one.failed:,} failed, {again}"
        output.line(text + f"{output.usd(to_usd(one.cost_pico))}, saved {output.usd(saved)}")
    if total.unknown:
        calls = output.count(total.unknown_calls, "call")
        what = f"{calls} of processes that died" if total.unknown_calls else "some batches"
        most = output.usd(to_usd(total.unknown_pico))
        output.warn(f"nobody knows yet what {what} cost, at most {most}; a cap counts that")
    if report.strange:
        count = output.count(report.strange, "result")
        where = report.strange_file or f"`llmo bulk results {run.run_id} --out DIR` writes them"
        output.warn(f"{count} that nobody asked for, or that cannot be read: {where}")
    since = (run.started_at or 0) / 1e6
    told = [
        one["why"]
        for one in report.decisions
        if one.get("kind") in _TOLD and (one.get("at") or 0.0) >= since
    ]
    for why in list(dict.fromkeys(told))[-_MOST:]:
        output.note(f"  {why}")
    _next(report, written=written)


def _next(report: "Report", *, written: bool) -> None:
    """What can be done with it now."""
    run = report.run
    name = run.name or run.run_id
    if run.ended_at is not None and report.count("failed"):
        output.note(f"`llmo bulk retry {name}` asks again what has failed.")
    if left_alone(report):
        output.warn(alone(run))
    elif run.state == "loading":
        output.note("Its input is not read yet; if nobody does, the same `llmo bulk run` goes on.")
    elif run.state in _GOES_ON:
        return
    elif run.state == "paused":
        output.note(f"`llmo bulk resume {name}` goes on with it.")
    elif run.out and written:
        output.note(f"The results are in {run.out}.")
    elif not run.out:
        output.note(f"`llmo bulk results {name}` prints the answers.")


def left_alone(report: "Report") -> bool:
    """Whether it has not ended, and nobody goes on with it."""
    return report.run.state in _GOES_ON and not report.driven


def alone(run: "RunRow") -> str:
    """What to do about one that is left alone."""
    from llm_orchestrator.store.bulk_jobs import MARK

    name = run.name or run.run_id
    if run.state == "loading":
        how = "its input was not read to the end; the same `llmo bulk run` goes on with it"
    elif name.startswith(MARK):
        how = "a worker goes on with it (`llmo scheduler start`)"
    else:
        how = f"the same `llmo bulk run`, `llmo bulk resume {name}` or a worker goes on with it"
    return f"{run.run_id} is {run.state}, and nobody is at it: {how}"


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
            output.usd(None if (paid := report.paid(one)) is None else to_usd(paid)),
        )
        for one in report.expected
    ]
    if compared:
        output.line()
        columns = ("estimate", "expected", "actual")
        output.show(output.table(columns, compared, right=columns[1:]))
    if report.decisions:
        output.line()
    for decision in report.decisions:
        output.line(f"• {_about(decision)}{decision['why']}")


def _about(decision: "Mapping[str, Any]") -> str:
    """What a decision is about: ``600 of sentiment of openai/gpt-4o-mini, batch: ``."""
    if decision.get("model") is None or decision.get("items") is None:
        return ""
    asked = f"{decision['items']:,} of {decision.get('task')}"
    who = f"{decision.get('provider')}/{decision['model']}, {decision.get('lane')}"
    return f"{asked} of {who}: "


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
