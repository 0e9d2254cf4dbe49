"""``llmo costs``: what was spent."""

from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from llm_orchestrator.cli import options, output

if TYPE_CHECKING:
    from collections.abc import Generator

    from llm_orchestrator.store.reports import Filter, Reports, Totals

group = typer.Typer(help="What was spent: reports and exports of the ledger.", no_args_is_help=True)


class Period(StrEnum):
    """How far back; days are counted in UTC."""

    daily = "daily"
    weekly = "weekly"
    monthly = "monthly"
    all = "all"


class Grouping(StrEnum):
    """What a report has its rows for."""

    model = "model"
    provider = "provider"
    category = "category"
    strategy = "strategy"
    day = "day"
    user = "user"


class Format(StrEnum):
    """File formats of an export."""

    csv = "csv"
    json = "json"
    jsonl = "jsonl"


def _only(name: str, *, metavar: str = "NAME") -> Any:
    return typer.Option(f"--{name}", metavar=metavar, help=f"Only this {name}.", show_default=False)


PeriodOption = Annotated[
    Period,
    typer.Option("--period", metavar="NAME", help="daily (today), weekly, monthly or all."),
]
Category = Annotated[str | None, _only("category")]
Strategy = Annotated[str | None, _only("strategy")]
Provider = Annotated[str | None, _only("provider")]
ModelName = Annotated[str | None, _only("model")]
User = Annotated[str | None, _only("user", metavar="ID")]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Write to this file.", show_default=False),
]


