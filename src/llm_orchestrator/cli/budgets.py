"""``llmo budgets``: what may be spent."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llm_orchestrator.cli import budget_tables, options, output
from llm_orchestrator.errors import ConfigError, InvalidRequestError

if TYPE_CHECKING:
    from llm_orchestrator.config import Config
    from llm_orchestrator.store.treasury import Treasury
    from llm_orchestrator.types.budget import Alert, Budget

group = typer.Typer(
    help="What may be spent: by whom, in which time, and what is left.", no_args_is_help=True
)

Scope = Annotated[
    str, typer.Argument(metavar="SCOPE", help="global, session, run, user, key or tag.")
]
Subject = Annotated[
    str,
    typer.Argument(
        metavar="[SUBJECT]",
        help="Which one; a provider's name for key; name=value for tag. Left out: each of them.",
        show_default=False,
    ),
]
Period = Annotated[
    str | None,
    typer.Option("--period", metavar="NAME", help="total, day or month.", show_default=False),
]


@group.command("set")
def set_budget(
    scope: Scope,
    subject: Subject = "",
    *,
    cap: Annotated[str, typer.Option("--cap", metavar="USD", help="What may be spent.")],
    period: Annotated[
        str, typer.Option("--period", metavar="NAME", help="total, or anew each day or month.")
    ] = "total",
    zone: Annotated[
        str, typer.Option("--zone", metavar="NAME", help="Whose days: Europe/Berlin.")
    ] = "UTC",
    alert: Annotated[
        list[int] | None,
        typer.Option(
            "--alert",
            metavar="PERCENT",
            help="Shares of the cap that are told; may be repeated. By default 50, 80 and 100.",
            show_default=False,
        ),
    ] = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Set a budget, or change its cap; running processes heed it within a second."""
    settings = options.configuration(config)
    raw: dict[str, object] = {"scope": scope, "cap": cap, "period": period, "zone": zone}
    if subject:
        raw["subject"] = subject
    if alert:
        raw["alerts"] = alert
    budget = _meant(settings, raw)
    with _treasury(settings) as treasury:
        found = treasury.set(budget)
        _warn_of_configured(settings, budget)
    if as_json:
        output.json(budget_tables.facts(found))
        return
    output.line(f"Set {found.title()}: {output.usd(found.cap)} ({found.period}, {found.zone}).")


