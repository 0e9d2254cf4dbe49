"""``llmo bulk status`` and its like: runs that were begun before."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llm_orchestrator.cli import bulk_live, bulk_shown, options, output

if TYPE_CHECKING:
    from llm_orchestrator.bulk.output.summary import Report
    from llm_orchestrator.bulk.sync import BulkRun

Name = Annotated[
    str,
    typer.Argument(metavar="RUN", help="Its id, its name, or the folder of its results."),
]
Clock = Annotated[
    str | None,
    typer.Option(
        "--clock", metavar="URL", help="Live by the time of this simulator.", show_default=False
    ),
]
_ALONE_S = 5.0
"""So long may nobody be at a run: workers look every two seconds for those."""
_ENDED = ("completed", "partial", "cancelled", "failed", "paused")


def status(
    name: Annotated[
        str, typer.Argument(metavar="[RUN]", help="Left out: lists the latest.", show_default=False)
    ] = "",
    clock: Clock = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Show how runs stand."""
    with options.orchestrator(options.configuration(config)) as orchestrator:
        if not name:
            rows = orchestrator.bulk_runs()
            if as_json:
                output.json([bulk_shown.facts(row) for row in rows])
            elif rows:
                output.show(bulk_shown.listed(rows))
            else:
                output.note("No runs yet.")
            return
        run = orchestrator.bulk_run(name, clock=clock)
        report = run.status()
        if as_json:
            output.json(_facts(report))
        else:
            output.show(bulk_live.drawing(report, run.now))
            if report.run.error:
                output.warn(report.run.error)
            if bulk_shown.left_alone(report):
                output.warn(bulk_shown.alone(report.run))


def watch(
    name: Name,
    clock: Clock = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Watch a run that goes on in another terminal, until it ends or nobody is at it any more."""
    with options.orchestrator(options.configuration(config)) as orchestrator:
        run = orchestrator.bulk_run(name, clock=clock)
        with bulk_live.live(run):
            _watched(run)
        report = run.report()
        if as_json:
            output.json(_facts(report))
        else:
            bulk_shown.ended(report)
        code = bulk_shown.code(report)
    if code:
        raise typer.Exit(code)


def _watched(run: "BulkRun") -> None:
    """Until it rests, or nobody has been at it for a while: between two drivers is a moment."""
    seen = time.monotonic()
    while (report := run.status()).run.state not in _ENDED:
        if not bulk_shown.left_alone(report):
            seen = time.monotonic()
        elif time.monotonic() - seen > _ALONE_S:
            return
        time.sleep(0.5)


def _facts(report: "Report") -> dict[str, object]:
    return report.as_dict() | {"driven": report.driven}


def pause(
    name: Name,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Begin nothing more of a run; batches that are out go on."""
    with options.orchestrator(options.configuration(config)) as orchestrator:
        run = orchestrator.bulk_run(name)
        done = run.pause()
        state = run.status().run.state
    if as_json:
        output.json({"run_id": run.run_id, "paused": done, "state": state})
    else:
        output.line(f"{run.run_id} {'is paused' if done else f'does not run: it is {state}'}")


def resume(
    name: Name,
    clock: Clock = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Go on with a run after a pause, a stop or a crash."""
    with options.orchestrator(options.configuration(config)) as orchestrator:
        run = orchestrator.bulk_run(name, clock=clock)
        run.resume()
        code = bulk_shown.followed(run, as_json=as_json)
    if code:
        raise typer.Exit(code)


def cancel(
    name: Name,
    clock: Clock = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """End a run: what its batches have answered by then is kept, and written."""
    with options.orchestrator(options.configuration(config)) as orchestrator:
        run = orchestrator.bulk_run(name, clock=clock)
        if not run.cancel():
            output.note(f"{run.run_id} has ended already.")
            if as_json:
                output.json(run.report().as_dict())
            return
        run.start()
        bulk_shown.followed(run, as_json=as_json)


def retry(
    name: Name,
    clock: Clock = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Ask again what has failed in a run, also what failed for good."""
    with options.orchestrator(options.configuration(config)) as orchestrator:
        run = orchestrator.bulk_run(name, clock=clock)
        output.note(f"{output.count(run.retry(), 'item')} to be asked again")
        code = bulk_shown.followed(run, as_json=as_json)
    if code:
        raise typer.Exit(code)


def results(
    name: Name,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write the files there.", show_default=False),
    ] = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Print the answers of a run as JSON lines (`--json`: one array), or write all of its files."""
    with options.orchestrator(options.configuration(config)) as orchestrator:
        run = orchestrator.bulk_run(name)
        if out is not None:
            run.write(out.expanduser().absolute())
            output.note(f"The results are in {out}.")
            return
        if not as_json:
            for row in run.results():
                output.line(output.json_line(row))
            return
        between = "[\n"
        for row in run.results():
            output.write(between + output.json_line(row))
            between = ",\n"
        output.write("[]\n" if between == "[\n" else "\n]\n")


def report(
    name: Name,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Show what a run cost and saved, what was expected, and what was decided why."""
    with options.orchestrator(options.configuration(config)) as orchestrator:
        found = orchestrator.bulk_run(name).report()
    if as_json:
        output.json(found.as_dict())
    else:
        bulk_shown.reported(found)


def merge(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of its results.")],
    rule: Annotated[
        str, typer.Option("--rule", metavar="RULE", help="priority, vote or all.")
    ] = "priority",
    quality: Annotated[
        str,
        typer.Option("--quality", metavar="LIST", help="Providers, the best first."),
    ] = "claude,openai,gemini",
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Merge the results of several providers in a folder into one list, whoever wrote them."""
    from llm_orchestrator.bulk.output.remerge import remerge

    if rule not in {"priority", "vote", "all"}:
        raise typer.BadParameter("expected priority, vote or all", param_hint="--rule")
    names = tuple(name.strip() for name in quality.split(",") if name.strip())
    told = remerge(folder.expanduser(), rule, names)  # type: ignore[arg-type]
    if as_json:
        output.json(told)
    else:
        output.line(f"Merged {told['rows']:,} rows into {told['items']:,}: {told['path']}")
