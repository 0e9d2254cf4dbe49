"""Who is asked for how many items, in which lane: for the least money that meets the deadline.

Pure: it is given what there is to do and what that would cost and take everywhere, and decides.
"""

import math
from collections.abc import Iterable, Sequence

import msgspec

from llm_orchestrator.bulk.planning.capping import cut, too_dear
from llm_orchestrator.bulk.planning.flow import cheapest
from llm_orchestrator.bulk.planning.plan import (
    SMALL,
    BulkPlan,
    Decision,
    Group,
    Lane,
    Offer,
    Share,
)
from llm_orchestrator.bulk.planning.split import Split
from llm_orchestrator.bulk.planning.wording import due, reason, span, too_few
from llm_orchestrator.bulk.spec import LaneWish
from llm_orchestrator.errors import InvalidRequestError, UnsupportedError
from llm_orchestrator.types.money import Pico

_UNPRICED = 10**16
"""Stands for an unknown price: dearer than any known one."""
_TIE = 10**9
"""Makes seconds count less than a pico-dollar: they decide between equal prices only."""


class Demand(msgspec.Struct, frozen=True):
    """Items of one task that are to be asked."""

    task: str
    items: int
    split: Split | None = None
    """Who gets how many of these; as the plan says by default."""
    offers: tuple[Offer, ...] | None = None
    """The offers that may be taken for these items; by default all of the task."""


def plan(
    demands: Sequence[Demand],
    offers: Sequence[Offer],
    *,
    deadline_s: float | None = None,
    cap: Pico | None = None,
    split: Split | None = None,
    lane: LaneWish = "auto",
) -> BulkPlan:
    """The cheapest plan by expected cost that is done in time and stays under the cap at most.

    Without any that is in time, the fastest one, marked late. Raises `BudgetError` where the cap
    does not pay for all items at their upper bounds, `UnsupportedError` where nobody takes a task.
    """
    split = split or Split()
    notes: list[Decision] = []
    groups: list[Group] = []
    for number, demand in enumerate(demands):
        if not demand.items:
            continue
        own = demand.offers
        if own is None:
            own = tuple(one for one in offers if one.task == demand.task)
        there = _open(own, lane, notes, demand.items, capped=cap is not None)
        found = _groups(demand, there, demand.split or split, notes)
        groups += (msgspec.structs.replace(one, demand=number) for one in found if one.items)
    made = _best(groups, deadline_s, split)
    if cap is not None:
        made = _under(made, groups, deadline_s, split, cap)
    count = sum(one.items for one in demands)
    if 0 < count < SMALL:
        items = "1 item is" if count == 1 else f"{count} items are"
        text = f"{items} few: single calls may do as well (`llmo run`)"
        notes.append(Decision(kind="note", why=text, items=count))
    if made.late:
        notes.append(_lateness(made, deadline_s or 0.0))
    return msgspec.structs.replace(made, decisions=(*notes, *made.decisions))


def fastest(groups: Sequence[Group]) -> float:
    """Seconds in which all of it can be done, whatever that costs; each must have an offer."""
    there = [one for one in groups if one.items]
    return _soonest(there) if there else 0.0


# ------------------------------------------------------------------ what may be chosen


def _open(
    offers: Sequence[Offer],
    lane: LaneWish,
    notes: list[Decision],
    items: int,
    *,
    capped: bool,
) -> list[Offer]:
    """The offers that can be had, in the lane that is wished where it can be."""
    there = [one for one in offers if one.refusal is None]
    notes += (
        Decision(
            kind="note",
            why=one.refusal,
            task=one.task,
            provider=one.provider,
            model=one.model,
            lane=one.lane,
        )
        for one in offers
        if one.refusal is not None
    )
    if capped:
        # What nothing bounds is no candidate where a cap must hold, as long as there is another.
        there = [one for one in there if one.high_pico is not None] or there
    if lane == "auto":
        return there
    wished = {one.target for one in there if one.lane == lane and one.takes(items)}
    if lane == "batch":
        notes += (
            Decision(kind="note", why=too_few(one), task=one.task, lane=lane)
            for one in there
            if one.lane == lane and not one.takes(items)
        )
    # Who has no batch, or none for so few, is asked online all the same.
    return [one for one in there if one.lane == lane or one.target not in wished]


