"""What is in a provider's list and in none of our units: batches that nobody ordered."""

import logging
from typing import Literal

import msgspec

from llm_orchestrator.bulk.batches import submit
from llm_orchestrator.bulk.batches.context import BatchContext, account_of, wire_of
from llm_orchestrator.bulk.batches.fetching import whose
from llm_orchestrator.bulk.batches.poll import past_of
from llm_orchestrator.bulk.error_text import error_text
from llm_orchestrator.dialects import batch
from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.store.bulk_notices import AlertRow, Severity
from llm_orchestrator.store.bulk_rows import Unit
from llm_orchestrator.types.batch import BatchState, BatchStatus
from llm_orchestrator.types.provider import Candidate

log = logging.getLogger("llm_orchestrator")

ALERT = "Unordered Batch"
UNSEEN = "Unaudited Provider"
_TAG = "llmo-"
_ALERTS = 20
"""How many batches of a provider one audit alerts one by one; the next audit goes on."""
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


class Audited(msgspec.Struct, frozen=True, kw_only=True):
    """What the list of a provider has that no unit ordered."""

    provider: str
    strays: list[Stray] = []
    skipped: str | None = None
    """Why its list could not be had."""

    def count(self, whose: str) -> int:
        """How many are of these."""
        return sum(one.whose == whose for one in self.strays)


async def everything(context: BatchContext) -> list[Audited]:
    """Audit all providers that batches were ordered at in the last 30 days, and raise alerts.

    Second batches are ended. A provider whose list cannot be had is skipped, which is told too.
    """
    store, found = context.store, []
    since = int((context.clock.now() - _KEPT_S) * 1e6)
    for provider, first in await store.do(store.units.ordered, since):
        try:
            listed = await strays(context, provider, first / 1e6 - context.settings.clock_skew)
            found.append(Audited(provider=provider, strays=listed))
        except OrchestratorError as error:
            found.append(Audited(provider=provider, skipped=error_text(error)))
    for one in found:
        await _tell(context, one)
    skipped = [one.provider for one in found if one.skipped]
    standing = await store.do(store.alerts.listed, standing=True, limit=10_000)
    there = [f"{one.provider}/{stray.batch_id}" for one in found for stray in one.strays]
    there += [f"{one.provider}/others" for one in found if one.count("unknown")]
    there += [one.subject for one in standing if one.subject.partition("/")[0] in skipped]
    await store.do(store.alerts.resolve, ALERT, there, at=context.micros())
    await store.do(store.alerts.resolve, UNSEEN, skipped, at=context.micros())
    return found


async def _tell(context: BatchContext, one: Audited) -> None:
    """Raise what is to be told of a provider; each once."""
    told = 0
    for stray in one.strays:
        if stray.whose == "ours":
            told += await _alert(context, stray)
        elif stray.whose == "tagged":
            told += await _raise(
                context,
                f"{one.provider}/{stray.batch_id}",
                f"a batch at {one.provider} ({stray.batch_id}) bears a tag as ours do "
                f"({stray.tag}), and is in no run of this store",
                "Find the store that ordered it, or cancel it at the provider",
            )
        if told >= _ALERTS:
            break
    others = [stray for stray in one.strays if stray.whose == "unknown"]
    if others:
        await _raise(
            context,
            f"{one.provider}/others",
            f"{one.provider} lists batches of nobody here: {len(others):,}, such as "
            f"{others[0].batch_id}",
            "Check which other program uses the account",
            severity="info",
        )
    if one.skipped:
        await _raise(
            context,
            one.provider,
            f"the batches of {one.provider} cannot be listed ({one.skipped}), and were not audited",
            "Let its key list batches, or compare its bill",
            name=UNSEEN,
            severity="info",
        )


async def check(context: BatchContext, run_id: str) -> list[Stray]:
    """Audit the accounts of a run since it began; second batches are ended, and alerted.

    A provider whose list cannot be had is left out, with a warning in the log.
    """
    store = context.store
    units = await store.do(store.units.of_run, run_id)
    begun: dict[str, int] = {}
    for unit in units:
        if unit.lane == "batch" and unit.send_no:
            begun[unit.provider] = min(unit.created_at, begun.get(unit.provider, unit.created_at))
    found: list[Stray] = []
    for provider, start in begun.items():
        try:
            found += await strays(context, provider, start / 1e6 - context.settings.clock_skew)
        except OrchestratorError as error:
            log.warning("the batches of %s could not be audited: %s", provider, error)
    for one in found:
        if one.whose == "ours":
            await _alert(context, one)
    return found


