"""No call that may be dear goes out without somebody's consent."""

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from llm_orchestrator.errors import ApprovalRequiredError
from llm_orchestrator.pipeline.attempt import Call
from llm_orchestrator.pipeline.outer import Answering, Batches, Streaming
from llm_orchestrator.types.approval import Consent, Ticket
from llm_orchestrator.types.ids import ids
from llm_orchestrator.types.money import usd_text
from llm_orchestrator.types.reply import Reply

if TYPE_CHECKING:
    from llm_orchestrator.store.approvals import Approvals

log = logging.getLogger("llm_orchestrator")

_FIRST_LOOK_S = 0.1
_LONGEST_LOOK_S = 1.0


class Approval:
    """Holds a call back until its ticket is approved; a ticket lets one call through, once.

    ``wait_s`` is how long a call waits for it, ``expires_s`` how long a ticket counts.
    """

    def __init__(
        self,
        tickets: "Approvals",
        *,
        wait_s: float,
        expires_s: float,
        tell: Callable[[Ticket], None] | None = None,
    ) -> None:
        self._tickets = tickets
        self._wait_s = wait_s
        self._expires_s = expires_s
        self._tell = tell
        self.closed = False

    async def answer(self, call: Call, inner: Answering) -> Reply:
        """The reply, once there is consent."""
        ticket = await self._consent(call)
        try:
            return await inner()
        finally:
            await self._unused(call, ticket)

    async def stream(self, call: Call, inner: Streaming) -> Batches:
        """The events, once there is consent."""
        ticket = await self._consent(call)
        try:
            async with aclosing(inner()) as batches:
                async for batch in batches:
                    yield batch
        finally:
            await self._unused(call, ticket)

    async def _consent(self, call: Call) -> str | None:
        """The ticket that lets the call through; ``None`` where none is needed."""
        if call.consent is None:
            return None
        ticket = await asyncio.to_thread(self._open, call, call.consent)
        waited, pause = 0.0, _FIRST_LOOK_S
        while True:
            if ticket.status == "approved":
                if await asyncio.to_thread(self._tickets.claim, ticket.id, call.id):
                    return ticket.id
                ticket = await asyncio.to_thread(self._open, call, call.consent)
                continue
            if ticket.status != "waiting" or waited >= self._wait_s or self.closed:
                raise _refused(ticket)
            pause = min(pause, self._wait_s - waited)
            await asyncio.sleep(pause)
            waited, pause = waited + pause, min(pause * 2, _LONGEST_LOOK_S)
            found = await asyncio.to_thread(self._tickets.get, ticket.id)
            ticket = ticket if found is None else found

    def _open(self, call: Call, consent: Consent) -> Ticket:
        now = self._tickets.now()
        new = Ticket(
            id=ids.new("apr"),
            status="waiting",
            digest=consent.digest,
            provider=consent.provider,
            model=consent.model,
            expected_pico=consent.expected_pico,
            most_pico=consent.most_pico,
            user_id=call.user_id,
            category=call.category,
            tags=call.tags,
            created_at=now,
            expires_at=now + int(self._expires_s * 1e6),
        )
        ticket = self._tickets.open(new)
        if ticket is new:
            if self._wait_s:  # else its error says it
                log.warning("a call waits for consent: %s", _about(ticket))
            if self._tell is not None:
                self._tell(ticket)
        return ticket

    async def _unused(self, call: Call, ticket_id: str | None) -> None:
        if ticket_id is not None and not call.went_out:
            await asyncio.shield(asyncio.to_thread(self._tickets.give_back, ticket_id, call.id))


def _about(ticket: Ticket) -> str:
    cost = "an unknown amount" if ticket.expected_pico is None else usd_text(ticket.expected_pico)
    most = "" if ticket.most_pico is None else f" (at most {usd_text(ticket.most_pico)})"
    of = f" for {ticket.user_id}" if ticket.user_id else ""
    tags = f", {json.loads(ticket.tags)}" if ticket.tags else ""
    return f"ticket {ticket.id}: {ticket.provider}/{ticket.model}{of}, {cost} USD{most}{tags}"


def _refused(ticket: Ticket) -> ApprovalRequiredError:
    if ticket.status == "rejected":
        why = f": {ticket.note}" if ticket.note else ""
        by = f" by {ticket.decided_by}" if ticket.decided_by else ""
        text = f"the call was rejected{by}{why} ({_about(ticket)})"
    else:
        text = (
            f"the call needs consent: {_about(ticket)}. Approve it with `llmo approvals approve "
            f"{ticket.id}`, and ask again"
        )
    error = ApprovalRequiredError(text, code=ticket.status)
    error.ticket, error.expected, error.most = ticket.id, ticket.expected, ticket.most
    return error
