"""The provider's bill and our ledger, laid side by side by the id that each attempt carries."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

_EXACT = ("price", "provider", "free")
_HARMLESS = frozenset(("ok", "malformed", "no-done", "no-usage", "double-finish", "split-utf8"))
"""Outcomes, in the simulator's words, of requests whose answer went out whole."""


class Entry(msgspec.Struct):
    """An attempt as the ledger has it; amounts in pico-dollars."""

    attempt_id: str
    status: str
    cost_pico: int | None
    cost_source: str
    hold_pico: int | None


class Billed(msgspec.Struct):
    """The same as the provider has it."""

    cost_pico: int
    outcome: str


class Books(msgspec.Struct):
    """Both sides; ``unsigned`` counts requests that carried no id."""

    ours: dict[str, Entry]
    bill: dict[str, Billed]
    unsigned: int

    @property
    def unbooked(self) -> set[str]:
        """What the provider saw and we do not know of."""
        return set(self.bill) - set(self.ours)

    def exact(self) -> list[Entry]:
        """Attempts whose cost we claim to know to the last digit, and that the provider saw."""
        known = (one for one in self.ours.values() if one.attempt_id in self.bill)
        return [one for one in known if one.cost_pico is not None and one.cost_source in _EXACT]

    def wrong(self) -> list[tuple[Entry, Billed]]:
        """Those of them that the bill contradicts."""
        pairs = ((one, self.bill[one.attempt_id]) for one in self.exact())
        return [(one, billed) for one, billed in pairs if one.cost_pico != billed.cost_pico]

    def unknown(self) -> list[Entry]:
        """Attempts whose outcome was never written."""
        return [one for one in self.ours.values() if one.status == "unknown"]

    def unbounded(self) -> list[tuple[Entry, int]]:
        """Attempts that cost more than was held for them."""
        pairs = [(one, self._owed(one)) for one in self.ours.values()]
        return [(one, cost) for one, cost in pairs if one.hold_pico is None or cost > one.hold_pico]

    def broken(self) -> list[tuple[Entry, Billed]]:
        """Attempts that count as good although the provider never sent the whole answer."""
        good = (one for one in self.ours.values() if one.status == "ok")
        pairs = [(one, self.bill[one.attempt_id]) for one in good if one.attempt_id in self.bill]
        return [(one, billed) for one, billed in pairs if billed.outcome not in _HARMLESS]

    def _owed(self, one: Entry) -> int:
        billed = self.bill.get(one.attempt_id)
        return billed.cost_pico if billed else 0


def lay(rows: Iterable[Mapping[str, Any]], ledger: Path) -> Books:
    """The rows of the simulator's bill beside the ledger at this path."""
    query = "SELECT attempt_id, status, cost_pico, cost_source, hold_pico FROM attempt_ledger"
    with closing(sqlite3.connect(ledger)) as db:
        ours = {row[0]: Entry(*row) for row in db.execute(query)}
    bill: dict[str, Billed] = {}
    unsigned = 0
    for row in rows:
        if row["client_request_id"]:
            bill[row["client_request_id"]] = Billed(row["cost_pico"], row["outcome"])
        else:
            unsigned += 1
    return Books(ours, bill, unsigned)
