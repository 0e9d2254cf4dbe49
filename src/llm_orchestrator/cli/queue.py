"""``llmo queue``: requests that wait to be run together."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llm_orchestrator.cli import options, output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llm_orchestrator.bulk import BatchProcessor

group = typer.Typer(
    help="Requests that wait to be run together, for less money.", no_args_is_help=True
)

Clock = Annotated[
    str | None,
    typer.Option(
        "--clock", metavar="URL", help="Live by the time of this simulator.", show_default=False
    ),
]
JobType = Annotated[
    str | None,
    typer.Option(
        "--job-type", metavar="NAME", help="Such as creative_scoring.", show_default=False
    ),
]


@group.command("add")
def add(
    data: Annotated[
        str | None,
        typer.Argument(metavar="[JSON]", help="The job's data, @FILE, or - for standard input."),
    ] = None,
    job_type: JobType = None,
    provider: options.ProviderName = None,
    priority: Annotated[
        str,
        typer.Option("--priority", metavar="N", help="10 comes first, 1 last; low, normal, high."),
    ] = "5",
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            metavar="FILE",
            help="Many jobs: JSON lines with job_type, provider, data and priority.",
            show_default=False,
        ),
    ] = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Put jobs into the queue. Prints their ids."""
    if (data is None) == (file is None):
        raise typer.BadParameter("expected the data of one job, or --file")
    with _opened(config) as processor:
        if file is not None:
            named = {"job_type": job_type, "provider": provider, "priority": priority}
            ids = processor.queue_jobs_sync(_many(file, named))
        else:
            if job_type is None or provider is None:
                raise typer.BadParameter("one job needs --job-type and --provider")
            job = _parsed(_text(data or ""))
            ids = [processor.queue_job_sync(job_type, provider, job, priority)]
    if as_json:
        output.json({"job_ids": ids, "count": len(ids)})
        return
    for job_id in ids:
        output.line(job_id)


@group.command("list")
def show(
    state: Annotated[
        str | None,
        typer.Option(
            "--state",
            metavar="NAME",
            help="queued, running, completed, failed or cancelled.",
            show_default=False,
        ),
    ] = None,
    job_type: JobType = None,
    provider: options.ProviderName = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")
    ] = 50,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Show jobs in the order in which they are run."""
    from llm_orchestrator.bulk.queue import batch_status
    from llm_orchestrator.providers.table import ALIASES

    known: Any = ("queued", "running", "completed", "failed", "cancelled")
    if state is not None and state not in known:
        raise typer.BadParameter(f"expected one of {', '.join(known)}", param_hint="--state")
    own = None if provider is None else ALIASES.get(provider, provider)
    asked: Any = {"state": state, "job_type": job_type, "provider": own}
    with _opened(config) as processor:
        store = processor.store
        found = store.wait(store.jobs.listed, **asked, limit=limit)
        jobs = [batch_status.of_job(job) for job in found]
    if as_json:
        output.json(jobs)
        return
    if not jobs:
        output.note("No jobs.")
        return
    columns: tuple[str, ...] = ("job", "type", "provider", "priority", "status", "batch")
    names: tuple[str, ...] = ("job_id", "job_type", "provider", "priority", "status", "batch_id")
    if any(job["error"] for job in jobs):
        columns, names = (*columns, "error"), (*names, "error")
    rows = [[job[name] or "" for name in names] for job in jobs]
    output.show(output.table(columns, rows, right=("priority",)))


@group.command("stats")
def stats(
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Show what waits, what is under way and what stands out."""
    from llm_orchestrator.bulk.queue import dashboard

    with _opened(config) as processor:
        found = dashboard.queue_status(processor.store)
        alerts = dashboard.alerts(processor.store)
    if as_json:
        output.json({**found, "alerts": alerts})
        return
    for name in ("queued", "processing", "completed", "failed", "cancelled"):
        output.line(f"{name:<12}{found[f'total_{name}']:>8,}")
    output.line(f"{'batches':<12}{found['active_batches']:>8,}")
    for title in ("jobs_by_type", "jobs_by_provider", "priority_distribution"):
        if found[title]:
            parts = [f"{name} {count:,}" for name, count in found[title].items()]
            output.line(f"{title.replace('_', ' ')}: {', '.join(parts)}")
    for alert in alerts:
        output.warn(f"{alert['name']}: {alert['message']}. {alert['action']}.")


def _opened(config: Path | None, clock: str | None = None) -> "BatchProcessor":
    from llm_orchestrator.bulk import BatchProcessor

    return BatchProcessor(options.configuration(config), clock=clock)


def _text(data: str) -> str:
    import sys

    if data == "-":
        return sys.stdin.read()
    if data.startswith("@"):
        return _read(Path(data[1:]))
    return data


def _read(path: Path) -> str:
    try:
        return path.expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"cannot read {path}: {error}") from None


def _parsed(text: str) -> Any:
    import msgspec

    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise typer.BadParameter(f"this is no JSON: {error}") from None


def _many(file: Path, named: dict[str, Any]) -> "Iterator[dict[str, Any]]":
    """Jobs of JSON lines; what a line does not say is as named on the command line."""
    for number, line in enumerate(_read(file).splitlines(), 1):
        if not line.strip():
            continue
        job = _parsed(line)
        if not isinstance(job, dict):
            raise typer.BadParameter(f"{file}, line {number}: expected an object")
        yield {**{key: value for key, value in named.items() if value is not None}, **job}
