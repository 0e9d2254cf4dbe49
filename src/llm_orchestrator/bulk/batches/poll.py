"""Looking at a batch that runs, and ending it where that was asked for."""

import msgspec

from llm_orchestrator.bulk.batches import submit
from llm_orchestrator.bulk.batches.context import BatchContext, wire_of
from llm_orchestrator.bulk.batches.crash_points import crash_point
from llm_orchestrator.bulk.error_text import error_text
from llm_orchestrator.dialects import batch
from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.store.bulk_rows import Unit
from llm_orchestrator.types.batch import BatchState, BatchStatus
from llm_orchestrator.types.provider import Candidate

_GONE = frozenset((404, 410))
_SHARE = 0.05
"""The part of a batch's age that passes until the next look."""
_LONGEST_S = 3600.0
"""Seconds until a batch is created again for which there was no room."""
_FORGOTTEN_S = 48 * 3600.0
"""How long after its time a batch is given up that its provider does not know any more."""


async def look(context: BatchContext, unit: Unit) -> float | None:
    """See how far it is."""
    target = context.target(unit)
    store = context.store
    try:
        status = await _status(context, unit, target)
    except OrchestratorError as error:
        late = context.clock.now() - (unit.sent_at or 0) / 1e6 - unit.hours * 3600
        if error.status_code not in _GONE or late < _FORGOTTEN_S:
            raise
        at = context.micros()
        await store.do(
            store.units.ended, unit, at=at, error=error_text(error), provider_state="gone"
        )
        return 0.0
    crash_point("seen")
    if status.crowded:
        past = [*past_of(unit), status.id]
        await store.do(store.units.anew, unit, past)
        return min(context.settings.poll * (1 << len(past)), _LONGEST_S)
    told = {
        "provider_state": status.state.value,
        "done": status.completed,
        "failed": status.failed,
    }
    if status.state.over:
        at = int(status.ended_at * 1e6) if status.ended_at else context.micros()
        await store.do(store.units.ended, unit, at=at, error=status.error, **told)
        crash_point("ended")
        return 0.0
    await context.note(unit, error=None, **told)
    return pause(context, unit)


async def _status(context: BatchContext, unit: Unit, target: Candidate) -> BatchStatus:
    """The batch as it is, after it was asked to end where it should."""
    batch_id = unit.batch_id or ""
    asked = unit.provider_state == BatchState.CANCELLING or not wire_of(target).cancels
    # One that only matches may be somebody else's: it is left to its end.
    if unit.cancel_at is not None and unit.proof != "match" and not asked:
        await submit.end(context, target, batch_id)
        crash_point("cancelled")
    return await context.drive(batch.dialect(target.provider).poll(batch_id, target), target)


def pause(context: BatchContext, unit: Unit) -> float:
    """How long until the next look: the longer it has taken, the longer."""
    settings = context.settings
    age = (context.micros() - (unit.sent_at or context.micros())) / 1e6
    longest = settings.poll if unit.cancel_at is not None else settings.poll_most
    return min(max(settings.poll, age * _SHARE), max(settings.poll, longest))


def past_of(unit: Unit) -> list[str]:
    """Batches that turned out not to be the unit's."""
    return msgspec.json.decode(unit.past, type=list[str]) if unit.past else []
