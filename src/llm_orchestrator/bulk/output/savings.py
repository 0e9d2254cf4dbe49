"""What batches have saved: what was paid, against what the same tokens cost in real time.

Both sums are of units of work, whose cost is booked in the ledger as one attempt: whoever doubts
the figures adds up the ledger's rows.
"""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from llm_orchestrator.bulk.output.brands import brand
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_jobs import MARK
from llm_orchestrator.store.bulk_sums import PaidUnit
from llm_orchestrator.types.money import Pico, to_usd

By = Literal["job_type", "provider", "month"]


class Saved(msgspec.Struct, kw_only=True):
    """Sums of batches. Amounts are pico-USD."""

    batches: int = 0
    jobs: int = 0
    cost_pico: Pico = 0
    realtime_pico: Pico = 0
    booked_pico: Pico = 0
    """What the ledger has for them."""
    unknown: int = 0
    """Batches whose cost, here or in real time, is not known: they are in no sum of money."""
    unbooked: int = 0
    """Batches with a cost that the ledger does not have."""

    def add(self, unit: PaidUnit) -> None:
        """One more batch."""
        self.batches += 1
        self.jobs += unit.items
        if unit.cost_pico is None or unit.realtime_pico is None:
            self.unknown += 1
            return
        self.cost_pico += unit.cost_pico
        self.realtime_pico += unit.realtime_pico
        if unit.booked_pico is None:
            self.unbooked += 1
        else:
            self.booked_pico += unit.booked_pico

    @property
    def saved_pico(self) -> Pico:
        """What was not paid."""
        return self.realtime_pico - self.cost_pico

    @property
    def percent(self) -> Decimal | None:
        """The share of the real-time cost that was not paid; ``None`` without any."""
        if not self.realtime_pico:
            return None
        return (Decimal(self.saved_pico) * 100 / Decimal(self.realtime_pico)).quantize(
            Decimal("0.1")
        )

    @property
    def proven(self) -> bool:
        """Whether the ledger says the same."""
        return not self.unbooked and self.booked_pico == self.cost_pico

    def as_dict(self) -> dict[str, Any]:
        """Amounts in USD."""
        return {
            "batches": self.batches,
            "jobs": self.jobs,
            "cost_usd": to_usd(self.cost_pico),
            "realtime_usd": to_usd(self.realtime_pico),
            "savings_usd": to_usd(self.saved_pico),
            "savings_percentage": self.percent,
            "ledger_usd": to_usd(self.booked_pico),
            "proven": self.proven,
            "unknown_cost_batches": self.unknown,
        }


class Savings(msgspec.Struct, kw_only=True):
    """All of them, and by what they are of."""

    total: Saved
    by_job_type: dict[str, Saved]
    by_provider: dict[str, Saved]
    by_month: dict[str, Saved]

    def by(self, what: By) -> dict[str, Saved]:
        """The sums by one of them."""
        return {
            "job_type": self.by_job_type,
            "provider": self.by_provider,
            "month": self.by_month,
        }[what]

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "total_savings_usd": to_usd(self.total.saved_pico),
            **self.total.as_dict(),
            "by_job_type": {name: one.as_dict() for name, one in self.by_job_type.items()},
            "by_provider": {name: one.as_dict() for name, one in self.by_provider.items()},
            "by_month": {name: one.as_dict() for name, one in self.by_month.items()},
        }


def savings(store: BulkStore, zone: str = "UTC", job_type: str | None = None) -> Savings:
    """The savings of all batches, or of those of one job type; months are those of ``zone``.

    A batch that did not come from the queue counts under the name of its task. Blocks.
    """
    units: Iterable[PaidUnit] = store.wait(store.sums.paid)
    if job_type is not None:
        units = [unit for unit in units if type_of(unit) == job_type]
    return summed(units, zone)


def summed(units: Iterable[PaidUnit], zone: str = "UTC") -> Savings:
    """The savings of these."""
    where = ZoneInfo(zone)
    made = Savings(total=Saved(), by_job_type={}, by_provider={}, by_month={})
    for unit in units:
        made.total.add(unit)
        made.by_job_type.setdefault(type_of(unit), Saved()).add(unit)
        made.by_provider.setdefault(brand(unit.provider), Saved()).add(unit)
        made.by_month.setdefault(_month(unit, where), Saved()).add(unit)
    return made


def type_of(unit: PaidUnit) -> str:
    """The job type of a batch; its task where it has none."""
    if unit.name is not None and unit.name.startswith(MARK):
        return unit.name.removeprefix(MARK).partition("/")[2]
    return unit.task


def _month(unit: PaidUnit, zone: ZoneInfo) -> str:
    """That in which the ledger has it: reports of what was spent have it there, too."""
    return dt.datetime.fromtimestamp(unit.booked_at / 1e6, zone).strftime("%Y-%m")
