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

    from llm_orchestrator.bulk.face import BulkRun
    from llm_orchestrator.bulk.summary import Report

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
    """A table of what runs, and a line with the whole."""
    from rich.console import Group
    from rich.text import Text

    from llm_orchestrator.bulk import progress

    rows = [
        (
            one.provider,
            one.model,
            one.task,
            one.lane,
            one.state,
            f"{one.done:,}/{one.items:,}",
            f"{one.failed:,}",
            output.usd(None if one.cost_pico is None else to_usd(one.cost_pico), unknown="-"),
            span(one.left_s),
        )
        for one in progress.lines(report, now)
    ]
    heads = ("provider", "model", "task", "lane", "state", "done", "failed", "cost", "left")
    table = output.table(heads, rows, right=("done", "failed", "cost", "left"))
    return Group(table, Text(whole(report, now), "dim"))


def whole(report: "Report", now: float) -> str:
    """All of the run in one line."""
    from llm_orchestrator.bulk import progress

    cost = output.usd(to_usd(report.total.cost_pico))
    parts = [
        f"{report.run.run_id} {report.run.state}",
        f"{report.count('done'):,} of {report.items:,} done",
        f"{report.count('failed'):,} failed",
        f"{cost} so far",
    ]
    expected = progress.forecast(report)
    if expected is not None and report.run.ended_at is None:
        parts.append(f"about {output.usd(to_usd(expected))} in the end")
    if (left := progress.left_s(report, now)) is not None:
        parts.append(f"about {span(left)} left")
    return ", ".join(parts)


def span(seconds: float | None) -> str:
    """``1h 20m``, ``35s``; empty when it is not known."""
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes = whole // 60
    return f"{minutes}m" if minutes < 60 else f"{minutes // 60}h {minutes % 60}m"