def _groups(
    demand: Demand, offers: list[Offer], split: Split, notes: list[Decision]
) -> list[Group]:
    own, task, items = tuple(offers), demand.task, demand.items
    if not own:
        whys = sorted({f"{one.provider}/{one.model}: {one.why}" for one in notes if one.model})
        raise UnsupportedError(
            f"nobody can be asked for task {task} ({'; '.join(whys) or 'no models'})"
        )
    targets = list(dict.fromkeys(one.target for one in own))
    if split.mode == "price":
        return [Group(task, items, own)]
    if split.mode == "each":
        return [Group(task, items, _at(own, to), "all are asked") for to in targets]
    if split.mode == "share":
        sizes = _evenly(items, len(targets))
        return [
            Group(task, size, _at(own, to), "all get the same share")
            for to, size in zip(targets, sizes, strict=True)
        ]
    return _parts(demand, own, split)


def _parts(demand: Demand, own: tuple[Offer, ...], split: Split) -> list[Group]:
    made = []
    for part, size in zip(split.parts, split.amounts(demand.items), strict=True):
        there = _at(own, part.name)
        if not there:
            known = ", ".join(dict.fromkeys(one.target for one in own))
            raise InvalidRequestError(f"split: {part.name} is not asked here; there are {known}")
        told = "the split says so"
        if part.lane is not None:
            wished = tuple(one for one in there if one.lane == part.lane and one.takes(size))
            told += "" if wished else f", though not {part.lane}: it is not offered"
            there = wished or there
        made.append(Group(demand.task, size, there, told))
    return made


def _at(offers: Iterable[Offer], target: str) -> tuple[Offer, ...]:
    return tuple(one for one in offers if one.target == target)


