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
from llm_orchestrator.bulk.batches.hands import (
    Hands,
    file_of,
    folded,
    order_of,
    rows_of,
    wire_of,
)
from llm_orchestrator.bulk.batches.points import point
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


async def begin(hands: Hands, unit: Unit) -> float | None:
    """The first step of a unit: upload, hold, send."""
    if unit.cancel_at is not None:
        return await drop(hands, unit, unit.cancel_why or "cancelled", ItemState.WAITING)
    target = hands.target(unit)
    if (wait := await _crowd(hands, unit, target)) is not None:
        return wait
    if unit.file_id is None:
        try:
            uploaded = await _upload(hands, unit, target)
        except OrchestratorError as error:
            return await _failed(hands, unit, error)
        if uploaded is None:
            return 0.0
        unit = uploaded
    if (wait := await money.hold(hands, unit, target)) is not None:
        return wait
    point("held")
    return await send(hands, unit, target)


async def _crowd(hands: Hands, unit: Unit, target: Candidate) -> float | None:
    """How long to wait until less is enqueued, where the provider tells how much may be."""
    most = wire_of(target).limits.enqueued
    if most is None or not unit.input_tokens:
        return None
    store = hands.store
    waiting = await store.do(store.units.enqueued, unit.account, unit.model)
    return hands.settings.poll if waiting and waiting + unit.input_tokens > most else None


async def _upload(hands: Hands, unit: Unit, target: Candidate) -> Unit | None:
    """The unit with the id of its file; ``None`` when another one has gone on with it."""
    file = await rows_of(hands, unit)
    file_id = await hands.drive(batch.room(target.provider).upload(file, target), target)
    point("uploaded")
    if not await hands.store.do(hands.store.units.uploaded, unit, file_id):
        return None
    point("upload-noted")
    return msgspec.structs.replace(unit, file_id=file_id)


async def send(hands: Hands, unit: Unit, target: Candidate) -> float | None:
    """Create the batch: once, whoever else is at it."""
    # What was uploaded is not needed here any more.
    file = file_of(hands, unit) if unit.file_id else await rows_of(hands, unit)
    store, wire = hands.store, wire_of(target)
    gate = unit.account if wire.tag == "none" else None
    at, real = hands.micros(), int(hands.clock.wall() * 1e6)
    answer = await store.do(store.units.sending, unit, at=at, real=real, gate=gate)
    if answer != "ours":
        return hands.settings.poll if answer == "busy" else 0.0
    unit = msgspec.structs.replace(
        unit, state="sending", send_no=unit.send_no + 1, sending_at=at, sending_real=real, gate=gate
    )
    point("sending")
    if hands.since(real) > hands.settings.begin_within:
        return 0.0
    try:
        status = await hands.create(
            batch.room(target.provider).create(order_of(unit, file), target), target
        )
    except OrchestratorError as error:
        if batch.perhaps_accepted(error):
            await hands.note(unit, error=folded(error))
            # Where it is safe it is sent again at once, but not without end.
            return 0.0 if unit.send_no == 1 else hands.settings.poll
        return await _failed(hands, unit, error)
    point("accepted")
    next_at = hands.micros()
    sent = await store.do(
        store.units.sent, unit, status.id, "reply", at=hands.micros(), next_at=next_at
    )
    point("sent")
    if not sent:
        await _undo(hands, unit, target, status.id)
    return 0.0


async def _undo(hands: Hands, unit: Unit, target: Candidate, batch_id: str) -> None:
    """Another life of ours went on meanwhile: end our batch, unless it is the one it found."""
    now = await hands.store.do(hands.store.units.get, unit.work_id)
    if now is not None and now.batch_id == batch_id:
        return
    log.warning("%s: a second batch (%s) was made, and is cancelled", unit.work_id, batch_id)
    await end(hands, target, batch_id)


async def end(hands: Hands, target: Candidate, batch_id: str) -> bool:
    """Cancel a batch that is ours; False where its provider cannot."""
    try:
        await hands.drive(batch.room(target.provider).cancel(batch_id, target), target)
    except UnsupportedError:
        log.warning("%s: a batch cannot be cancelled here", target.provider.name)
        return False
    return True


async def _failed(hands: Hands, unit: Unit, error: OrchestratorError) -> float | None:
    """Nothing was made: wait where it may pass, give the items back where it will not."""
    if isinstance(error, StoreError):
        raise error
    passing = isinstance(error, RateLimitError | APIConnectionError) or error.retryable
    if not passing:
        return await drop(hands, unit, folded(error), ItemState.RETRY)
    if unit.state == "sending":
        await hands.store.do(hands.store.units.refused, unit, folded(error))
    else:
        await hands.note(unit, error=folded(error))
    return max(hands.settings.poll, error.retry_after or 0.0)


async def drop(hands: Hands, unit: Unit, why: str, state: ItemState) -> float:
    """It never went out, or nothing was made of it: its items are free again."""
    store = hands.store
    await store.do(store.units.give_up, unit, why, state, at=hands.micros())
    point("given-up")
    return 0.0


async def dropped(hands: Hands, unit: Unit) -> float | None:
    """Book a unit that has ended without a batch."""
    await money.settle_nothing(hands, unit)
    point("settled")
    store = hands.store
    done = await store.do(
        store.units.over, unit, "dropped", cost_pico=0, collected_at=hands.micros()
    )
    path = hands.folder / (unit.path or unit.work_id)
    await asyncio.to_thread(path.unlink, missing_ok=True)
    return None if done else 0.0
