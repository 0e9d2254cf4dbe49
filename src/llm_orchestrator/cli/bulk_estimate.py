"""``llmo bulk estimate``: what a file of prompts would cost, before anything is sent."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llm_orchestrator.cli import options, output

if TYPE_CHECKING:
    from llm_orchestrator.bulk.planning.estimate import BulkEstimate, Line
    from llm_orchestrator.bulk.planning.plan import BulkPlan


def _text(name: str, metavar: str, help: str) -> Any:
    return typer.Option(f"--{name}", metavar=metavar, help=help, show_default=False)


def estimate(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="CSV, JSON lines, a JSON array or Parquet; - is standard input."
        ),
    ],
    task: Annotated[
        list[Path],
        typer.Option("--task", metavar="FILE", help="A task in YAML; may be repeated."),
    ],
    models: Annotated[
        str, _text("models", "LIST", "Models or providers, with commas; else those of the tasks.")
    ] = "",
    split: Annotated[
        str | None, _text("split", "PARTS", "claude=1500:batch,openai=rest; price, share or each.")
    ] = None,
    deadline: Annotated[
        str | None, _text("deadline", "TIME", "When all is to be done: 24h.")
    ] = None,
    max_cost: Annotated[str | None, _text("max-cost", "USD", "What it may cost at most.")] = None,
    format: Annotated[
        str | None, _text("format", "NAME", "csv, jsonl, json or parquet; else as it looks.")
    ] = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Tokens and cost for each model, in a batch and in real time, and what a run would do."""
    with options.orchestrator(options.configuration(config)) as orchestrator:
        found = orchestrator.estimate_bulk(
            file,
            tasks=task,
            models=models,
            split=split,
            deadline=deadline,
            max_cost=max_cost,
            format=format,
        )
    if as_json:
        output.json(found.estimate.as_dict() | {"plan": _plan_facts(found.plan)})
        return
    show_estimate(found.estimate)
    show_plan(found.plan)


_COLUMNS = ("model", "mode", "input", "output", "low", "expected", "at most")


def show_estimate(found: "BulkEstimate") -> None:
    """A table for each task, the cheapest way first."""
    for name in dict.fromkeys(line.task for line in found.lines):
        lines = found.of(name)
        output.line(f"{name}: {output.count(lines[0].items, 'item')}")
        shown = [line for line in lines if line.refusal is None]
        output.show(output.table(_COLUMNS, map(_cells, shown), right=_COLUMNS[2:]))
        for line in lines:
            if line.refusal is not None:
                output.line(f"  {line.target} {line.lane}: {line.refusal}")
        output.line()
    looked = "all of them" if found.exact else f"a sample of {found.sampled:,}"
    broken = f", and {found.broken:,} that cannot be used" if found.broken else ""
    output.line(f"{output.count(found.rows, 'row')}{broken}; by {looked}")
    notes = (*found.notes, *(one for line in found.lines for one in line.notes))
    for text in dict.fromkeys(notes):
        output.line(f"  {text}")


def show_plan(plan: "BulkPlan") -> None:
    """What a run would do, and why."""
    output.line("a run would ask")
    for share in plan.shares:
        what = f"{share.items:,} of {share.task} of {share.target}"
        cost = (
            f"{output.usd(_usd(share.expected_pico))}, at most {output.usd(_usd(share.high_pico))}"
        )
        output.line(f"  {what}, {share.lane} ({cost})")
        output.line(f"    {share.why}")
    for decision in plan.decisions:
        if decision.kind != "share" and decision.model is None:
            output.line(f"  {decision.why}")


def _usd(pico: int | None) -> Decimal | None:
    from llm_orchestrator.types.money import to_usd

    return None if pico is None else to_usd(pico)


def _cells(line: "Line") -> list[Any]:
    return [
        line.target,
        line.lane,
        f"{line.input_tokens.expected:,}",
        f"{line.output_tokens.expected:,}",
        output.usd(line.low),
        output.usd(line.expected),
        output.usd(line.high),
    ]


def _plan_facts(plan: "BulkPlan") -> dict[str, Any]:
    return {
        "expected_usd": plan.expected,
        "high_usd": plan.high,
        "seconds": plan.seconds,
        "late": plan.late,
        "max_tokens": dict(plan.max_tokens),
        "shares": [
            {
                "task": share.task,
                "provider": share.provider,
                "model": share.model,
                "mode": share.lane,
                "first": share.first,
                "items": share.items,
                "expected_usd": _usd(share.expected_pico),
                "high_usd": _usd(share.high_pico),
                "why": share.why,
            }
            for share in plan.shares
        ],
    }
