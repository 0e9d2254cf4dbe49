"""What a group of rows does to budgets: arithmetic on windows, without a database.

An attempt *holds* the most that it can cost, in every window that it is charged to, until its cost
is known. It is admitted only where spent + held + its hold stay within the cap. A cost that nobody
knows counts as spent up to its hold.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from llm_orchestrator.store.matching import Charge, Key
from llm_orchestrator.store.rows import AttemptRow, SettlementRow
from llm_orchestrator.types.budget import Alert, Refusal
from llm_orchestrator.types.money import Pico


class Window(msgspec.Struct):
    """What is spent and held of a budget in one of its periods; spent includes unknown."""

    cap_pico: Pico
    spent_pico: Pico = 0
    held_pico: Pico = 0
    unknown_pico: Pico = 0

    @property
    def free_pico(self) -> Pico:
        """What may still be held."""
        return self.cap_pico - self.spent_pico - self.held_pico


class Hold(NamedTuple):
    """What one attempt holds in one window, or what is counted there for its unknown cost."""

    attempt_id: str
    budget_id: str
    window_key: str
    hold_pico: Pico
    unknown: bool = False

    @property
    def key(self) -> Key:
        """The window."""
        return Key(self.budget_id, self.window_key)


class Reached(NamedTuple):
    """A share of a cap that is spent, and the process that tells it."""

    budget_id: str
    window_key: str
    share: int
    spent_pico: Pico
    cap_pico: Pico
    reached_at: int
    executor_id: str


ORPHANS = (
    "SELECT DISTINCT h.attempt_id FROM budget_holds AS h"
    " LEFT JOIN attempts AS a ON a.attempt_id = h.attempt_id"
    " LEFT JOIN executors AS e ON e.executor_id = a.executor_id"
    " WHERE NOT h.unknown AND (e.executor_id IS NULL OR e.ended_at IS NOT NULL)"
)
"""Attempts that hold something, and whose process is gone."""


class Entry(msgspec.Struct):
    """What a transaction does: rows to insert, and what becomes of holds and windows."""

    at_us: int

    attempts: Sequence[AttemptRow] = ()
    settlements: Sequence[SettlementRow] = ()
    windows: dict[Key, Window] = {}
    """All that were looked at."""
    changed: set[Key] = set()
    held: dict[str, list[Hold]] = {}
    """New holds by attempt."""
    gone: list[str] = []
    """Attempts that hold nothing any more."""
    lost: list[str] = []
    """Attempts whose cost is unknown."""
    refused: dict[str, Refusal] = {}
    answered: list[str] = []
    """Attempts that were refused before, and whose callers have taken note."""
    told: list[tuple[Key, int]] = []
    """Shares that are known to be reached."""
    alerts: list[Alert] = []
    """Those of them that this transaction is the first to see."""

    def admit(
        self, attempts: Sequence[AttemptRow], charged: Mapping[str, Sequence[Charge]]
    ) -> None:
        """Hold what fits. Who does not fit is refused, and all others go on."""
        if not charged:
            self.attempts = attempts
            return
        admitted = []
        for row in attempts:
            # A budget that was removed a moment ago has no window.
            own = [one for one in charged.get(row.attempt_id, ()) if one.key in self.windows]
            refusal = self._refusal(row, own)
            if refusal is not None:
                self.refused[row.attempt_id] = refusal
                continue
            admitted.append(row)
            amount = row.hold_pico or 0
            for one in own:
                self.windows[one.key].held_pico += amount
                self.changed.add(one.key)
            if own:
                self.held[row.attempt_id] = [Hold(row.attempt_id, *one.key, amount) for one in own]
        self.attempts = admitted

    def _refusal(self, row: AttemptRow, charges: Sequence[Charge]) -> Refusal | None:
        for one in charges:
            window = self.windows[one.key]
            if row.hold_pico is None or row.hold_pico > window.free_pico:
                return Refusal(
                    budget=msgspec.structs.replace(one.budget, cap_pico=window.cap_pico),
                    subject=one.subject,
                    spent_pico=window.spent_pico,
                    held_pico=window.held_pico,
                    hold_pico=row.hold_pico,
                    resets_at=one.span.ends_at,
                )
        return None

    def settle(
        self, settlements: Sequence[SettlementRow], holds: Mapping[str, Sequence[Hold]]
    ) -> None:
        """Release holds, and count costs instead."""
        self.settlements = settlements
        for row in settlements:
            attempt_id, cost = row.attempt_id, row.cost_pico
            own = self.held.get(attempt_id)
            if own is not None:  # it came and went within this group
                self._move(own, cost)
                if cost is None:
                    self.held[attempt_id] = [one._replace(unknown=True) for one in own]
                else:
                    del self.held[attempt_id]
            elif attempt_id in holds:
                self._move(holds[attempt_id], cost)
                (self.lost if cost is None else self.gone).append(attempt_id)

    def lose(self, holds: Mapping[str, Sequence[Hold]]) -> None:
        """Count the holds of attempts that nobody will settle as spent."""
        for attempt_id, own in holds.items():
            self._move(own, None)
            self.lost.append(attempt_id)

    def _move(self, holds: Sequence[Hold], cost: Pico | None) -> None:
        for one in holds:
            window = self.windows.get(one.key)
            if window is None:
                continue
            if one.unknown:
                window.spent_pico -= one.hold_pico
                window.unknown_pico -= one.hold_pico
            else:
                window.held_pico -= one.hold_pico
            if cost is None:
                window.unknown_pico += one.hold_pico
            window.spent_pico += one.hold_pico if cost is None else cost
            self.changed.add(one.key)