async def _alert(context: BatchContext, one: Stray) -> bool:
    """Tell of a batch that was made twice, and end it; whether that is new."""
    ended = one.state.over
    try:
        ended = ended or await end(context, one)
    except OrchestratorError as error:
        log.warning("%s: %s cannot be ended: %s", one.provider, one.batch_id, error)
    return await _raise(
        context,
        f"{one.provider}/{one.batch_id}",
        f"a second batch of {one.work_id} is at {one.provider} ({one.batch_id}"
        f"{', and was ended' if ended else ''})",
        "Compare the provider's bill" if ended else "Cancel it at the provider",
    )


async def _raise(
    context: BatchContext,
    subject: str,
    message: str,
    action: str,
    *,
    name: str = ALERT,
    severity: Severity = "warning",
) -> bool:
    """Note an alert, which workers tell; whether it is new."""
    alert = AlertRow(
        name=name,
        subject=subject,
        severity=severity,
        action=action,
        message=message,
        raised_at=context.micros(),
    )
    new = await context.store.do(context.store.alerts.raise_one, alert)
    if new:
        log.warning("%s", message)
    return new


async def end(context: BatchContext, stray: Stray) -> bool:
    """End a second batch of ours; False where it is not proven ours, or cannot be ended."""
    if stray.whose != "ours":
        return False
    target = batch.whole(context.runtime.directory.use(stray.provider))
    return await submit.end(context, target, stray.batch_id)


async def strays(context: BatchContext, provider: str, since: float) -> list[Stray]:
    """The batches of the account since then (unix seconds) that no unit has."""
    row = context.runtime.directory.use(provider)
    target = batch.whole(row)
    store = context.store
    account, start = account_of(row), int((since - _KEPT_S) * 1e6)
    listed = await context.drive(batch.dialect(row).list_recent(target, since), target)
    units = await store.do(store.units.of_provider, provider, account, start)
    found = judge(listed, units, target)
    if wire_of(target).tag == "none":
        of = {one.id: one for one in listed}
        found = [await _by_rows(context, one, of[one.batch_id], units) for one in found]
    # A batch without a tag whose creation was just accepted is not known to be its unit's yet.
    sending = [unit.sending_at or 0 for unit in units if unit.state == "sending"]
    soonest = min(sending, default=None)
    if soonest is None:
        return found
    begun = soonest / 1e6 - context.settings.clock_skew
    return [one for one in found if one.tag or (one.created_at or begun) < begun]


async def _by_rows(
    context: BatchContext, one: Stray, status: BatchStatus, units: list[Unit]
) -> Stray:
    """Without tags the rows tell, once it is over, that it is the second batch of a unit."""
    if not status.state.over:
        return one
    for unit in units:
        begun = unit.created_at / 1e6 - context.settings.clock_skew
        fits = one.total in {None, unit.count} and (one.created_at or begun) >= begun
        # Who was sent once has one batch: only these may be read, which others may have made.
        if unit.send_no > 1 and fits:
            try:
                said = await whose(context, unit, context.target(unit), status)
            except OrchestratorError as error:  # its rows may be gone
                log.warning("%s: %s cannot be read: %s", one.provider, one.batch_id, error)
                continue
            if said == "ours":
                return msgspec.structs.replace(one, whose="ours", work_id=unit.work_id)
    return one


def judge(listed: list[BatchStatus], units: list[Unit], target: Candidate) -> list[Stray]:
    """The batches of the list that belong to no unit."""
    known = {name for unit in units for name in (unit.batch_id, *past_of(unit))}
    marks: dict[str | None, Unit] = {}
    for unit in units:
        marks[unit.file_id if wire_of(target).tag == "file" else unit.tag] = unit
    found = []
    for one in listed:
        if one.id in known:
            continue
        known.add(one.id)  # a list may name it twice
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
