"""The planner: who gets what by price, deadline, cap and split, and what it says of it."""

import pytest

from llm_orchestrator.bulk.planning.plan import Group
from llm_orchestrator.bulk.planning.planner import Demand, fastest, plan
from llm_orchestrator.bulk.planning.split import Split
from llm_orchestrator.errors import BudgetError, InvalidRequestError, UnsupportedError
from llm_orchestrator.types.money import from_usd
from tests.unit.bulk.planning import MICRO, offer, reasons, shares

ALL = [Demand("t", 3600)]
FOUR = [
    offer("a", "batch", 50, wait_s=21_600),
    offer("a", "online", 100, rate=5.0),
    offer("b", "batch", 60, wait_s=3600),
    offer("b", "online", 120, rate=10.0),
]


def test_without_a_deadline_the_cheapest_gets_all() -> None:
    found = plan(ALL, FOUR)
    assert shares(found) == [("t", "a", "batch", 0, 3600)]
    assert found.expected_pico == 3600 * 50 * MICRO
    assert "$0.18 in a batch, against $0.216 with b/m in a batch" in reasons(found)


def test_a_batch_that_is_too_slow_is_passed_over_and_said() -> None:
    found = plan(ALL, FOUR, deadline_s=7200)
    assert shares(found) == [("t", "b", "batch", 0, 3600)]
    assert "a/m in a batch is cheaper but takes 6 h, and the deadline is in 2 h" in reasons(found)


def test_what_one_lane_cannot_answer_in_time_goes_to_the_next() -> None:
    found = plan(ALL, FOUR, deadline_s=600)
    assert shares(found) == [("t", "a", "online", 0, 3000), ("t", "b", "online", 3000, 600)]
    assert found.seconds <= 600
    assert not found.late
    assert "answers only 3,000 of them in time" in reasons(found)


def test_a_deadline_that_nobody_meets_is_met_as_nearly_as_can_be() -> None:
    found = plan(ALL, FOUR, deadline_s=60)
    assert found.late
    assert 240 <= found.seconds <= 242  # 3,600 items at 15 a second
    assert sum(one.items for one in found.shares) == 3600
    assert "the deadline is in 60 s and cannot be met: by what is known it" in reasons(found)
    passed = plan(ALL, FOUR, deadline_s=-5)
    assert shares(passed) == shares(found)
    assert "the deadline has passed before all was done: by what is known it" in reasons(passed)


def test_batches_at_the_same_price_are_not_waited_for() -> None:
    same = [offer("a", "batch", 100, wait_s=3600), offer("a", "online", 100, rate=9.0)]
    assert shares(plan(ALL, same)) == [("t", "a", "online", 0, 3600)]


def test_a_model_without_batches_is_asked_online() -> None:
    refused = [offer("a", "batch", 50, refusal="no batches here"), offer("a", "online", 100)]
    found = plan(ALL, refused, lane="batch")
    assert shares(found) == [("t", "a", "online", 0, 3600)]
    assert "no batches here" in reasons(found)


def test_a_lane_may_be_wished() -> None:
    assert shares(plan(ALL, FOUR, lane="online"))[0][2] == "online"


def test_an_unknown_price_is_dearer_than_any() -> None:
    offers = [offer("a", "batch", None), offer("b", "online", 10**6)]
    assert shares(plan(ALL, offers))[0][1] == "b"
    alone = plan(ALL, offers[:1])
    assert (alone.expected_pico, alone.high_pico) == (None, None)


def test_nobody_takes_a_task() -> None:
    offers = [offer("a", "batch", refusal="no"), offer("a", "online", refusal="it makes vectors")]
    with pytest.raises(UnsupportedError, match=r"task t \(a/m: it makes vectors; a/m: no\)"):
        plan(ALL, offers)


def test_a_batch_that_is_too_small_is_not_made() -> None:
    offers = [offer("a", "batch", 50, least=100), offer("a", "online", 100, rate=1.0)]
    assert shares(plan([Demand("t", 99)], offers))[0][2] == "online"
    assert shares(plan([Demand("t", 100)], offers))[0][2] == "batch"


