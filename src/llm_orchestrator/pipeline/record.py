"""Every attempt is in the ledger before it goes out, and its outcome after."""

from time import time
from typing import TYPE_CHECKING, cast

from llm_orchestrator.errors import ClosedError, OrchestratorError
from llm_orchestrator.pipeline.attempt import Attempt, Call
from llm_orchestrator.pipeline.guard import Guard
from llm_orchestrator.providers.keys import KeyIds
from llm_orchestrator.store.rows import AttemptRow, CallRow, CallStatus, SettlementRow
from llm_orchestrator.types.reply import Reply
from llm_orchestrator.types.usage import Usage

if TYPE_CHECKING:
    from llm_orchestrator.store.ledger import Ledger
    from llm_orchestrator.store.rows import AttemptStatus, CostSource


_COUNTABLE = 2**63 - 1
"""No database counts further. Who asks for that many tokens is refused, and that is booked, too."""


class Record(Guard):
    """Books intents and outcomes; the intent's commit is awaited."""

    def __init__(self, ledger: "Ledger", price_version: str) -> None:
        self._ledger = ledger
        self._price_version = price_version
        self._key_ids = KeyIds()

    async def enter(self, attempt: Attempt) -> None:
        """Commit the intent. Raises where a budget does not allow it.

        Without a store, calls under a budget are refused, others go on.
        """
        call = attempt.call
        row = AttemptRow(
            attempt_id=attempt.id,
            call_id=call.id,
            session_id=call.session_id,
            number=attempt.number,
            provider=attempt.candidate.provider.name,
            model=attempt.candidate.model.id,
            started_at=attempt.started_at,
            hold_pico=None if attempt.hold is None else min(attempt.hold, _COUNTABLE),
            price_version=self._price_version,
            category=call.category,
            strategy=call.strategy,
            user_id=call.user_id,
            tags=call.tags,
            key_id=self._key_ids.of(attempt.candidate.provider),
        )
        try:
            await self._ledger.admit(row, capped=call.cap is not None)
        except ClosedError:
            raise  # the ledger took no intent, so there is none to settle
        except BaseException:
            # It does not go out, but its intent may be written all the same: free its hold.
            attempt.status, attempt.cost, attempt.cost_source = "dropped", 0, "free"
            self.leave(attempt)
            raise

    def leave(self, attempt: Attempt) -> None:
        """Add the outcome; it is committed with the next group."""
        usage = attempt.usage
        latency_us = int(attempt.latency * 1e6)
        row = SettlementRow(
            attempt_id=attempt.id,
            status=cast("AttemptStatus", attempt.status),
            error=type(attempt.error).__name__ if attempt.error else None,
            status_code=attempt.status_code,
            request_id=attempt.request_id,
            cost_pico=attempt.cost,
            cost_source=cast("CostSource", attempt.cost_source),
            ended_at=attempt.started_at + latency_us,
            first_token_us=_micros(attempt.first_token),
            latency_us=latency_us,
        )
        if usage is not None:
            row.input_tokens = usage.input_tokens
            row.output_tokens = usage.output_tokens
            row.cache_read_tokens = usage.cache_read_tokens
            row.cache_write_tokens = usage.cache_write_tokens
            row.cache_write_1h_tokens = usage.cache_write_1h_tokens
            row.reasoning_tokens = usage.reasoning_tokens
            row.usage_estimated = usage.estimated
        self._ledger.add(row)


def call_row(
    call: Call,
    status: CallStatus,
    cost: int | None,
    usage: Usage | None,
    error: OrchestratorError | None = None,
    answered: Attempt | None = None,
) -> CallRow:
    """The row of an ended call; ``error`` is what the user got instead of an answer.

    ``answered`` is the attempt whose answer it is, where that is not the last one.
    """
    last = answered or (call.attempts[-1] if call.attempts else None)
    first = call.attempts[0] if call.attempts else None
    ended_at = int(time() * 1e6)
    row = CallRow(
        call_id=call.id,
        session_id=call.session_id,
        started_at=call.started_at,
        ended_at=ended_at,
        status=status,
        provider=last.candidate.provider.name if last else None,
        model=last.candidate.model.id if last else None,
        requested_model=call.requested_model,
        cost_pico=cost,
        latency_us=ended_at - call.started_at,
        first_token_us=_micros(last.first_token) if last else None,
        category=call.category,
        strategy=call.strategy,
        user_id=call.user_id,
        tags=call.tags,
        stream=call.request.stream,
        fallback_used=last is not None and last.candidate.name != first.candidate.name,  # type: ignore[union-attr]
        error=type(error).__name__ if error else None,
        routing_decision=call.routing,
    )
    if usage is not None:
        row.input_tokens = usage.input_tokens
        row.output_tokens = usage.output_tokens
        row.cache_read_tokens = usage.cache_read_tokens
        row.cache_write_tokens = usage.cache_write_tokens
        row.reasoning_tokens = usage.reasoning_tokens
    return row


def hit_row(call: Call, kept: Reply) -> CallRow:
    """The row of a call answered from the cache: nothing was sent, so nothing was used."""
    row = call_row(call, "ok", 0, Usage())
    row.provider = kept.provider
    row.model = kept.model
    row.cache_hit = True
    return row


def _micros(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1e6)
