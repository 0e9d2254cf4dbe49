"""A live view of a run: per batch its state, what is done, what it costs; quiet in pipes."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from llm_orchestrator.cli import output
from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.types.money import to_usd

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from llm_orchestrator.bulk.output.summary import Report
    from llm_orchestrator.bulk.sync import BulkRun

_EVERY_S = 1.0


@contextmanager
def live(run: "BulkRun") -> Iterator[None]:
    """Show the run on standard error while it goes on, if somebody looks."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.live import Live

    over = threading.Event()
    with Live(console=Console(stderr=True), transient=True, auto_refresh=False) as shown:

        def look() -> None:
            while not over.wait(_EVERY_S):
                with suppress(OrchestratorError, RuntimeError):
                    shown.update(drawing(run.status(), run.now), refresh=True)

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(_EVERY_S)


def drawing(report: "Report", now: float) -> "RenderableType":
    """A table of what runs, and the whole in two lines."""
    from rich.console import Group
    from rich.text import Text

    from llm_orchestrator.bulk.output import progress

    shown = progress.lines(report, now)
    several = len({one.task for one in shown}) > 1
    rows = [
        (
            one.provider,
            one.model,
            *((one.task,) if several else ()),
            f"{one.lane} {one.state}",
            f"{one.done:,}/{one.items:,}",
            f"{one.failed:,}",
            output.usd(None if one.cost_pico is None else to_usd(one.cost_pico), unknown="-"),
            span(one.left_s),
        )
        for one in shown
    ]
    made = _table(several)
    for row in rows:
        made.add_row(*map(Text, row))
    return Group(made, *(Text(line, "dim") for line in whole(report, now)))


def _table(several: bool) -> "Table":
    """Fits into 80 columns: long names are cut, numbers never."""
    from rich.table import Table

    made = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    made.add_column("provider", no_wrap=True)
    for name in ("model", "task") if several else ("model",):
        made.add_column(name, overflow="ellipsis", min_width=8)
    made.add_column("state", no_wrap=True)
    for name in ("done", "failed", "cost", "left"):
        made.add_column(name, justify="right", no_wrap=True)
    return made


def whole(report: "Report", now: float) -> list[str]:
    """All of the run, in two lines."""
    from llm_orchestrator.bulk.output import progress

    run = report.run
    counts = f"{report.count('done'):,} of {report.items:,} done, {report.count('failed'):,} failed"
    if report.total.again:
        counts += f", {report.total.again:,} asked again"
    parts = [f"{output.usd(to_usd(report.total.cost_pico))} so far"]
    if run.ended_at is None:
        expected = progress.forecast(report)
        if expected is not None:
            parts.append(f"about {output.usd(to_usd(expected))} in the end")
        if left := span(progress.left_s(report, now)):
            parts.append(f"about {left} left")
        due = None if run.deadline_at is None else run.deadline_at / 1e6 - now
        if due is not None and run.state != "paused":
            parts.append(f"deadline in {span(due)}" if due > 0 else "the deadline has passed")
    return [f"{run.run_id} {run.state}: {counts}", ", ".join(parts)]


def span(seconds: float | None) -> str:
    """``1h 20m``, ``35s``; empty when it is not known."""
    if seconds is None or seconds < 0:
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes = whole // 60
    return f"{minutes}m" if minutes < 60 else f"{minutes // 60}h {minutes % 60}m"
