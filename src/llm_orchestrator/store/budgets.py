"""Budgets as rows: set, list and remove them, and settle what is unknown."""

import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import msgspec

from llm_orchestrator.types.budget import Alert, Budget

_PUT = (
    "INSERT INTO budgets"
    " (budget_id, scope, subject, period, zone, cap_pico, alerts, created_at, updated_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (scope, subject, period) DO "
)
_KEEP = "NOTHING"
_REPLACE = (
    "UPDATE SET zone = excluded.zone, cap_pico = excluded.cap_pico, alerts = excluded.alerts,"
    " updated_at = excluded.updated_at WHERE budgets.zone <> excluded.zone"
    " OR budgets.cap_pico <> excluded.cap_pico"
    " OR COALESCE(budgets.alerts, '') <> COALESCE(excluded.alerts, '')"
)
_ALL = "SELECT budget_id, scope, subject, period, zone, cap_pico, alerts FROM budgets"
_DELIVERED = (
    "UPDATE budget_alerts SET delivered_at = ? WHERE budget_id = ? AND window_key = ? AND share = ?"
)


class Table(Protocol):
    """Where budgets are kept."""

    def query(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a SELECT."""

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run one statement; how many rows it changed."""


def put_budget(table: Table, budget: Budget, *, replace: bool = True) -> None:
    """Set a budget. One of the same scope, subject and period keeps its id and what was spent."""
    now = time.time_ns() // 1000
    table.execute(
        _PUT + (_REPLACE if replace else _KEEP),
        (
            budget.id or f"bud_{secrets.token_hex(6)}",
            budget.scope,
            budget.subject,
            budget.period,
            budget.zone,
            budget.cap_pico,
            msgspec.json.encode(budget.alerts).decode(),
            now,
            now,
        ),
    )


def read_budgets(table: Table) -> list[Budget]:
    """All budgets of a store."""
    return [
        Budget(
            id=row[0],
            scope=row[1],
            subject=row[2],
            period=row[3],
            zone=row[4],
            cap_pico=row[5],
            alerts=msgspec.json.decode(row[6], type=tuple[int, ...]) if row[6] else (),
        )
        for row in table.query(_ALL)
    ]


def mark_delivered(table: Table, alert: Alert) -> None:
    """Note that an alert has arrived."""
    now = time.time_ns() // 1000
    table.execute(_DELIVERED, (now, alert.budget_id, alert.window_key, alert.share))
