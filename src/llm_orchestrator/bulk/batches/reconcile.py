"""Finding a batch whose creation got no answer: it may be there or not, and is paid once."""

import logging

import msgspec

from llm_orchestrator.bulk.batches import submit
from llm_orchestrator.bulk.batches.context import BatchContext, mark_of, wire_of
from llm_orchestrator.bulk.batches.crash_points import crash_point
from llm_orchestrator.bulk.batches.fetching import whose
from llm_orchestrator.bulk.batches.poll import past_of
from llm_orchestrator.dialects import batch
from llm_orchestrator.store.bulk_rows import ItemState, Proof, Unit
from llm_orchestrator.types.batch import BatchState, BatchStatus
from llm_orchestrator.types.provider import Candidate

log = logging.getLogger("llm_orchestrator")

_SOON_S = 3600.0
"""How long, at least, a provider remembers an idempotency key or a token of ours."""
_KEPT_S = 30 * 86_400.0
"""Batches are forgotten by their providers after that."""
_ENDING = frozenset((BatchState.CANCELLING, BatchState.CANCELLED, BatchState.FAILED))
_LOOKS = 20
"""How often, at most, the list is asked during the grace period."""


async def find(context: BatchContext, unit: Unit) -> float | None:
    """Look for the batch of a unit that is being sent; send it again when it cannot be there."""
    target = context.target(unit)
    waited = context.since(unit.sending_real)
    if wire_of(target).idempotent and waited < _SOON_S and unit.cancel_at is None:
        return await submit.send(context, unit, target)
    found = await _listed(context, unit, target)
    crash_point("listed")
    if mark_of(unit, target) is None:
        return await _untagged(context, unit, target, found, waited)
    if found:
        # The oldest that is not on its way out: that may be a second one of ours.
        found.sort(key=lambda one: (one.state in _ENDING, one.created_at or 0.0, one.id))
        return await _adopt(context, unit, target, found, "tag")
    return await _absent(context, unit, target, waited)


async def _listed(context: BatchContext, unit: Unit, target: Candidate) -> list[BatchStatus]:
    """The batches since it was first sent that may be its own."""
    since = (unit.created_at if unit.sending_at is None else unit.sending_at) / 1e6
    if unit.send_no > 1:
        since = min(since, unit.created_at / 1e6)
    since -= context.settings.clock_skew
    exchange = batch.dialect(target.provider).list_recent(target, since, mark_of(unit, target))
    past = past_of(unit)
    listed = await context.drive(exchange, target)
    # Pages shift while they are read, so one batch may stand on two of them.
    return list({one.id: one for one in listed if one.id not in past}.values())


async def _absent(
    context: BatchContext, unit: Unit, target: Candidate, waited: float
) -> float | None:
    """Of a batch in no list: wait while it may still turn up, then take it as never made."""
    grace = context.settings.grace
    if waited < grace:
        return context.real(min(grace - waited + 0.01, max(0.1, grace / _LOOKS)))
    if unit.cancel_at is not None:
        return await submit.drop(context, unit, unit.cancel_why or "cancelled", ItemState.WAITING)
    return await submit.send(context, unit, target)


async def _adopt(
    context: BatchContext, unit: Unit, target: Candidate, found: list[BatchStatus], proof: Proof
) -> float:
    """Take the first as ours; the others, which are as much ours, are ended."""
    own, *others = found
    store = context.store
    at = int(own.created_at * 1e6) if own.created_at else context.micros()
    if not await store.do(store.units.sent, unit, own.id, proof, at=at, next_at=context.micros()):
        return 0.0
    crash_point("adopted")
    for one in others:
        if one.state in _ENDING:
            continue
        log.warning("%s: a second batch (%s) was made, and is cancelled", unit.work_id, one.id)
        await submit.end(context, target, one.id)
    return 0.0


async def _untagged(
    context: BatchContext, unit: Unit, target: Candidate, found: list[BatchStatus], waited: float
) -> float | None:
    """By time, size and ids that no other unit has; where several match, by their rows."""
    store, settings = context.store, context.settings
    first = (unit.sending_at or unit.created_at) / 1e6
    last = (
        first + context.real(settings.begin_within + settings.create_timeout) + settings.clock_skew
    )
    units = await store.do(store.units.of_account, unit.account, int((first - _KEPT_S) * 1e6))
    known = {name for one in units for name in (one.batch_id, *past_of(one))}
    matching = [
        one
        for one in found
        if one.id not in known
        and one.total in {None, unit.count}
        and (one.created_at or 0.0) <= last
    ]
    # A provider may list a model by another of its names: its own name only comes first.
    matching = [one for one in matching if one.model in {None, unit.model}] or matching
    if not matching:
        return await _absent(context, unit, target, waited)
    if len(matching) == 1:
        return await _adopt(context, unit, target, matching, "match")
    foreign = []
    for one in matching:
        said = await whose(context, unit, target, one) if one.state.over else "unknown"
        if said == "ours":
            return await _adopt(context, unit, target, [one], "rows")
        if said == "foreign":
            foreign.append(one.id)
    if foreign:
        await context.note(unit, past=_json([*past_of(unit), *foreign]))
        return 0.0
    await context.note(unit, error="several batches may be it: it waits until they have ended")
    return settings.poll


def _json(names: list[str]) -> str:
    return msgspec.json.encode(names).decode()
