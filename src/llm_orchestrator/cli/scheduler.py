"""``llmo scheduler``: the worker that runs the queue at night."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llm_orchestrator.cli import faults, options, output
from llm_orchestrator.cli.queue import Clock

if TYPE_CHECKING:
    from llm_orchestrator.bulk import BatchProcessor

group = typer.Typer(help="The worker that runs the queue at night.", no_args_is_help=True)

At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="HH:MM",
        help="When; else BATCH_SCHEDULE_TIME, else 02:00.",
        show_default=False,
    ),
]
Zone = Annotated[
    str | None,
    typer.Option(
        "--zone",
        metavar="NAME",
        help="Time zone; else BATCH_TIME_ZONE, else UTC.",
        show_default=False,
    ),
]
_OVER = {"completed", "failed", "cancelled", "paused"}


@group.command("start")
def start(
    run_now: Annotated[
        bool, typer.Option("--run-now", metavar="", help="Run what waits at once, too.")
    ] = False,
    at: At = None,
    every: Annotated[
        float | None,
        typer.Option(
            "--check-interval",
            metavar="SECONDS",
            help="How often it looks; else BATCH_CHECK_INTERVAL, else 60.",
            show_default=False,
        ),
    ] = None,
    zone: Zone = None,
    clock: Clock = None,
    config: options.ConfigFile = None,
    _debug: options.Debug = False,
) -> None:
    """Work until it is stopped: nightly runs, runs of workers that died, alerts and callbacks.

    Start it on as many machines as you like, with one PostgreSQL store.
    """
    from llm_orchestrator.bulk import BatchScheduler

    settings = options.configuration(config)
    scheduler = BatchScheduler(at, every, zone=zone, config=settings, clock=clock)
    said = scheduler.status()
    output.note(
        f"Working; the queue is run at {said['schedule_time']} ({said['time_zone']}), "
        f"next on {said['next_run']}. Stop with Ctrl-C."
    )
    scheduler.run_forever(run_now=run_now)
    output.note("Stopped; what was under way is written down, and others go on with it.")


@group.command("run-now")
def run_now(
    wait: Annotated[
        bool,
        typer.Option("--wait/--no-wait", help="Wait for the end; else leave it to a worker."),
    ] = True,
    clock: Clock = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Run all that waits, now."""
    from llm_orchestrator.bulk import BatchProcessor
    from llm_orchestrator.bulk.queue import dashboard

    with BatchProcessor(options.configuration(config), clock=clock) as processor:
        made = processor.process_all_batches_sync(drive=wait)
        found: list[dict[str, Any]] = [
            _ended(processor, one) if wait else {"batch_id": one} for one in made
        ]
        waiting = dashboard.queue_status(processor.store)["total_queued"]
    if as_json:
        output.json(found)
    elif not made:
        jobs = output.count(waiting, "job")
        output.note(f"{jobs} waiting; none can be run now." if waiting else "Nothing waits.")
    for one in () if as_json else found:
        text = f"{one['batch_id']}"
        if wait:
            text += f" {one['status']}: {one['completed']:,} of "
            text += f"{output.count(one['job_count'], 'job')}, {output.usd(one['cost_usd'])}"
        output.line(text)
        if wait and one["failed"]:
            failed = output.count(one["failed"], "job")
            output.warn(f"{failed} failed; `llmo queue list --state failed` says why")
    if wait and any(one["failed"] or one["status"] != "completed" for one in found):
        raise typer.Exit(faults.PARTIAL)


@group.command("status")
def status(
    at: At = None,
    zone: Zone = None,
    clock: Clock = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Show the schedule, the next night and the latest ones."""
    from llm_orchestrator.bulk import BatchScheduler

    settings = options.configuration(config)
    scheduler = BatchScheduler(at, zone=zone, config=settings, clock=clock)
    found = scheduler.status()
    scheduler.stop()
    if as_json:
        output.json(found)
        return
    output.line(f"every night at {found['schedule_time']} ({found['time_zone']})")
    output.line(f"next: {found['next_run']}, {output.count(found['jobs_queued'], 'job')} queued")
    rows = [
        (one["date"], one["begun_at"], "yes" if one["finished"] else "no", one["jobs"] or 0)
        for one in found["nights"]
    ]
    if rows:
        output.show(output.table(("night", "begun", "finished", "jobs"), rows, right=("jobs",)))
    _audited(found["audit"])


def _audited(audit: dict[str, Any]) -> None:
    if audit["at"] is None:
        return
    providers = audit["providers"]
    seen = [name for name, one in providers.items() if one["skipped"] is None]
    output.line(f"audited: {audit['at']}, {', '.join(seen) or 'no provider'}")
    for name, one in providers.items():
        if one["skipped"]:
            output.warn(f"{name} was skipped: {one['skipped']}")
        if count := one["ours"] + one["tagged"]:
            batches = output.count(count, "batch", "batches")
            output.warn(f"{name} lists {batches} that nobody ordered: see `llmo queue stats`")


def _ended(processor: "BatchProcessor", batch_id: str) -> dict[str, Any]:
    while True:
        found = processor.check_batch_status_sync(batch_id)
        if found["status"] in _OVER:
            return found
        time.sleep(0.5)
