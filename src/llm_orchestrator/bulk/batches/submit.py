"""The way to the provider: rows up, money held, and one call that is never repeated blindly.

1. The rows are uploaded; the unit notes their file.
2. The cost that it can have at most is held in the ledger, under every budget.
3. The unit notes that it is being sent, for the n-th time, if nobody else has.
4. If that took long, the list of the provider is asked first (`reconcile`).
5. The batch is created, with our tag, in one call.
6. The unit notes its id, if it is still the n-th time; if not, another life of ours has decided,
   and a second batch is cancelled at once.
"""

import asyncio
import logging

import msgspec

from llm_orchestrator.bulk.batches import money
from llm_orchestrator.bulk.batches.context import BatchContext, file_of, order_of, rows_of, wire_of
from llm_orchestrator.bulk.batches.crash_points import crash_point
from llm_orchestrator.bulk.error_text import error_text
from llm_orchestrator.dialects import batch
from llm_orchestrator.errors import (
    APIConnectionError,
    OrchestratorError,
    RateLimitError,
    StoreError,
    UnsupportedError,
)
from llm_orchestrator.store.bulk_rows import ItemState, Unit
from llm_orchestrator.types.provider import Candidate

log = logging.getLogger("llm_orchestrator")


async def begin(context: BatchContext, unit: Unit) -> float | None:
    """The first step of a unit: upload, hold, send."""
    if unit.cancel_at is not None:
        return await drop(context, unit, unit.cancel_why or "cancelled", ItemState.WAITING)
    target = context.target(unit)
    if (wait := await _crowd(context, unit, target)) is not None:
        return wait
    if unit.file_id is None:
        try:
            uploaded = await _upload(context, unit, target)
        except OrchestratorError as error:
            return await _failed(context, unit, error)
        if uploaded is None:
            return 0.0
        unit = uploaded
    if (wait := await money.hold(context, unit, target)) is not None:
        return wait
    crash_point("held")
    return await send(context, unit, target)


async def _crowd(context: BatchContext, unit: Unit, target: Candidate) -> float | None:
    """How long to wait until less is enqueued, where the provider tells how much may be."""
    most = wire_of(target).limits.enqueued
    if most is None or not unit.input_tokens:
        return None
    store = context.store
    waiting = await store.do(store.units.enqueued, unit.account, unit.model)
    return context.settings.poll if waiting and waiting + unit.input_tokens > most else None


async def _upload(context: BatchContext, unit: Unit, target: Candidate) -> Unit | None:
    """The unit with the id of its file; ``None`` when another one has gone on with it."""
    file = await rows_of(context, unit)
    file_id = await context.drive(batch.dialect(target.provider).upload(file, target), target)
    crash_point("uploaded")
    if not await context.store.do(context.store.units.uploaded, unit, file_id):
        return None
    crash_point("upload-noted")
    return msgspec.structs.replace(unit, file_id=file_id)


async def send(context: BatchContext, unit: Unit, target: Candidate) -> float | None:
    """Create the batch: once, whoever else is at it."""
    # What was uploaded is not needed here any more.
    file = file_of(context, unit) if unit.file_id else await rows_of(context, unit)
    store, wire = context.store, wire_of(target)
    gate = unit.account if wire.tag == "none" else None
    at, real = context.micros(), int(context.clock.wall() * 1e6)
    answer = await store.do(store.units.sending, unit, at=at, real=real, gate=gate)
    if answer != "ours":
        return context.settings.poll if answer == "busy" else 0.0
    unit = msgspec.structs.replace(
        unit, state="sending", send_no=unit.send_no + 1, sending_at=at, sending_real=real, gate=gate
    )
    crash_point("sending")
    if context.since(real) > context.settings.begin_within:
        return 0.0
    try:
        status = await context.create(
            batch.dialect(target.provider).create(order_of(unit, file), target), target
        )
    except OrchestratorError as error:
        if batch.perhaps_accepted(error):
            await context.note(unit, error=error_text(error))
            # Where it is safe it is sent again at once, but not without end.
            return 0.0 if unit.send_no == 1 else context.settings.poll
        return await _failed(context, unit, error)
    crash_point("accepted")
    next_at = context.micros()
    sent = await store.do(
        store.units.sent, unit, status.id, "reply", at=context.micros(), next_at=next_at
    )
    crash_point("sent")
    if not sent:
        await _undo(context, unit, target, status.id)
    return 0.0


async def _undo(context: BatchContext, unit: Unit, target: Candidate, batch_id: str) -> None:
    """Another life of ours went on meanwhile: end our batch, unless it is the one it found."""
    now = await context.store.do(context.store.units.get, unit.work_id)
    if now is not None and now.batch_id == batch_id:
        return
    log.warning("%s: a second batch (%s) was made, and is cancelled", unit.work_id, batch_id)
    await end(context, target, batch_id)


async def end(context: BatchContext, target: Candidate, batch_id: str) -> bool:
    """Cancel a batch that is ours; False where its provider cannot."""
    try:
        await context.drive(batch.dialect(target.provider).cancel(batch_id, target), target)
    except UnsupportedError:
        log.warning("%s: a batch cannot be cancelled here", target.provider.name)
        return False
    return True


async def _failed(context: BatchContext, unit: Unit, error: OrchestratorError) -> float | None:
    """Nothing was made: wait where it may pass, give the items back where it will not."""
    if isinstance(error, StoreError):
        raise error
    passing = isinstance(error, RateLimitError | APIConnectionError) or error.retryable
    if not passing:
        log.warning("%s refuses a batch of %s rows: %s", unit.provider, f"{unit.count:,}", error)
        return await drop(context, unit, error_text(error), ItemState.RETRY)
    if unit.state == "sending":
        await context.store.do(context.store.units.refused, unit, error_text(error))
    else:
        await context.note(unit, error=error_text(error))
    return max(context.settings.poll, error.retry_after or 0.0)


async def drop(context: BatchContext, unit: Unit, why: str, state: ItemState) -> float:
    """It never went out, or nothing was made of it: its items are free again."""
    store = context.store
    await store.do(store.units.give_up, unit, why, state, at=context.micros())
    crash_point("given-up")
    return 0.0


async def dropped(context: BatchContext, unit: Unit) -> float | None:
    """Book a unit that has ended without a batch."""
    await money.settle_nothing(context, unit)
    crash_point("settled")
    store = context.store
    done = await store.do(
        store.units.over, unit, "dropped", cost_pico=0, collected_at=context.micros()
    )
    path = context.folder / (unit.path or unit.work_id)
    await asyncio.to_thread(path.unlink, missing_ok=True)
    return None if done else 0.0
