"""Budgets: whose spending is capped, over which time, and what happened to one."""

import datetime as dt
from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

from llm_orchestrator.types.money import Pico, to_usd, usd_text

Scope: TypeAlias = Literal["global", "session", "run", "user", "key", "tag"]
Period: TypeAlias = Literal["total", "day", "month"]

ALERTS = (50, 80, 100)
"""Shares of a cap in percent that are told, where nothing else is said."""
MOST_PICO = 9_000_000 * 10**12
"""The largest cap: the stores keep amounts in 64 bits."""
_TIMES = {"day": "daily ", "month": "monthly ", "total": ""}


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What may be spent, by whom and in which time.

    A budget without a ``subject`` (of a scope other than global) caps each subject apart; one that
    names a subject takes its place for that one. A tag's subject is ``name=value``, or ``name``
    for each of its values.
    """

    id: str = ""
    scope: Scope
    subject: str = ""
    period: Period = "total"
    zone: str = "UTC"
    cap_pico: Pico
    alerts: tuple[int, ...] = ALERTS

    @property
    def cap(self) -> Decimal:
        """USD."""
        return to_usd(self.cap_pico)

    def title(self, subject: str = "") -> str:
        """Its name in a sentence: ``the daily budget of user ana``."""
        subject = self.subject or subject
        if self.scope == "global":
            of = "for everything"
        elif self.scope == "key" and subject:
            of = f"of {subject}"
        else:
            of = f"of {self.scope} {subject}" if subject else f"of each {self.scope}"
        return f"the {_TIMES[self.period]}budget {of}"


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A share of a budget that was reached. Amounts are USD."""

    budget_id: str
    scope: Scope
    subject: str
    period: Period
    window: str
    """The day or month, as ``2026-11-20`` or ``2026-11``; ``total``."""
    window_key: str
    """The same as the store has it, with the subject where each one has a cap for itself."""
    share: int
    """Percent of the cap."""
    spent: Decimal
    cap: Decimal
    resets_at: dt.datetime | None
    """When the budget begins anew, in its own time zone."""
    text: str
    """All of it in a sentence."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why an attempt may not go out: with its hold, a budget could be passed."""

    budget: Budget
    subject: str
    spent_pico: Pico
    held_pico: Pico
    hold_pico: Pico | None
    """``None``: nothing bounds what it can cost."""
    resets_at: dt.datetime | None = None

    @property
    def may_pass(self) -> bool:
        """Whether it would fit if the calls under way cost next to nothing."""
        return self.hold_pico is not None and (
            self.spent_pico + self.hold_pico <= self.budget.cap_pico
        )

    def text(self, name: str) -> str:
        """The reason in words; ``name`` is the candidate's."""
        title = self.budget.title(self.subject)
        if self.hold_pico is None:
            return (
                f"nothing says what {name} can cost at most, so it cannot be asked under {title}: "
                "set its prices in the configuration, or leave fields that change the price out "
                "of extra"
            )
        held = f", {usd_text(self.held_pico)} held by calls under way" if self.held_pico else ""
        anew = ""
        if self.resets_at is not None:
            anew = f"; it begins anew on {self.resets_at:%Y-%m-%d %H:%M} ({self.budget.zone})"
        return (
            f"{title} does not allow this: {usd_text(self.spent_pico)} of "
            f"{usd_text(self.budget.cap_pico)} USD spent{held}, and {name} could cost up to "
            f"{usd_text(self.hold_pico)} USD{anew}"
        )