@group.command("list")
def list_budgets(
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Show all budgets, and what is spent of them now."""
    settings = options.configuration(config)
    with _treasury(settings) as treasury:
        for budget in _configured(settings):  # also those of which nothing was spent yet
            treasury.set(budget)
        budgets, places = treasury.budgets(), treasury.places()
        place = treasury.target.shown
    names = _keys(settings)
    if as_json:
        output.json([budget_tables.facts(one, places, names) for one in budgets])
    elif not budgets:
        output.note(f"No budgets in {place}.")
    else:
        budget_tables.table(budgets, places, names)


@group.command("show")
def show(
    scope: Scope,
    subject: Subject = "",
    period: Period = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Show a budget in all its periods."""
    settings = options.configuration(config)
    with _treasury(settings) as treasury:
        budgets = _found(settings, treasury, scope, subject, period)
        places = [one for one in treasury.places(past=True) if one.budget in budgets]
    names = _keys(settings)
    if as_json:
        output.json([budget_tables.facts(one, places, names) for one in budgets])
        return
    budget_tables.table(budgets, places, names, most=None)


@group.command("remove")
def remove(
    scope: Scope,
    subject: Subject = "",
    period: Period = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Remove a budget, with what was spent of it. One of the configuration comes back."""
    settings = options.configuration(config)
    with _treasury(settings) as treasury:
        removed = _found(settings, treasury, scope, subject, period)
        for budget in removed:
            treasury.remove(budget)
            if not as_json:
                output.line(f"Removed {budget.title()}.")
    if as_json:
        names = ("scope", "subject", "period")
        output.json({"removed": [{key: getattr(one, key) for key in names} for one in removed]})


@group.command("settle")
def settle(
    attempt: Annotated[
        str,
        typer.Argument(
            metavar="[ATTEMPT]", help="Left out: lists the attempts.", show_default=False
        ),
    ] = "",
    cost: Annotated[
        str | None,
        typer.Option("--cost", metavar="USD", help="What it has cost.", show_default=False),
    ] = None,
    bill: Annotated[
        Path | None,
        typer.Option(
            "--bill",
            metavar="FILE",
            help="Many at once: lines of attempt,USD; - is standard input.",
            show_default=False,
        ),
    ] = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Say what attempts of unknown cost have cost, by the provider's bill.

    Until then each counts with the most that it can have cost.
    """
    settings = options.configuration(config)
    costs = _costs(attempt, cost, bill)
    with _treasury(settings) as treasury:
        if costs is None:
            budget_tables.unknown(treasury.unknown(), as_json=as_json)
            return
        if bill is not None:  # which has the others, too
            wanted = {one.attempt_id for one in treasury.unknown()}
            costs = [pair for pair in costs if pair[0] in wanted]
        for attempt_id, amount in costs:
            treasury.settle(attempt_id, amount)
        left = len(treasury.unknown())
    if as_json:
        output.json({"settled": len(costs), "unknown": left})
    else:
        settled = output.count(len(costs), "attempt")
        output.line(f"Settled {settled}; the cost of {left:,} is unknown.")


@group.command("test")
def send_test(
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Send a test alert to every destination of the configuration."""
    from llm_orchestrator.engine.notify import Notifier

    settings = options.configuration(config)
    own = {("", str(n), ""): one.notify or () for n, one in enumerate(settings.budgets)}
    arrived = Notifier(settings.notify, own).try_out(_example())
    if as_json:
        output.json({"arrived": arrived})
    elif not arrived:
        output.note("No destinations: see `notify` in the configuration.")
    else:
        for place, well in arrived.items():
            output.mark("ok" if well else "fault", place)
    if not all(arrived.values()):
        raise ConfigError("an alert did not arrive")


def _treasury(settings: "Config") -> "Treasury":
    from llm_orchestrator.config.paths import store_url
    from llm_orchestrator.store.treasury import Treasury

    return Treasury(store_url(settings))


def _meant(settings: "Config", raw: dict[str, object]) -> "Budget":
    """The budget that is meant; a key is named by its provider."""
    from llm_orchestrator.config.budgets import parse_budget
    from llm_orchestrator.engine.budgeting import as_budget
    from llm_orchestrator.providers.resolve import Directory

    return as_budget(parse_budget(raw), Directory(settings))


def _configured(settings: "Config") -> "list[Budget]":
    from llm_orchestrator.engine.budgeting import as_budget
    from llm_orchestrator.providers.resolve import Directory

    if not settings.budgets:
        return []
    directory = Directory(settings)
    return [as_budget(one, directory, place) for place, one in enumerate(settings.budgets)]


def _warn_of_configured(settings: "Config", budget: "Budget") -> None:
    place = budget.scope, budget.subject, budget.period
    if any((one.scope, one.subject, one.period) == place for one in _configured(settings)):
        output.warn("the configuration has this budget, too, and sets it at the next start")


def _found(
    settings: "Config", treasury: "Treasury", scope: str, subject: str, period: str | None
) -> "list[Budget]":
    raw: dict[str, object] = {"scope": scope, "cap": 1, "period": period or "total"}
    if subject:
        raw["subject"] = subject
    meant = _meant(settings, raw)
    found = treasury.find(meant.scope, meant.subject, period)
    if not found:
        what = f"{scope} {subject}".strip() + (f", {period}" if period else "")
        raise ConfigError(f"there is no such budget: {what}; `llmo budgets list` shows all")
    return found


def _costs(attempt: str, cost: str | None, bill: Path | None) -> "list[tuple[str, int]] | None":
    if bill is not None:
        import sys

        text = sys.stdin.read() if str(bill) == "-" else bill.expanduser().read_text("utf-8")
        lines = [line.strip() for line in text.splitlines()]
        pairs = [line.replace("\t", ",").partition(",") for line in lines if line]
        return [(name.strip(), _amount(usd.strip())) for name, _, usd in pairs]
    if not attempt:
        return None
    if cost is None:
        raise InvalidRequestError("--cost is missing: what has the attempt cost?")
    return [(attempt, _amount(cost))]


def _amount(text: str) -> int:
    from decimal import Decimal, InvalidOperation

    from llm_orchestrator.types.budget import MOST_PICO
    from llm_orchestrator.types.money import from_usd

    try:
        usd = Decimal(text)
        if not usd.is_finite() or not 0 <= usd <= MOST_PICO // 10**12:
            raise ValueError
        return from_usd(usd)
    except (InvalidOperation, ValueError):
        raise InvalidRequestError(
            f"a cost is an amount in USD of at least 0, not {text!r}"
        ) from None


def _keys(settings: "Config") -> dict[str, str]:
    """The providers' names by what budgets call their keys."""
    from llm_orchestrator.providers.keys import key_id
    from llm_orchestrator.providers.resolve import Directory

    rows = Directory(settings).configured()
    return {found: row.name for row in reversed(rows) if (found := key_id(row))}


def _example() -> "Alert":
    from decimal import Decimal

    from llm_orchestrator.types.budget import Alert

    return Alert(
        budget_id="",
        scope="global",
        subject="",
        period="total",
        window="total",
        window_key="total",
        share=80,
        spent=Decimal("0.80"),
        cap=Decimal(1),
        resets_at=None,
        text="This is a test: alerts of budgets arrive here.",
    )
