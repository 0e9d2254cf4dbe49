"""The budgets as one process knows them, and what they do to the rows that it writes."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

from llm_orchestrator.store.balance import Entry, Hold, Reached, Window
from llm_orchestrator.store.budgets import Table, put_budget, read_budgets
from llm_orchestrator.store.matching import Book, Charges, Key, Spender, split_key
from llm_orchestrator.store.periods import span_of
from llm_orchestrator.store.rows import AttemptRow, Group, SettlementRow
from llm_orchestrator.types.budget import Alert, Budget, Refusal
from llm_orchestrator.types.money import Pico, to_usd, usd_text

_REFRESH_S = 1.0
"""How soon a process sees a budget that another one has set."""
_SEEN = 10_000
"""Windows whose last state is remembered."""
_MARK = "SELECT COUNT(*), SUM(updated_at % 1000000000) FROM budgets"
"""Differs whenever a budget was set or removed."""
_LATE_US = 2 * 86_400 * 10**6
"""Alerts older than this are not worth telling any more."""
_UNTOLD = (
    "SELECT a.budget_id, a.window_key, a.share, a.spent_pico, a.cap_pico, a.executor_id"
    " FROM budget_alerts AS a LEFT JOIN executors AS e ON e.executor_id = a.executor_id"
    " WHERE a.delivered_at IS NULL AND a.reached_at > ?"
    " AND (e.executor_id IS NULL OR e.ended_at IS NOT NULL)"
)
_ADOPT = (
    "UPDATE budget_alerts SET executor_id = ? WHERE budget_id = ? AND window_key = ?"
    " AND share = ? AND executor_id = ? AND delivered_at IS NULL"
)


class BudgetTables(Protocol):
    """The tables of budgets, inside a transaction that excludes others from what it reads."""

    def holds(self, attempt_ids: Sequence[str]) -> list[Hold]:
        """What these attempts hold."""

    def windows(self, keys: Sequence[Key]) -> dict[Key, Window]:
        """The windows; those of budgets that were removed are left out."""

    def known(self, attempt_ids: Sequence[str]) -> list[str]:
        """Those of the attempts that are written already."""

    def orphans(self) -> list[str]:
        """Attempts that hold something, and whose process is gone."""

    def tell(self, reached: Reached) -> bool:
        """Note that a share was reached; False when that was known."""

    def correct(self, attempt_id: str, cost_pico: Pico) -> None:
        """Say what an attempt has cost whose outcome is known without its cost."""

    def put(self, entry: Entry) -> None:
        """Change holds and windows."""


Plan: TypeAlias = Callable[[BudgetTables, Group], Entry]
"""What a transaction shall do with a group of rows."""


class BudgetControl:
    """Admits attempts and settles them. ``alerted`` is called when a share of a cap is reached.

    The writer's thread changes it; other threads may ask `covers`, `room` and ``refused``.
    """

    def __init__(
        self,
        executor_id: str = "",
        budgets: Iterable[Budget] = (),
        alerted: Callable[[Alert], None] | None = None,
        *,
        adopts: bool = False,
    ) -> None:
        self.adopts = adopts
        """Whether alerts of processes that died before they delivered them are told here."""
        self.again: set[str] = set()
        """Attempts that may be written already, by another process: what holds, holds once."""
        self._executor_id = executor_id
        self._configured = tuple(budgets)
        self.book = Book(self._configured)
        self.refused: dict[str, Refusal] = {}
        """Attempts that were not admitted, until their callers have taken note."""
        self._seen: dict[Key, Window] = {}
        self._told: set[tuple[Key, int]] = set()
        self._alerted = alerted
        self._mark: object = None
        self._looked: float | None = None

    def covers(self, spender: Spender) -> bool:
        """Whether it is under a budget that this process knows of."""
        return bool(self.book.charges(spender).keys)

    def room(self, spender: Spender) -> tuple[Pico, Pico] | None:
        """What the tightest budget has left: now, and once all others under way were free.

        As it was last seen; ``None`` when there is none, or none was seen yet.
        """
        found = [w for key in self.book.charges(spender).keys if (w := self._seen.get(key))]
        if not found:
            return None
        return min(w.free_pico for w in found), min(w.cap_pico - w.spent_pico for w in found)

    def refresh(self, table: Table) -> None:
        """See which budgets there are, at most once a second."""
        now = time.monotonic()
        if self._looked is not None and now - self._looked < _REFRESH_S:
            return
        mark = next(table.query(_MARK))
        if mark != self._mark:
            for one in self._configured:
                # What was set since by a command holds until the next start.
                put_budget(table, one, replace=self._mark is None)
            mark = next(table.query(_MARK))
            self.book = Book(read_budgets(table))
            self._mark = mark
        self._looked = now

    def adopt(self, table: Table) -> None:
        """Tell alerts that dead processes could not deliver."""
        if self._alerted is None or not self.adopts:
            return
        lately = time.time_ns() // 1000 - _LATE_US
        for *place, spent, cap, owner in list(table.query(_UNTOLD, (lately,))):
            budget = self.book.budgets.get(place[0])
            if budget is not None and table.execute(_ADOPT, (self._executor_id, *place, owner)):
                self._alerted(make_alert(budget, place[1], place[2], Window(cap, spent)))

    def plan(self, group: Group, *, admit: bool) -> Plan | None:
        """What to do with a group: of new rows, or of rows that were kept for a while."""
        if admit:
            return self.admit if self.book or self.refused else None
        return self.settle if group.settlements else None

    def admit(self, tables: BudgetTables, group: Group) -> Entry:
        """A `Plan`: attempts hold what they may, settlements free it again."""
        return self._decide(tables, group, self._charged(group.attempts) if self.book else {})

    def _without_known(
        self, tables: BudgetTables, charged: Mapping[str, Charges]
    ) -> Mapping[str, Charges]:
        """The charges without those of attempts that another process has written."""
        again = [attempt_id for attempt_id in charged if attempt_id in self.again]
        known = set(tables.known(again)) if again else ()
        return {name: found for name, found in charged.items() if name not in known}

    def settle(self, tables: BudgetTables, group: Group) -> Entry:
        """A `Plan` for rows of earlier: attempts are written as they are, and hold nothing."""
        return self._decide(tables, group, {})

    def lose(self, tables: BudgetTables, group: Group) -> Entry:
        """A `Plan`: what dead processes held counts as spent."""
        return self._decide(tables, group, {}, tables.orphans())

    def _decide(
        self,
        tables: BudgetTables,
        group: Group,
        charged: Mapping[str, Charges],
        lost: Sequence[str] = (),
    ) -> Entry:
        entry = Entry(at_us=time.time_ns() // 1000)
        settlements = self._heard(entry, group.settlements)
        ended = [row.attempt_id for row in settlements]
        found = tables.holds([*ended, *lost]) if ended or lost else []
        holds = {hold[0]: hold for hold in found}
        texts = {charges.text for charges in charged.values()}
        texts.update(hold[1] for hold in found)
        keys = {key for text in texts for key in text.split("\n")}
        windows = entry.windows = tables.windows(sorted(keys)) if keys else {}
        before = {key: window.spent_pico for key, window in windows.items()}
        if self.again:  # only now nobody else writes under the same budgets
            charged = self._without_known(tables, charged)
        entry.admit(group.attempts, charged)
        if entry.refused:
            settlements = self._heard(entry, settlements)
        entry.settle(settlements, holds)
        entry.lose([holds[one] for one in lost if one in holds])
        for key in entry.changed:
            if windows[key].spent_pico > before[key]:
                self._alert(entry, tables, key)
        return entry

    def _heard(self, entry: Entry, settlements: Sequence[SettlementRow]) -> Sequence[SettlementRow]:
        """The settlements without those of attempts that were refused: these were never there."""
        if not self.refused and not entry.refused:
            return settlements
        kept = []
        for row in settlements:
            if row.attempt_id in self.refused or row.attempt_id in entry.refused:
                entry.answered.append(row.attempt_id)
            else:
                kept.append(row)
        return kept

    def _charged(self, attempts: Sequence[AttemptRow]) -> dict[str, Charges]:
        charges = self.book.charges
        return {row.attempt_id: found for row in attempts if (found := charges(row)).keys}

    def _alert(self, entry: Entry, tables: BudgetTables, key: Key) -> None:
        budget_id, window_key = split_key(key)
        budget, window = self.book.budgets.get(budget_id), entry.windows[key]
        if budget is None:
            return
        for share in budget.alerts:
            reached = window.spent_pico * 100 >= share * window.cap_pico
            if reached and (key, share) not in self._told:
                entry.told.append((key, share))
                amounts = (window.spent_pico, window.cap_pico)
                if tables.tell(
                    Reached(budget_id, window_key, share, *amounts, entry.at_us, self._executor_id)
                ):
                    entry.alerts.append(make_alert(budget, window_key, share, window))

    def note(self, entry: Entry) -> None:
        """What `decide` said was committed."""
        refused = self.refused
        if refused:
            for row in entry.attempts:
                refused.pop(row.attempt_id, None)  # it was asked again, and admitted
        refused.update(entry.refused)
        for attempt_id in entry.answered:
            refused.pop(attempt_id, None)
        if len(self._seen) >= _SEEN:
            self._seen.clear()
        self._seen.update(entry.windows)
        if len(self._told) >= _SEEN:
            self._told.clear()
        self._told.update(entry.told)
        if self._alerted is not None:
            for alert in entry.alerts:
                self._alerted(alert)


def make_alert(budget: Budget, window_key: str, share: int, window: Window) -> Alert:
    """The alert for a share that was reached."""
    name, _, subject = window_key.partition("/")
    spent, cap = usd_text(window.spent_pico), usd_text(window.cap_pico)
    during = "" if budget.period == "total" else f" ({name})"
    unknown = f", {usd_text(window.unknown_pico)} of it unknown" if window.unknown_pico else ""
    return Alert(
        budget_id=budget.id,
        scope=budget.scope,
        subject=budget.subject or subject,
        period=budget.period,
        window=name,
        window_key=window_key,
        share=share,
        spent=to_usd(window.spent_pico),
        cap=to_usd(window.cap_pico),
        resets_at=span_of(budget.period, budget.zone, name).ends_at,
        text=f"{share} % of {budget.title(subject)}{during} is spent: {spent} of {cap} USD"
        f"{unknown}",
    )
