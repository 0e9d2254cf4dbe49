"""Budgets for people: set, look at and remove them, and settle what is unknown."""

import time
from collections.abc import Sequence
from typing import Any, Self

import msgspec

from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.store.backend import Backend
from llm_orchestrator.store.balance import Entry, Window
from llm_orchestrator.store.budget_control import BudgetControl, BudgetTables
from llm_orchestrator.store.budgets import put_budget, read_budgets
from llm_orchestrator.store.connect import connect
from llm_orchestrator.store.periods import Span, span, span_of
from llm_orchestrator.store.reports import open_current, unreadable
from llm_orchestrator.store.rows import Group, SettlementRow
from llm_orchestrator.store.urls import Target, parse_url
from llm_orchestrator.types.budget import Budget
from llm_orchestrator.types.money import Pico

_WINDOWS = (
    "SELECT w.budget_id, w.window_key, b.cap_pico, w.spent_pico, w.held_pico, w.unknown_pico"
    " FROM budget_windows AS w JOIN budgets AS b ON b.budget_id = w.budget_id"
    " ORDER BY w.window_key"
)
_UNKNOWN = (
    "SELECT a.attempt_id, a.provider, a.model, a.started_at, a.hold_pico FROM attempt_ledger AS a"
    " WHERE a.cost_pico IS NULL AND a.status <> 'open' ORDER BY a.started_at, a.attempt_id"
)
_ONE = "SELECT status, cost_pico, started_at FROM attempt_ledger WHERE attempt_id = ?"


class Place(msgspec.Struct, frozen=True):
    """A budget in one of its periods, of one subject."""

    budget: Budget
    subject: str
    span: Span
    window: Window


class Unknown(msgspec.Struct, frozen=True):
    """An attempt whose cost nobody knows; ``hold_pico`` is the most that it can be."""

    attempt_id: str
    provider: str
    model: str
    started_at: int
    hold_pico: Pico | None


class Treasury:
    """The budgets of a store; a context manager. Raises `StoreError` for what it cannot do.

    Opening it also takes in what dead processes left. A store that does not exist yet is made by
    `set`, and otherwise read as empty.
    """

    def __init__(self, url: str | None = None) -> None:
        self.target: Target = parse_url(url)
        self._backend: Backend = open_current(self.target)
        self._faults: tuple[type[Exception], ...] = (*self._backend.errors, OSError)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect."""
        self._backend.close()

    def budgets(self) -> list[Budget]:
        """All budgets, in order."""
        return sorted(self._try(lambda: read_budgets(self._backend)), key=_order)

    def find(self, scope: str, subject: str = "", period: str | None = None) -> list[Budget]:
        """The budgets of a scope and subject."""
        return [
            one
            for one in self.budgets()
            if (one.scope, one.subject) == (scope, subject) and period in (None, one.period)
        ]

    def set(self, budget: Budget) -> Budget:
        """Set a budget. One of the same scope, subject and period keeps what was spent of it."""
        self._backend.close()
        self._backend = connect(self.target)  # where there was none, one is made
        self._try(lambda: put_budget(self._backend, budget))
        [found] = self.find(budget.scope, budget.subject, budget.period)
        return found

    def remove(self, budget: Budget) -> None:
        """Remove a budget, with all that was spent of it."""
        # What is held of it stays with its attempts, and means nothing any more.
        for table in ("budgets", "budget_windows", "budget_alerts"):
            sql = f"DELETE FROM {table} WHERE budget_id = ?"  # noqa: S608 - our names
            self._try(lambda sql=sql: self._backend.execute(sql, (budget.id,)))

    def places(self, *, past: bool = False, now_us: int | None = None) -> list[Place]:
        """What is spent and held in the periods of now; with ``past``, in all of them.

        A budget that caps each subject apart has a place for each subject that has spent.
        """
        now_us = time.time_ns() // 1000 if now_us is None else now_us
        found: list[Place] = []
        rows = self._try(lambda: list(self._backend.query(_WINDOWS)))
        for budget in self.budgets():
            current = span(budget.period, budget.zone, now_us)
            seen = False
            for _, key, *amounts in [row for row in rows if row[0] == budget.id]:
                name, _, subject = key.partition("/")
                if name != current.key and not past:
                    continue
                seen = True
                then = span_of(budget.period, budget.zone, name)
                found.append(Place(budget, subject, then, Window(*amounts)))
            if not seen and (budget.subject or budget.scope == "global"):
                found.append(Place(budget, "", current, Window(budget.cap_pico)))
        return found

    def unknown(self) -> list[Unknown]:
        """The attempts whose cost nobody knows, the oldest first."""
        return [Unknown(*row) for row in self._try(lambda: list(self._backend.query(_UNKNOWN)))]

    def settle(self, attempt_id: str, cost_pico: Pico) -> None:
        """Say what an attempt of unknown cost has cost: budgets and ledger are put right.

        Raises `InvalidRequestError` for an attempt that there is not, whose cost is known, or that
        is still under way.
        """
        rows: Sequence[Any] = self._try(lambda: list(self._backend.query(_ONE, (attempt_id,))))
        if not rows:
            raise InvalidRequestError(f"there is no attempt {attempt_id}")
        status, known, started_at = rows[0]
        if status == "open":
            raise InvalidRequestError(f"{attempt_id} is still under way")
        if known is not None:
            raise InvalidRequestError(f"the cost of {attempt_id} is known")
        row = SettlementRow(
            attempt_id=attempt_id,
            status="cancelled",  # where nothing else is known of it
            cost_pico=cost_pico,
            cost_source="provider",
            ended_at=started_at,
            latency_us=0,
        )
        control = BudgetControl()

        def plan(tables: BudgetTables, group: Group) -> Entry:
            tables.correct(attempt_id, cost_pico)
            return control.settle(tables, group)

        self._try(lambda: self._backend.write(Group(settlements=[row]), plan))

    def _try(self, work: Any) -> Any:
        try:
            return work()
        except self._faults as error:
            raise unreadable(self.target, error) from error


def _order(budget: Budget) -> tuple[object, ...]:
    return budget.scope != "global", budget.scope, budget.subject, budget.period
