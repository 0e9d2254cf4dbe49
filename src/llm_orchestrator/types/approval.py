"""Consent to a call that may be dear."""

from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

from llm_orchestrator.types.money import Pico, to_usd

TicketStatus: TypeAlias = Literal["waiting", "approved", "rejected", "used", "expired"]


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A call that waits for consent, or had it. Times are unix microseconds."""

    id: str
    status: TicketStatus
    digest: str
    """Of what is asked and of whom: consent is to this and nothing else."""
    provider: str | None = None
    model: str | None = None
    expected_pico: Pico | None = None
    """``None``: nobody knows the price."""
    most_pico: Pico | None = None
    user_id: str | None = None
    category: str = "orchestration"
    tags: str | None = None
    created_at: int
    expires_at: int
    decided_at: int | None = None
    decided_by: str | None = None
    note: str | None = None
    call_id: str | None = None
    """The call that it was used by."""

    @property
    def expected(self) -> Decimal | None:
        """USD."""
        return None if self.expected_pico is None else to_usd(self.expected_pico)

    @property
    def most(self) -> Decimal | None:
        """USD."""
        return None if self.most_pico is None else to_usd(self.most_pico)


class Consent(msgspec.Struct, frozen=True):
    """That a call needs somebody's consent, and to what."""

    digest: str
    expected_pico: Pico | None
    most_pico: Pico | None
    provider: str
    model: str
