"""``llmo approvals``: calls that wait for consent."""

import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llm_orchestrator.cli import options, output

if TYPE_CHECKING:
    from pathlib import Path

    from llm_orchestrator.store.approvals import Approvals
    from llm_orchestrator.types.approval import Ticket, TicketStatus

group = typer.Typer(
    help="Calls above auto_approve_threshold_usd, which wait for consent.", no_args_is_help=True
)

TicketId = Annotated[str, typer.Argument(metavar="TICKET", help="The id of the ticket.")]
Note = Annotated[
    str | None,
    typer.Option("--note", metavar="TEXT", help="Why; the caller is told.", show_default=False),
]
By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who decides; you, when left out."),
]


@group.command("list")
def show(
    every: Annotated[
        bool, typer.Option("--all", metavar="", help="Also those that are decided or expired.")
    ] = False,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Show the calls that wait, with what they would cost."""
    found = _approvals(config).all(waiting=not every)
    if as_json:
        output.json([_facts(one) for one in found])
        return
    if not found:
        output.line("No call waits for consent.")
        return
    rows = [
        (
            one.id,
            one.status,
            f"{one.provider}/{one.model}",
            output.usd(one.expected),
            output.usd(one.most),
            one.user_id or "",
            one.note or "",
        )
        for one in found
    ]
    columns = ("ticket", "state", "model", "likely cost", "at most", "user", "note")
    output.show(output.table(columns, rows, right=("likely cost", "at most")))


@group.command("approve")
def approve(
    ticket: TicketId,
    note: Note = None,
    by: By = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Let the call through, once: the one that waits, or the next that asks the same."""
    _decide(_approvals(config), ticket, "approved", note, by, as_json=as_json)


@group.command("reject")
def reject(
    ticket: TicketId,
    note: Note = None,
    by: By = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Refuse the call."""
    _decide(_approvals(config), ticket, "rejected", note, by, as_json=as_json)


def _approvals(config: "Path | None") -> "Approvals":
    from llm_orchestrator.config.paths import store_url
    from llm_orchestrator.store.approvals import Approvals

    return Approvals(store_url(options.configuration(config)))


def _decide(
    approvals: "Approvals",
    ticket: str,
    status: "TicketStatus",
    note: str | None,
    by: str | None,
    *,
    as_json: bool,
) -> None:
    decided = approvals.decide(ticket, status, by=by or _me(), note=note)
    if as_json:
        output.json(_facts(decided))
    else:
        output.line(f"{decided.id} is {decided.status}.")


def _me() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return None


def _facts(ticket: "Ticket") -> dict[str, Any]:
    import datetime as dt

    import msgspec

    shown = msgspec.structs.asdict(ticket)
    shown["expected_usd"], shown["most_usd"] = ticket.expected, ticket.most
    for name in ("expected_pico", "most_pico", "digest"):
        del shown[name]
    for name in ("created_at", "expires_at", "decided_at"):
        if shown[name] is not None:
            shown[name] = dt.datetime.fromtimestamp(shown[name] / 1e6, dt.UTC).isoformat()
    return shown