def test_too_few_for_the_batch_that_is_wished_is_said() -> None:
    offers = [offer("a", "batch", 50, least=100), offer("a", "online", 100, rate=1.0)]
    words = "a/m takes no batch of less than 100 items, and is asked for fewer in real time"
    few = plan([Demand("t", 99)], offers, lane="batch")
    assert shares(few) == [("t", "a", "online", 0, 99)]
    assert words in reasons(few)
    assert words not in reasons(plan([Demand("t", 100)], offers, lane="batch"))
    assert words not in reasons(plan([Demand("t", 99)], offers))


def test_few_items_are_said_to_be_few_and_go_all_the_same() -> None:
    found = plan([Demand("t", 99)], FOUR)
    assert sum(one.items for one in found.shares) == 99
    assert "99 items are few: single calls may do as well" in reasons(found)
    assert "few" not in reasons(plan([Demand("t", 100)], FOUR))


def test_nothing_to_do() -> None:
    found = plan([Demand("t", 0)], FOUR)
    assert (found.shares, found.seconds, found.expected_pico) == ((), 0.0, 0)


def test_tasks_share_a_lane() -> None:
    """A lane that answers 100 in time answers 100 of all tasks: the dearer detour is spared."""
    offers = [
        offer("a", "online", 10, task="t", rate=1.0),
        offer("b", "online", 11, task="t"),
        offer("a", "online", 10, task="u", rate=1.0),
        offer("b", "online", 90, task="u"),
    ]
    found = plan([Demand("t", 100), Demand("u", 100)], offers, deadline_s=100)
    assert shares(found) == [("t", "b", "online", 0, 100), ("u", "a", "online", 0, 100)]


# ------------------------------------------------------------------ splits


def test_an_explicit_split_is_followed_in_order() -> None:
    split = Split.read("a/m=1500:batch,b/m=1000:online,a/m=rest:online")
    found = plan(
        [*ALL, Demand("u", 2000)],
        [*FOUR, offer(task="u"), offer("b", "online", task="u")],
        split=split,
    )
    assert shares(found) == [
        ("t", "a", "batch", 0, 1500),
        ("t", "b", "online", 1500, 1000),
        ("t", "a", "online", 2500, 1100),
        ("u", "a", "batch", 0, 1500),
        ("u", "b", "online", 1500, 500),
    ]
    assert "the split says so" in reasons(found)


def test_a_split_without_a_lane_takes_the_cheaper_one_in_time() -> None:
    split = Split.read("a/m=1000,b/m=rest")
    assert [one[2] for one in shares(plan(ALL, FOUR, split=split))] == ["batch", "batch"]
    in_time = plan(ALL, FOUR, split=split, deadline_s=7200)
    assert [one[2] for one in shares(in_time)] == ["online", "batch"]


def test_a_split_to_a_lane_that_is_not_there_says_so() -> None:
    found = plan(ALL, [offer("a", "online")], split=Split.read("a/m=rest:batch"))
    assert shares(found) == [("t", "a", "online", 0, 3600)]
    assert "though not batch: it is not offered" in reasons(found)


def test_a_split_to_somebody_unknown() -> None:
    with pytest.raises(InvalidRequestError, match="c/m is not asked here; there are a/m, b/m"):
        plan(ALL, FOUR, split=Split.read("c/m=rest"))


def test_all_get_the_same_share() -> None:
    found = plan([Demand("t", 11)], FOUR, split=Split("share"))
    assert shares(found) == [("t", "a", "batch", 0, 6), ("t", "b", "batch", 6, 5)]


def test_everybody_is_asked_for_every_item() -> None:
    found = plan(ALL, FOUR, split=Split("each"))
    assert found.each
    assert shares(found) == [("t", "a", "batch", 0, 3600), ("t", "b", "batch", 0, 3600)]


# ------------------------------------------------------------------ caps