@group.command("init")
def init(
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Make the ledger, or bring it up to date; it also happens by itself at the first call."""
    from llm_orchestrator.cli.ledger import make

    target = make(options.configuration(config))
    if as_json:
        output.json({"ledger": target.shown, "ready": True})
        return
    output.line(f"The ledger is ready: {target.shown}")


@group.command("report")
def report(
    by: Annotated[
        Grouping,
        typer.Option(
            "--by",
            metavar="NAME",
            help="A row for each model, provider, category, strategy, day or user.",
        ),
    ] = Grouping.model,
    period: PeriodOption = Period.all,
    category: Category = None,
    strategy: Strategy = None,
    provider: Provider = None,
    model: ModelName = None,
    user: User = None,
    save: Output = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Show what was spent, in a table."""
    where = _filter(period, category, strategy, provider, model, user)
    with _reports(config) as reports:
        rows = reports.by(by.value, where)
        total = reports.totals(where)
        place = reports.target.shown
    if as_json or save is not None:
        text = output.json_text(
            {
                "period": period,
                "by": by,
                "rows": [{by: name or None, **_facts(row)} for name, row in rows.items()],
                "total": _facts(total),
            }
        )
        output.save(text, save)
        return
    if not total.calls and not total.attempts:
        given = (category, strategy, provider, model, user)
        fits = ", ".join((period.value, *(word for word in given if word)))
        output.note(f"Nothing was recorded ({fits}) in {place}.")
        return
    places = output.places(row.cost for row in rows.values())
    cells = [_cells(name or f"(no {by})", row, places) for name, row in rows.items()]
    columns = (by.value, *_COLUMNS)
    output.show(output.table(columns, cells, right=_COLUMNS, total=_cells("total", total, places)))
    _tell_unknown(total)
    if total.cache_hits:
        saved = f"saved {output.usd(total.saved)}"
        output.note(f"{output.count(total.cache_hits, 'answer')} from the cache {saved}")
    output.note(f"\n{period} · {place}")


@group.command("stats")
def stats(
    period: PeriodOption = Period.all,
    category: Category = None,
    strategy: Strategy = None,
    provider: Provider = None,
    model: ModelName = None,
    user: User = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Show sums and averages."""
    where = _filter(period, category, strategy, provider, model, user)
    with _reports(config) as reports:
        total = reports.totals(where)
    if as_json:
        output.json({"period": period, **_facts(total)})
        return
    share = f" ({total.failed_calls / total.calls:.2%})" if total.calls else ""
    latency = "-" if total.latency_us is None else f"{total.latency_us / 1e6:.2f} s"
    for name, value in (
        ("calls", f"{total.calls:,}"),
        ("failed calls", f"{total.failed_calls:,}{share}"),
        ("attempts", f"{total.attempts:,}, of them {total.failed:,} without success"),
        ("cost", output.usd(total.cost)),
        ("cost per call", output.usd(total.cost / total.calls) if total.calls else "-"),
        ("from the cache", f"{total.cache_hits:,}, saved {output.usd(total.saved)}"),
        ("time per call", latency),
        ("input tokens", f"{total.input_tokens:,}, cached {total.cache_read_tokens:,}"),
        ("output tokens", f"{total.output_tokens:,}, reasoning {total.reasoning_tokens:,}"),
    ):
        output.line(f"{name:<14} {value}")
    _tell_unknown(total)


@group.command("export")
def export(
    format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            metavar="csv|json|jsonl",
            show_default=False,
            help="By default what the file's name says, else csv.",
        ),
    ] = None,
    save: Output = None,
    attempts: Annotated[
        bool, typer.Option("--attempts", metavar="", help="A row for each attempt, not call.")
    ] = False,
    bodies: Annotated[
        bool, typer.Option("--bodies", metavar="", help="With texts, where they were recorded.")
    ] = False,
    period: PeriodOption = Period.all,
    category: Category = None,
    strategy: Strategy = None,
    provider: Provider = None,
    model: ModelName = None,
    user: User = None,
    config: options.ConfigFile = None,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="The same as --format json.")
    ] = False,
    _debug: options.Debug = False,
) -> None:
    """Write the ledger's rows as CSV, JSON or JSON lines."""
    from llm_orchestrator.cli.exports import write

    wanted = format or (Format.json if as_json else None)
    if as_json and wanted is not Format.json:
        raise typer.BadParameter(f"--json and --format {format} contradict each other")
    where = _filter(period, category, strategy, provider, model, user)
    ending = save.suffix.removeprefix(".") if save else ""
    kind = wanted or (Format(ending) if ending in set(Format) else Format.csv)
    with _reports(config) as reports:
        rows = reports.rows(where, attempts=attempts, bodies=bodies)
        # The rows end before the connection, also when nobody reads on.
        with closing(cast("Generator[dict[str, Any]]", rows)):
            written = write(rows, kind.value, save)
    if save is not None:
        output.note(f"Wrote {output.count(written, 'row')} to {save}.")


_COLUMNS = ("calls", "failed", "attempts", "input", "cached", "output", "cost")


def _filter(
    period: Period,
    category: str | None,
    strategy: str | None,
    provider: str | None,
    model: str | None,
    user: str | None,
) -> "Filter":
    from llm_orchestrator.store.reports import Filter

    return Filter.of(
        period.value,
        category=category,
        strategy=strategy,
        provider=provider,
        model=model,
        user_id=user,
    )


def _reports(file: Path | None) -> "Reports":
    from llm_orchestrator.config.paths import store_url
    from llm_orchestrator.store.reports import Reports

    return Reports(store_url(options.configuration(file)))


def _cells(name: str, row: "Totals", places: int) -> list[object]:
    cost = output.usd(row.cost, places=places) + ("+" if row.unpriced else "")
    numbers = (row.calls, row.failed_calls, row.attempts)
    tokens = (row.input_tokens, row.cache_read_tokens, row.output_tokens)
    return [name, *(f"{number:,}" for number in (*numbers, *tokens)), cost]


def _tell_unknown(total: "Totals") -> None:
    if not total.unpriced:
        return
    from llm_orchestrator.types.money import to_usd

    most = f", at most {output.usd(to_usd(total.bound_pico))} more" if total.bound_pico else ""
    output.warn(f"{output.count(total.unpriced, 'attempt')} of unknown cost{most}")


def _facts(row: "Totals") -> dict[str, Any]:
    from llm_orchestrator.types.money import to_usd

    facts = {
        name: getattr(row, name)
        for name in row.__struct_fields__
        if name not in {"cost_pico", "bound_pico", "saved_pico", "latency_us"}
    }
    return {
        "cost_usd": row.cost,
        "unknown_at_most_usd": to_usd(row.bound_pico),
        "saved_usd": row.saved,
        "latency_ms": None if row.latency_us is None else row.latency_us // 1000,
        **facts,
    }
