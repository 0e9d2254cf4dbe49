"""What a group of rows does to budgets: arithmetic on windows, without a database.

An attempt *holds* the most that it can cost, in every window that it is charged to, until its cost
is known. It is admitted only where spent + held + its hold stay within the cap. A cost that nobody
knows counts as spent up to its hold.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from llm_orchestrator.store.matching import Charges, Key
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


Hold: TypeAlias = tuple[str, str, Pico, bool]
"""An attempt, the keys of its windows as lines, what it holds in each of them, and whether its cost
is unknown. A plain tuple, as one is made for every attempt."""


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
    "SELECT h.attempt_id FROM budget_holds AS h"
    " LEFT JOIN attempts AS a ON a.attempt_id = h.attempt_id"
    " LEFT JOIN executors AS e ON e.executor_id = a.executor_id"
    " WHERE NOT h.unknown AND (e.executor_id IS NULL OR e.ended_at IS NOT NULL)"
)
"""Attempts that hold something, and whose process is gone."""

CORRECT = (
    "UPDATE settlements SET cost_pico = ?, cost_source = 'provider'"
    " WHERE attempt_id = ? AND cost_pico IS NULL"
)
"""An outcome of unknown cost, once it is known."""


class Entry(msgspec.Struct):
    """What a transaction does: rows to insert, and what becomes of holds and windows."""

    at_us: int
    attempts: Sequence[AttemptRow] = ()
    settlements: Sequence[SettlementRow] = ()
    windows: dict[Key, Window] = {}
    """All that were looked at."""
    changed: set[Key] = set()
    held: dict[str, Hold] = {}
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
    """The alerts that this transaction is the first to see."""

    def admit(self, attempts: Sequence[AttemptRow], charged: Mapping[str, Charges]) -> None:
        """Hold what fits. Who does not fit is refused, and all others go on."""
        if not charged:
            self.attempts = attempts
            return
        self.attempts = admitted = []
        windows, held, changed = self.windows, self.held, self.changed
        for row in attempts:
            charges = charged.get(row.attempt_id)
            if charges is None:
                admitted.append(row)
                continue
            amount = row.hold_pico
            refusal = self._refusal(amount, charges)
            if refusal is not None:
                self.refused[row.attempt_id] = refusal
                continue
            admitted.append(row)
            if amount is None:
                continue  # nothing is left of the budgets that it was charged to
            for key in charges.keys:
                window = windows.get(key)
                if window is not None:
                    window.held_pico += amount
                    changed.add(key)
            held[row.attempt_id] = (row.attempt_id, charges.text, amount, False)

    def _refusal(self, amount: Pico | None, charges: Charges) -> Refusal | None:
        windows = self.windows
        for place, key in enumerate(charges.keys):
            window = windows.get(key)
            if window is None:
                continue  # the budget was removed a moment ago
            # What costs nothing is never refused; should it cost something, that is counted.
            if amount is None or (
                amount > window.cap_pico - window.spent_pico - window.held_pico and amount
            ):
                one = charges.items[place]
                return Refusal(
                    budget=msgspec.structs.replace(one.budget, cap_pico=window.cap_pico),
                    subject=one.subject,
                    spent_pico=window.spent_pico,
                    held_pico=window.held_pico,
                    hold_pico=amount,
                    resets_at=one.span.ends_at,
                )
        return None

    def settle(self, settlements: Sequence[SettlementRow], holds: Mapping[str, Hold]) -> None:
        """Release holds, and count costs instead."""
        self.settlements = settlements
        held = self.held
        for row in settlements:
            attempt_id, cost = row.attempt_id, row.cost_pico
            hold = held.get(attempt_id)
            if hold is not None:  # it came and went within this group
                self._move(hold, cost)
                if cost is None:
                    held[attempt_id] = (*hold[:3], True)
                else:
                    del held[attempt_id]
                continue
            hold = holds.get(attempt_id)
            if hold is not None:
                self._move(hold, cost)
                (self.lost if cost is None else self.gone).append(attempt_id)

    def lose(self, holds: Iterable[Hold]) -> None:
        """Count the holds of attempts that nobody will settle as spent."""
        for hold in holds:
            self._move(hold, None)
            self.lost.append(hold[0])

    def _move(self, hold: Hold, cost: Pico | None) -> None:
        """From held, or unknown, to spent; as unknown where there is no cost."""
        _, lines, amount, unknown = hold
        for key in lines.split("\n"):
            window = self.windows.get(key)
            if window is None:
                continue
            if unknown:
                window.spent_pico -= amount
                window.unknown_pico -= amount
            else:
                window.held_pico -= amount
            if cost is None:
                window.unknown_pico += amount
                window.spent_pico += amount
            else:
                window.spent_pico += cost
            self.changed.add(key)
