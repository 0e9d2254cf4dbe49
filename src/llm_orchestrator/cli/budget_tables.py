"""How budgets and attempts of unknown cost are shown."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llm_orchestrator.cli import output
from llm_orchestrator.types.money import to_usd

if TYPE_CHECKING:
    from llm_orchestrator.store.treasury import Place, Unknown
    from llm_orchestrator.types.budget import Budget


_COLUMNS = ("period", "cap", "spent", "unknown", "held", "left", "begins anew")
_MOST = 20


def table(
    budgets: "Sequence[Budget]",
    places: "Sequence[Place]",
    names: Mapping[str, str],
    *,
    most: int | None = _MOST,
) -> None:
    """All budgets with what is spent; ``names`` are what keys are called.

    Of a budget that caps each subject apart, the ``most`` that have spent most.
    """
    rows: list[list[object]] = []
    hidden = 0
    for budget in budgets:
        own = [one for one in places if one.budget == budget]
        each = budget.scope != "global" and not budget.subject
        subject = names.get(budget.subject, budget.subject)
        title = f"{'each ' if each else ''}{budget.scope} {subject}".strip()
        if not own:
            rows.append([title, budget.period, output.usd(budget.cap), "", "", "", "", ""])
        if each:
            own.sort(key=lambda one: (one.span.start_us, -one.window.spent_pico))
            hidden += max(0, len(own) - most) if most else 0
            own = own[:most]
        for one in own:
            name = f"{budget.scope} {names.get(one.subject, one.subject)}" if each else title
            rows.append([name, *_cells(one)])
    output.show(output.table(("budget", *_COLUMNS), rows, right=_COLUMNS[1:6]))
    if hidden:
        output.note(f"\nand {hidden:,} more that have spent less; --json shows all")


def _cells(place: "Place") -> list[str]:
    window = place.window
    amounts = (window.spent_pico, window.unknown_pico, window.held_pico, max(0, window.free_pico))
    return [
        place.span.key,
        output.usd(place.budget.cap),
        *(output.usd(to_usd(amount)) for amount in amounts),
        _when(place.span.ends_at),
    ]


def _when(at: dt.datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %Z}"


def facts(
    budget: "Budget",
    places: "Sequence[Place] | None" = None,
    names: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A budget as JSON shows it."""
    found: dict[str, Any] = {
        "budget_id": budget.id,
        "scope": budget.scope,
        "subject": budget.subject or None,
        "period": budget.period,
        "zone": budget.zone,
        "cap_usd": budget.cap,
        "alerts": budget.alerts,
    }
    if budget.scope == "key":
        found["provider"] = (names or {}).get(budget.subject)
    if places is not None:
        found["windows"] = [
            {
                "window": one.span.key,
                "subject": one.subject or budget.subject or None,
                "spent_usd": to_usd(one.window.spent_pico),
                "unknown_usd": to_usd(one.window.unknown_pico),
                "held_usd": to_usd(one.window.held_pico),
                "left_usd": to_usd(max(0, one.window.free_pico)),
                "resets_at": None if one.span.ends_at is None else one.span.ends_at.isoformat(),
            }
            for one in places
            if one.budget == budget
        ]
    return found


def unknown(found: "Sequence[Unknown]", *, as_json: bool) -> None:
    """Attempts whose cost nobody knows."""
    if as_json:
        output.json(
            [
                {
                    "attempt_id": one.attempt_id,
                    "provider": one.provider,
                    "model": one.model,
                    "started_at": _moment(one.started_at).isoformat(),
                    "at_most_usd": None if one.hold_pico is None else to_usd(one.hold_pico),
                }
                for one in found
            ]
        )
        return
    if not found:
        output.note("No attempt of unknown cost.")
        return
    rows = [
        [
            one.attempt_id,
            f"{one.provider}/{one.model}",
            f"{_moment(one.started_at):%Y-%m-%d %H:%M:%S}",
            output.usd(None if one.hold_pico is None else to_usd(one.hold_pico)),
        ]
        for one in found
    ]
    columns = ("attempt", "model", "began (UTC)", "at most")
    output.show(output.table(columns, rows, right=columns[3:]))


def _moment(micros: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(micros // 10**6, dt.UTC)