def _evenly(items: int, count: int) -> list[int]:
    return [items // count + (n < items % count) for n in range(count)]


# ------------------------------------------------------------------ the choice


def _best(
    groups: list[Group], deadline_s: float | None, split: Split, *, by_bound: bool = False
) -> BulkPlan:
    """The cheapest in time; the fastest of all where none is in time."""
    limit = deadline_s
    moved = _assigned(groups, limit, by_bound=by_bound)
    late = moved is None
    if moved is None:
        limit = _soonest(groups)
        moved = _assigned(groups, limit, by_bound=by_bound)
    assert moved is not None  # noqa: S101 - `_soonest` has found room for all
    return _told(groups, moved, split, deadline_s, late=late)


def _assigned(
    groups: list[Group], within_s: float | None, *, by_bound: bool = False
) -> list[dict[Offer, int]] | None:
    """For each group its offers and their items; ``None`` when there is not room for all in time.

    A batch that would be too small for its provider is not made.
    """
    banned: set[tuple[int, Offer]] = set()
    while True:
        places = list(dict.fromkeys(one.place for group in groups for one in group.offers))
        number = {place: n for n, place in enumerate(places)}
        # Offers of one place differ between tasks in cost, hardly in time: the slowest counts.
        rooms: list[int | None] = [None] * len(places)
        for group in groups:
            for one in group.offers:
                free = _room(one, within_s)
                known = rooms[number[one.place]]
                if free is not None:
                    rooms[number[one.place]] = free if known is None else min(free, known)
        ways = {
            (n, number[one.place]): _weight(one, by_bound=by_bound)
            for n, group in enumerate(groups)
            for one in group.offers
            if (n, one) not in banned
        }
        found = cheapest([group.items for group in groups], rooms, ways)
        if sum(found.values()) < sum(group.items for group in groups):
            return None
        made: list[dict[Offer, int]] = [{} for _ in groups]
        for n, group in enumerate(groups):
            for one in group.offers:
                if items := found.get((n, number[one.place]), 0):
                    made[n][one] = items
        small = {
            (n, one)
            for n, shares in enumerate(made)
            for one, items in shares.items()
            if items < one.least
        }
        if not small:
            return made
        banned |= small
        if any(all((n, one) in banned for one in group.offers) for n, group in enumerate(groups)):
            return made  # too few for everybody: `UnitMaker` asks them one by one


def _room(offer: Offer, within_s: float | None) -> int | None:
    """Items that it answers in that time; ``None``: any number."""
    if within_s is None:
        return None
    left = within_s - offer.wait_s
    if left < 0:
        return 0
    return None if offer.rate is None else math.floor(left * offer.rate)


def _weight(offer: Offer, *, by_bound: bool) -> int:
    cost = offer.high_pico if by_bound else offer.expected_pico
    return (_UNPRICED if cost is None else cost) * _TIE + min(int(offer.wait_s), _TIE - 1)


def _soonest(groups: list[Group]) -> float:
    """The least time in which all can be done: found by halving."""
    low = 0.0
    high = max(one.seconds(group.items) for group in groups for one in group.offers) + 1.0
    while _assigned(groups, high) is None:  # several tasks wait in one line
        low, high = high, high * 2
    for _ in range(50):
        middle = (low + high) / 2
        if _assigned(groups, middle) is None:
            low = middle
        else:
            high = middle
        if high - low < max(1.0, high / 1000):
            break
    return high


# ------------------------------------------------------------------ the cap


def _under(
    made: BulkPlan, groups: list[Group], deadline_s: float | None, split: Split, cap: Pico
) -> BulkPlan:
    """The plan, or another one, that cannot cost more than the cap."""
    for one in (made, None):
        found = one or _best(groups, deadline_s, split, by_bound=True)
        if found.high_pico is not None and found.high_pico <= cap:
            return found
        if (shorter := cut(found, groups, cap)) is not None:
            return shorter
    raise too_dear(made, cap)


# ------------------------------------------------------------------ in words


def _told(
    groups: list[Group],
    moved: list[dict[Offer, int]],
    split: Split,
    deadline_s: float | None,
    *,
    late: bool,
) -> BulkPlan:
    loads: dict[tuple[str, str, Lane], int] = {}
    for shares in moved:
        for one, items in shares.items():
            loads[one.place] = loads.get(one.place, 0) + items
    made: list[Share] = []
    first: dict[str, int] = {}
    for group, shares in zip(groups, moved, strict=True):
        begin = 0 if split.mode == "each" else first.get(group.task, 0)
        for one, items in shares.items():
            made.append(
                Share(
                    task=group.task,
                    provider=one.provider,
                    model=one.model,
                    lane=one.lane,
                    first=begin,
                    items=items,
                    expected_pico=_times(one.expected_pico, items),
                    high_pico=_times(one.high_pico, items),
                    seconds=one.seconds(loads[one.place]),
                    unit=one.unit,
                    why=reason(one, items, shares, group.offers, group.told, deadline_s),
                    demand=group.demand,
                )
            )
            begin += items
        first[group.task] = begin
    return BulkPlan(
        shares=tuple(made),
        decisions=tuple(_share_decision(one) for one in made),
        expected_pico=_sum(one.expected_pico for one in made),
        high_pico=_sum(one.high_pico for one in made),
        seconds=max((one.seconds for one in made), default=0.0),
        late=late,
        each=split.mode == "each",
    )


def _share_decision(share: Share) -> Decision:
    return Decision(
        kind="share",
        why=share.why,
        task=share.task,
        provider=share.provider,
        model=share.model,
        lane=share.lane,
        items=share.items,
    )


def _lateness(made: BulkPlan, deadline_s: float) -> Decision:
    missed = "and cannot be met" if deadline_s > 0 else "before all was done"
    text = (
        f"{due(deadline_s)} {missed}: by what is known it takes {span(made.seconds)}; this is the "
        "fastest way"
    )
    return Decision(kind="note", why=text)


def _times(cost: Pico | None, items: int) -> Pico | None:
    return None if cost is None else cost * items


def _sum(costs: Iterable[Pico | None]) -> Pico | None:
    known = list(costs)
    return None if any(one is None for one in known) else sum(one or 0 for one in known)
