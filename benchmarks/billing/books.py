"""Three accounts of the same requests, compared to the last digit."""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypeAlias

from benchmarks.billing import published

Verdict: TypeAlias = Literal["=", "free", "est.", "no price", "-", "DIFFERS"]
"""Equal; of no cost, as it runs here; estimated and bounded; no price is published, and none of us
invents one; the row does not have it; unexplained."""
_WORSE: tuple[Verdict, ...] = ("free", "=", "est.", "no price", "DIFFERS")


@dataclass(frozen=True)
class Line:
    """One scenario of one row: sums over its requests in USD, and what came of comparing each."""

    row: str
    scenario: str
    verdict: Verdict
    reason: str = ""
    model: str = ""
    requests: int = 0
    ours: Decimal | None = None
    billed: Decimal | None = None
    recomputed: Decimal | None = None
    guessed: Decimal | None = None
    """What we guess that the requests cost whose usage is estimated; beside it, what they do."""
    owed: Decimal | None = None
    held: Decimal | None = None
    """The most that they could cost, known before they went out."""


def ledger(path: Path) -> dict[str, dict[str, Any]]:
    """Our view `attempt_ledger` by the id of the attempt."""
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        rows = [dict(row) for row in db.execute("SELECT * FROM attempt_ledger")]
    return {row["attempt_id"]: row for row in rows}


@dataclass(frozen=True)
class Accounts:
    """What is compared with: our attempts, prices by name, and which providers are free."""

    ours: Mapping[str, Mapping[str, Any]]
    named: Mapping[str, Mapping[str, float]]
    local: frozenset[str]
    unsaid: frozenset[str]
    """Scenarios whose usage this row's wire does not tell."""

    def line(self, row: str, scenario: str, bills: Sequence[Mapping[str, Any]]) -> Line:
        """Compare every request of a scenario."""
        if not bills:
            return Line(row, scenario, "DIFFERS", "nothing was billed")
        found = [self._one(scenario, bill) for bill in bills]
        worst = max(found, key=lambda one: _WORSE.index(one.verdict))
        estimated = [one for one in found if one.verdict == "est."]
        return Line(
            row,
            scenario,
            worst.verdict,
            "; ".join(
                f"{text} (×{times})" if times > 1 else text
                for text, times in Counter(one.reason for one in found if one.reason).items()
            ),
            next((one.model for one in found if one.model), ""),
            len(found),
            total([one.ours for one in found]),
            total([one.billed for one in found]),
            total([one.recomputed for one in found]),
            *(
                total([getattr(one, name) for one in estimated]) if estimated else None
                for name in ("ours", "billed", "held")
            ),
        )

    def _one(self, scenario: str, bill: Mapping[str, Any]) -> Line:
        ours = self.ours.get(bill["client_request_id"])
        if ours is None:
            return Line("", scenario, "DIFFERS", "billed, and not in our ledger")
        provider, model = ours["provider"], bill["model"] or bill["requested_model"]
        free = provider in self.local
        billed = Decimal(0) if free else exact(bill["cost_pico"])
        reason = ""
        try:
            recomputed = (
                Decimal(0)
                if free
                else published.cost(
                    provider,
                    model,
                    bill["usage"],
                    self.named,
                    day=bill["time"][:10],
                    tier=bill["service_tier"],
                )
            )
        except published.UnchargedError as error:
            recomputed, reason = None, str(error)
        known, held = exact(ours["cost_pico"]), exact(ours["hold_pico"])
        verdict: Verdict = "free" if free else "="
        if known is billed is recomputed is None and not reason:
            verdict, reason = "no price", "nobody publishes what it costs"
        elif recomputed != billed or billed is None:
            verdict, reason = "DIFFERS", reason or "the bill is not what is published"
        elif not free and (ours["usage_estimated"] or known is None):
            verdict, reason = self._estimate(scenario, ours, billed)
        elif known is not None and known > billed and scenario in self.unsaid:
            # A discount that the wire does not tell: booked at the full price.
            verdict, reason = self._estimate(scenario, ours, billed)
        elif known != billed:
            verdict, reason = "DIFFERS", f"{ours['cost_source']}, {ours['status']}"
        return Line("", scenario, verdict, reason, model, 1, known, billed, recomputed, held=held)

    def _estimate(
        self, scenario: str, ours: Mapping[str, Any], billed: Decimal
    ) -> tuple[Verdict, str]:
        """An estimate is right where the wire told nothing, and no more was owed than was held."""
        held = exact(ours["hold_pico"])
        if ours["status"] == "ok" and scenario not in self.unsaid:
            return "DIFFERS", "estimated, though the wire told its usage"
        if held is None or billed > held:
            return "DIFFERS", f"{billed:f} owed, {'nothing' if held is None else f'{held:f}'} held"
        if ours["status"] == "ok":
            return "est.", "this wire tells no usage of it"
        return "est.", "it was cut before the wire told all of its usage"


def exact(pico: int | None) -> Decimal | None:
    """USD from 10^-12 USD."""
    return None if pico is None else pico * published.PICO


def total(amounts: Sequence[Decimal | None]) -> Decimal | None:
    """The sum; ``None`` when one is unknown."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if len(known) == len(amounts) else None