def test_a_cap_is_compared_with_the_upper_bound() -> None:
    enough = 3600 * 200 * MICRO
    assert plan(ALL, FOUR, cap=enough).high_pico == enough
    with pytest.raises(BudgetError) as caught:
        plan(ALL, FOUR, cap=enough - 1)
    assert str(caught.value) == (
        "3,600 items could cost up to 0.72 USD (0.18 USD expected), the cap is 0.719999999999 USD: "
        "it pays for about 3,599 of them. Raise the cap, lower options.max_tokens of the task, or "
        "ask a cheaper model (max_cost)"
    )


def test_a_cap_may_choose_what_costs_less_at_most() -> None:
    offers = [offer("a", cost=50, high=500), offer("b", cost=60, high=70)]
    assert shares(plan(ALL, offers))[0][1] == "a"
    assert shares(plan(ALL, offers, cap=from_usd("0.3")))[0][1] == "b"


def test_answers_are_cut_where_their_length_is_left_to_us() -> None:
    """An item costs 100 and 1 for each token of its answer."""
    long = offer(high=10_100, answer_pico=MICRO, most_output=10_000, likely_output=400, cuts=True)
    found = plan([Demand("t", 1000)], [long], cap=1000 * 2100 * MICRO)
    assert found.max_tokens == {"t": 2000}
    assert found.high_pico == 1000 * 2100 * MICRO
    assert "answers are cut to 2,000 tokens" in reasons(found)
    # What is expected must fit: an answer that breaks off is paid in vain.
    with pytest.raises(BudgetError, match=r"could cost up to 10\.1 USD"):
        plan([Demand("t", 1000)], [long], cap=1000 * 499 * MICRO)
    assert plan([Demand("t", 1000)], [long], cap=1000 * 500 * MICRO).max_tokens == {"t": 400}


def test_a_cap_is_shared_by_demands_that_have_offers_of_their_own() -> None:
    """Two models for all rows: the answers of both are cut alike, so that both fit."""
    long = [
        offer(
            name, high=10_100, answer_pico=MICRO, most_output=10_000, likely_output=400, cuts=True
        )
        for name in "ab"
    ]
    demands = [Demand("t", 1000, Split(), (one,)) for one in long]
    found = plan(demands, long, cap=2 * 1000 * 2100 * MICRO)
    assert [(one.provider, one.items, one.demand) for one in found.shares] == [
        ("a", 1000, 0),
        ("b", 1000, 1),
    ]
    assert found.max_tokens == {"t": 2000}
    assert found.high_pico == 2 * 1000 * 2100 * MICRO
    with pytest.raises(BudgetError, match=r"2,000 items could cost up to 20\.2 USD .*cap is 0\.5 "):
        plan(demands, long, cap=from_usd("0.5"))


def test_a_demand_may_have_a_split_of_its_own() -> None:
    demands = [Demand("t", 10, Split("share")), Demand("t", 0), Demand("t", 4)]
    found = plan(demands, FOUR)
    assert [(one.provider, one.items, one.demand) for one in found.shares] == [
        ("a", 5, 0),
        ("b", 5, 0),
        ("a", 4, 2),
    ]


def test_answers_are_not_cut_where_the_task_says_how_long_they_are() -> None:
    fixed = offer(high=10_100, answer_pico=MICRO, most_output=10_000, likely_output=400)
    with pytest.raises(BudgetError):
        plan([Demand("t", 1000)], [fixed], cap=1000 * 2100 * MICRO)


def test_what_nothing_bounds_is_no_candidate_under_a_cap() -> None:
    endless = offer("a", cost=None)
    assert shares(plan(ALL, [endless, offer("b")], cap=from_usd(10)))[0][1] == "b"
    with pytest.raises(BudgetError, match="nothing bounds what a/m can cost") as caught:
        plan(ALL, [endless], cap=from_usd(10))
    assert caught.value.code == "unpriced"


def test_the_fastest_way() -> None:
    assert fastest([Group("t", 3600, tuple(FOUR))]) == pytest.approx(240, abs=2)
    assert fastest([]) == 0.0
