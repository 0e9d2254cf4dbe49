"""``llmo bulk``: a file of prompts, asked once, for the least money in time."""

from typing import Annotated, Any

import typer

from llm_orchestrator.cli import bulk_estimate, bulk_runs, options, output

group = typer.Typer(
    help="A file of prompts: every answer once, for the least money.", no_args_is_help=True
)
group.command("estimate")(bulk_estimate.estimate)

Input = Annotated[
    str, typer.Argument(metavar="FILE", help="CSV, JSONL, JSON or Parquet; - is standard input.")
]
Tasks = Annotated[
    list[str],
    typer.Option("--task", metavar="FILE", help="What is asked of each row; may be repeated."),
]
Models = Annotated[
    str,
    typer.Option(
        "--models", metavar="LIST", help="Whom to ask: claude-haiku,gemini.", show_default=False
    ),
]
Clock = Annotated[
    str | None,
    typer.Option(
        "--clock", metavar="URL", help="Live by the time of this simulator.", show_default=False
    ),
]


def _text(name: str, metavar: str, help: str) -> Any:
    return typer.Option(f"--{name}", metavar=metavar, help=help, show_default=False)


@group.command("run")
def run(
    file: Input,
    task: Tasks,
    models: Models = "",
    deadline: Annotated[
        str | None, _text("deadline", "TIME", "When all is to be done: 24h.")
    ] = None,
    max_cost: Annotated[str | None, _text("max-cost", "USD", "What it may cost at most.")] = None,
    out: Annotated[str | None, _text("out", "DIR", "Where its results go.")] = None,
    split: Annotated[
        str | None, _text("split", "PARTS", "claude=1500:batch,openai=rest; price, share or each.")
    ] = None,
    lane: Annotated[
        str, typer.Option("--lane", metavar="NAME", help="auto, batch or online.")
    ] = "auto",
    name: Annotated[str | None, _text("name", "NAME", "To go on with it later.")] = None,
    retries: Annotated[
        int, typer.Option("--retries", metavar="N", help="Rounds for items that failed.")
    ] = 2,
    concurrency: Annotated[
        int, typer.Option("--concurrency", metavar="N", help="Online calls in flight.")
    ] = 24,
    merge: Annotated[
        str, typer.Option("--merge", metavar="RULE", help="priority, vote or all.")
    ] = "priority",
    format: Annotated[
        str | None, _text("format", "NAME", "csv, jsonl, json or parquet; else as it looks.")
    ] = None,
    clock: Clock = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Ask each row, once. The same command again goes on where it was, and pays nothing twice."""
    from llm_orchestrator.cli import bulk_shown

    settings = options.configuration(config)
    source: Any = file
    with options.orchestrator(settings) as orchestrator:
        with output.busy("reading standard input" if file == "-" else f"reading {file}"):
            made = orchestrator.bulk(
                source,
                tasks=task,
                models=models,
                deadline=deadline,
                max_cost=max_cost,
                format=format,
                out=out,
                split=split,
                lane=_one_of("lane", lane, ("auto", "batch", "online")),
                name=name,
                retries=retries,
                concurrency=concurrency,
                merge=_one_of("merge", merge, ("priority", "vote", "all")),
                clock=clock,
            )
        bulk_shown.begun(made)
        code = bulk_shown.followed(made, as_json=as_json)
    if code:
        raise typer.Exit(code)


def _one_of(name: str, value: str, known: tuple[str, ...]) -> Any:
    if value not in known:
        raise typer.BadParameter(f"expected one of {', '.join(known)}", param_hint=f"--{name}")
    return value


for _command in (
    bulk_runs.status,
    bulk_runs.watch,
    bulk_runs.pause,
    bulk_runs.resume,
    bulk_runs.cancel,
    bulk_runs.retry,
    bulk_runs.results,
    bulk_runs.report,
    bulk_runs.merge,
):
    group.command(_command.__name__)(_command)
