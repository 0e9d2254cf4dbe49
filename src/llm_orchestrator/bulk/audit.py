"""What is in a provider's list and in none of our units: batches that nobody ordered."""

import logging
from typing import Literal

import msgspec

from llm_orchestrator.bulk import submit
from llm_orchestrator.bulk.hands import Hands, account_of, wire_of
from llm_orchestrator.bulk.poll import past_of
from llm_orchestrator.dialects import batch
from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.store.bulk_notices import AlertRow
from llm_orchestrator.store.bulk_rows import Unit
from llm_orchestrator.types.batch import BatchState, BatchStatus
from llm_orchestrator.types.provider import Candidate

log = logging.getLogger("llm_orchestrator")

ALERT = "Unordered Batch"
_TAG = "llmo-"
_KEPT_S = 30 * 86_400.0


class Stray(msgspec.Struct, frozen=True, kw_only=True):
    """A batch without a unit.

    ``ours``: it bears the tag or the file of a unit that has another batch, so it was ordered
    twice. ``tagged``: it bears a tag as ours are, of no unit here; another store may have ordered
    it. ``unknown``: nothing tells whose it is; other programs may use the account.
    """

    whose: Literal["ours", "tagged", "unknown"]
    provider: str
    batch_id: str
    state: BatchState
    created_at: float | None
    total: int | None
    tag: str | None
    work_id: str | None = None
    """The unit that it would belong to."""


async def check(hands: Hands, run_id: str) -> list[Stray]:
    """Audit the accounts of a run since it began; second batches are ended, and alerted.

    A provider whose list cannot be had is left out, with a warning in the log.
    """
    store = hands.store
    units = await store.do(store.units.of_run, run_id)
    begun: dict[str, int] = {}
    for unit in units:
        if unit.lane == "batch" and unit.send_no:
            begun[unit.provider] = min(unit.created_at, begun.get(unit.provider, unit.created_at))
    found: list[Stray] = []
    for provider, start in begun.items():
        try:
            found += await strays(hands, provider, start / 1e6 - hands.settings.clock_skew)
        except OrchestratorError as error:
            log.warning("the batches of %s could not be audited: %s", provider, error)
    for one in found:
        if one.whose == "ours":
            await _alert(hands, one)
    return found


async def _alert(hands: Hands, one: Stray) -> None:
    """Tell of a batch that was made twice, and end it."""
    ended = one.state.over
    try:
        ended = ended or await end(hands, one)
    except OrchestratorError as error:
        log.warning("%s: %s cannot be ended: %s", one.provider, one.batch_id, error)
    alert = AlertRow(
        name=ALERT,
        subject=f"{one.provider}/{one.batch_id}",
        severity="warning",
        action="Compare the provider's bill" if ended else "Cancel it at the provider",
        message=f"a second batch of {one.work_id} is at {one.provider} ({one.batch_id}"
        f"{', and was ended' if ended else ''})",
        raised_at=hands.micros(),
    )
    if await hands.store.do(hands.store.alerts.raise_one, alert):
        log.warning("%s", alert.message)


async def end(hands: Hands, stray: Stray) -> bool:
    """End a second batch of ours; False where it is not proven ours, or cannot be ended."""
    if stray.whose != "ours":
        return False
    target = batch.whole(hands.runtime.directory.use(stray.provider))
    return await submit.end(hands, target, stray.batch_id)


async def strays(hands: Hands, provider: str, since: float) -> list[Stray]:
    """The batches of the account since then (unix seconds) that no unit has."""
    row = hands.runtime.directory.use(provider)
    target = batch.whole(row)
    store = hands.store
    account, start = account_of(row), int((since - _KEPT_S) * 1e6)
    listed = await hands.drive(batch.room(row).list_recent(target, since), target)
    units = await store.do(store.units.of_account, account, start)
    return judge(listed, units, target)


def judge(listed: list[BatchStatus], units: list[Unit], target: Candidate) -> list[Stray]:
    """Those of the list that are no unit's batch."""
    known = {name for unit in units for name in (unit.batch_id, *past_of(unit))}
    marks: dict[str | None, Unit] = {}
    for unit in units:
        marks[unit.file_id if wire_of(target).tag == "file" else unit.tag] = unit
    found = []
    for one in listed:
        if one.id in known:
            continue
        owner = marks.get(one.tag) if one.tag else None
        if owner is not None and owner.state == "sending":
            continue  # it is being looked for
        tagged = (one.tag or "").startswith(_TAG)
        found.append(
            Stray(
                whose="ours" if owner else "tagged" if tagged else "unknown",
                provider=target.provider.name,
                batch_id=one.id,
                state=one.state,
                created_at=one.created_at,
                total=one.total,
                tag=one.tag,
                work_id=None if owner is None else owner.work_id,
            )
        )
    return found
