"""``llmo savings``: what batches have saved, as the ledger proves it."""

from typing import Annotated, Any

import typer

from llm_orchestrator.cli import options, output


def savings(
    by: Annotated[
        str, typer.Option("--by", metavar="WHAT", help="job_type, provider or month.")
    ] = "job_type",
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Show what batches have saved, against real time at the same tokens."""
    from llm_orchestrator.bulk.output import savings as sums
    from llm_orchestrator.config.paths import store_url
    from llm_orchestrator.store.bulk import BulkStore

    known = ("job_type", "provider", "month")
    if by not in known:
        raise typer.BadParameter(f"expected one of {', '.join(known)}", param_hint="--by")
    what: Any = by
    settings = options.configuration(config)
    store = BulkStore(store_url(settings))
    try:
        found = sums.savings(store, settings.bulk.zone)
    finally:
        store.close()
    if as_json:
        output.json(found.as_dict())
        return
    columns = (by.replace("_", " "), "batches", "jobs", "paid", "real time", "saved", "%")
    rows = [_row(name, one) for name, one in sorted(found.by(what).items())]
    output.show(output.table(columns, rows, right=columns[1:], total=_row("total", found.total)))
    if found.total.unknown:
        unknown = output.count(found.total.unknown, "batch", "batches")
        output.warn(f"the cost of {unknown} is not known, and in no sum")
    if not found.total.proven:
        output.warn("the ledger has other figures for some of them: see --json")


def _row(name: str, one: Any) -> list[str]:
    from llm_orchestrator.types.money import to_usd

    amounts = (one.cost_pico, one.realtime_pico, one.saved_pico)
    percent = "" if one.percent is None else f"{one.percent}"
    money = [output.usd(to_usd(amount)) for amount in amounts]
    return [name, f"{one.batches:,}", f"{one.jobs:,}", *money, percent]
