"""``llmo explain``: why a call went where it went, read from the ledger."""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llm_orchestrator.cli import options, output

if TYPE_CHECKING:
    from llm_orchestrator.store.reports import Reports

CallId = Annotated[
    str | None,
    typer.Argument(
        metavar="CALL_ID",
        help="The id that --json and -v print; left out, the last call.",
        show_default=False,
    ),
]


def explain(
    call_id: CallId = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Show every candidate of a call, its price, why it was chosen or not, and every attempt."""
    from llm_orchestrator.config.paths import store_url
    from llm_orchestrator.store.reports import Reports

    with Reports(store_url(options.configuration(config))) as reports:
        call = _call(reports, call_id)
        attempts = list(reports.attempts_of(call["call_id"]))
    import msgspec

    routing: dict[str, Any] = msgspec.json.decode(call.pop("routing_decision") or "{}")
    if as_json:
        output.json({**call, "routing": routing or None, "attempts": attempts})
        return
    _show_call(call)
    _show_routing(routing)
    _show_attempts(attempts)


def _call(reports: "Reports", call_id: str | None) -> dict[str, Any]:
    found = reports.call(call_id)
    if found is None:
        what = f"there is no call {call_id}" if call_id else "there is no call yet"
        raise typer.BadParameter(f"{what} in the ledger at {reports.target.shown}")
    return found


def _show_call(call: dict[str, Any]) -> None:
    output.line(f"{call['call_id']}  {call['started_at']}  {call['status']}")
    who = f"{call['provider']}/{call['model']}" if call["provider"] else "nobody"
    cost = output.usd(call["cost_usd"], unknown="cost unknown")
    if call["cache_hit"]:
        cost = f"from the cache, {output.usd(call['saved_usd'])} saved"
    asked = f", {call['requested_model']} was asked for" if call["requested_model"] else ""
    took = output.seconds(call["latency_us"] / 1e6)
    output.line(f"answered by {who}{asked}: {cost}, {took}, strategy {call['strategy']}")


def _show_routing(routing: dict[str, Any]) -> None:
    if not routing:
        output.line("No strategy chose: the model that was asked for, and others when it failed.")
        return
    if routing.get("cached"):
        made_by = routing["made_by"]
        told = f"it was made by call {made_by}, which tells more" if made_by else "by several calls"
        output.line(f"The answer was kept: {told}.")
        return
    output.line(f"\n{routing['reason']}")
    rows = [
        (
            one["name"],
            output.usd(_amount(one["expected_usd"])),
            output.usd(_amount(one["most_usd"])),
            output.seconds(one["first_token_s"]) if one["first_token_s"] is not None else "",
            "second opinions" if one.get("spare") else "",
        )
        for one in routing["candidates"]
    ]
    columns = ("candidate", "likely cost", "at most", "first token", "")
    output.show(output.table(columns, rows, right=columns[1:4]))
    for one in routing["skipped"]:
        output.line(f"left out: {one['name']}: {one['why']}")
    if steps := routing.get("steps"):
        output.line()
        rows = [
            (
                one["name"],
                one["did"],
                "" if one["confidence"] is None else f"{one['confidence']:.2f}",
                output.usd(_amount(one["cost_usd"]), unknown=""),
                one["why"],
            )
            for one in steps
        ]
        columns = ("step", "", "confidence", "cost", "why")
        output.show(output.table(columns, rows, right=columns[2:4]))


def _show_attempts(attempts: list[dict[str, Any]]) -> None:
    output.line()
    rows = [
        (
            f"{one['number']}  {one['provider']}/{one['model']}",
            one["error"] or one["status"],
            output.usd(one["cost_usd"]),
            output.usd(one["hold_usd"]),
            output.seconds((one["latency_us"] or 0) / 1e6),
        )
        for one in attempts
    ]
    columns = ("   attempt", "outcome", "cost", "held", "time")
    output.show(output.table(columns, rows, right=columns[2:]))


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
