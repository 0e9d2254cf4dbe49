"""What ``llmo bulk`` shows of a run, and the exit code that its end means."""

from typing import TYPE_CHECKING

from llm_orchestrator.cli import faults, output
from llm_orchestrator.types.money import to_usd

if TYPE_CHECKING:
    from llm_orchestrator.bulk.face import BulkRun
    from llm_orchestrator.bulk.summary import Report


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
    report = run.report()
    if as_json:
        output.json(report.as_dict())
    else:
        ended(report)
    if run.fault is not None:
        where = f"{run.fault.filename}: " if run.fault.filename else ""
        output.fail(
            f"the results cannot be written: {where}{run.fault.strerror or run.fault}",
            f"Nothing is lost: `llmo bulk results {run.run_id} --out DIR` writes them.",
        )
        return faults.PARTIAL
    return code(report)


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
    if run.out:
        output.note(f"The results are in {run.out}.")


def code(report: "Report") -> int:
    """The exit code of a run as it stands."""
    run = report.run
    if run.state == "completed":
        return faults.OK
    if (run.error or "").startswith("BudgetError"):
        return faults.BUDGET
    return faults.FAILED if run.state == "failed" else faults.PARTIAL
