"""What is in a provider's list and in none of our units: batches that nobody ordered."""

from typing import Literal

import msgspec

from llm_orchestrator.bulk.hands import Hands, account_of, wire_of
from llm_orchestrator.bulk.poll import past_of
from llm_orchestrator.dialects import batch
from llm_orchestrator.store.bulk_rows import Unit
from llm_orchestrator.types.batch import BatchState, BatchStatus
from llm_orchestrator.types.provider import Candidate

_TAG = "llmo-"
_KEPT_S = 30 * 86_400.0


class Stray(msgspec.Struct, frozen=True, kw_only=True):
    """A batch without a unit.

    ``ours``: it bears a tag or a file of ours, so it was ordered by us and forgotten, or ordered
    twice. ``unknown``: nothing tells whose it is; other programs may use the account.
    """

    whose: Literal["ours", "unknown"]
    provider: str
    batch_id: str
    state: BatchState
    created_at: float | None
    total: int | None
    tag: str | None
    work_id: str | None = None
    """The unit that it would belong to."""


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
        ours = owner is not None or (one.tag or "").startswith(_TAG)
        found.append(
            Stray(
                whose="ours" if ours else "unknown",
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
