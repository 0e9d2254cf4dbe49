"""No plan is cheaper, and none is lost: compared with all plans that there are."""

from collections.abc import Iterator
from itertools import chain, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_orchestrator.bulk.planning.flow import cheapest
from llm_orchestrator.bulk.planning.plan import BulkPlan, Lane, Offer
from llm_orchestrator.bulk.planning.planner import Demand, plan
from llm_orchestrator.bulk.planning.split import Split
from llm_orchestrator.errors import BudgetError
from tests.unit.bulk.planning import MICRO, offer

LANES: tuple[Lane, ...] = ("batch", "online")


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Demand], list[Offer]]:
    """One or two tasks of a few items, asked of two or three providers in both lanes."""
    tasks = ["t", "u"][: draw(st.integers(1, 2))]
    demands = [Demand(task, draw(st.integers(0, 4))) for task in tasks]
    offers = []
    for provider in ["a", "b", "c"][: draw(st.integers(2, 3))]:
        waits = draw(st.integers(0, 30)), draw(st.integers(1, 4))
        for task in tasks:
            costs = draw(st.integers(1, 20)), draw(st.integers(1, 20))
            offers += [
                offer(provider, "batch", costs[0], task=task, wait_s=float(waits[0])),
                offer(provider, "online", costs[1], task=task, rate=waits[1] / 4),
            ]
    return demands, offers


def ways(items: int, places: int) -> Iterator[tuple[int, ...]]:
    """All ways to put so many items into so many places."""
    if places == 1:
        yield (items,)
        return
    for first in range(items + 1):
        for rest in ways(items - first, places - 1):
            yield (first, *rest)


def in_time(chosen: list[tuple[Offer, int]], deadline: float) -> bool:
    loads: dict[tuple[str, str, Lane], int] = {}
    for one, items in chosen:
        loads[one.place] = loads.get(one.place, 0) + items
    return all(one.seconds(loads[one.place]) <= deadline for one, items in chosen if items)


def best_of_all(demands: list[Demand], offers: list[Offer], deadline: float) -> int | None:
    """The cost of the cheapest plan that is in time; ``None`` when there is none."""
    each = []
    for demand in demands:
        own = [one for one in offers if one.task == demand.task]
        each.append([list(zip(own, way, strict=True)) for way in ways(demand.items, len(own))])
    plans = [list(chain.from_iterable(chosen)) for chosen in product(*each)]
    costs = [
        sum((one.expected_pico or 0) * items for one, items in chosen)
        for chosen in plans
        if in_time(chosen, deadline)
    ]
    return min(costs, default=None)


def check_whole(found: BulkPlan, demands: list[Demand]) -> None:
    """Every item is in exactly one share."""
    for demand in demands:
        covered = [
            item
            for share in found.shares
            if share.task == demand.task
            for item in range(share.first, share.first + share.items)
        ]
        assert sorted(covered) == list(range(demand.items))


@settings(deadline=None, max_examples=60)
@given(worlds(), st.integers(1, 40))
def test_the_cheapest_plan_in_time(world: tuple[list[Demand], list[Offer]], deadline: int) -> None:
    demands, offers = world
    found = plan(demands, offers, deadline_s=float(deadline))
    check_whole(found, demands)
    best = best_of_all(demands, offers, deadline)
    assert found.late == (best is None)
    if best is not None:
        assert found.seconds <= deadline
        assert found.expected_pico == best


@settings(deadline=None)
@given(worlds(), st.integers(1, 40), st.sampled_from(["price", "share"]))
def test_every_item_is_in_one_share(
    world: tuple[list[Demand], list[Offer]], deadline: int, mode: str
) -> None:
    demands, offers = world
    found = plan(demands, offers, deadline_s=float(deadline), split=Split.read(mode))
    check_whole(found, demands)


@settings(deadline=None)
@given(worlds(), st.integers(0, 400))
def test_no_plan_passes_its_cap(world: tuple[list[Demand], list[Offer]], cap: int) -> None:
    demands, offers = world
    least = sum(
        demand.items * min(one.high_pico or 0 for one in offers if one.task == demand.task)
        for demand in demands
    )
    try:
        found = plan(demands, offers, cap=cap * MICRO)
    except BudgetError:
        assert least > cap * MICRO
    else:
        assert found.high_pico is not None
        assert found.high_pico <= cap * MICRO
        check_whole(found, demands)


def test_a_decision_may_be_taken_back() -> None:
    """The first source takes the cheap sink until the second one needs it more."""
    costs = {(0, 0): 1, (0, 1): 2, (1, 0): 1, (1, 1): 100}
    assert cheapest([1, 1], [1, None], costs) == {(0, 1): 1, (1, 0): 1}


def test_what_is_taken_back_is_paid_back() -> None:
    """Moving the first one away costs 1 and not 21: that is less than the dear sink."""
    costs = {(0, 0): 10, (0, 1): 11, (1, 0): 10, (1, 1): 15}
    assert cheapest([1, 1], [1, None], costs) == {(0, 1): 1, (1, 0): 1}


@pytest.mark.parametrize("room", [0, 3])
def test_there_may_be_less_room_than_goods(room: int) -> None:
    found = cheapest([5], [room], {(0, 0): 1})
    assert sum(found.values()) == room
