"""What the user has fixed stays fixed: only the last round may change whom it is asked of."""

import pytest

from llm_orchestrator.bulk.planning.constraints import AskedItems, Constraints, allowed
from llm_orchestrator.bulk.planning.plan import Lane, Offer
from llm_orchestrator.bulk.planning.planner import Demand, plan
from llm_orchestrator.bulk.planning.split import Split
from llm_orchestrator.bulk.spec import LaneWish
from tests.unit.bulk.planning import offer, shares

LANES: tuple[Lane, ...] = ("batch", "online")
OFFERS = [offer(name, lane) for name in ("a", "b") for lane in LANES]


def found(
    offers: list[Offer], constraints: Constraints, provider: str = "a", **asked: object
) -> set[str]:
    given = {"task": "t", "provider": provider, "model": "m", "count": 5} | asked
    made = allowed(offers, AskedItems(**given), constraints)  # type: ignore[arg-type]
    return {f"{one.provider}:{one.lane}" for one in made}


def parts(text: str, **fields: object) -> Constraints:
    split = Split.read(text).named(lambda name: f"{name}/m")
    return Constraints(split=split, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("round", [0, 1])
def test_a_part_keeps_its_lane(round: int) -> None:
    fixed = parts("a=2:online,b=rest:batch")
    assert found(OFFERS, fixed, round=round) == {"a:online"}
    assert found(OFFERS, fixed, provider="b", round=round) == {"b:batch"}
    assert found(OFFERS, parts("a=2,b=rest:batch"), round=round) == {"a:batch", "a:online"}


def test_the_last_round_changes_whom_and_not_the_lane() -> None:
    assert found(OFFERS, parts("a=2:online,b=rest:batch"), round=2) == {"b:online"}
    assert found(OFFERS, parts("a=2:online,b=rest", elsewhere=False), round=2) == {"a:online"}
    without = [one for one in OFFERS if (one.provider, one.lane) != ("b", "online")]
    assert found(without, parts("a=2:online,b=rest"), round=2) == {"a:online"}


def test_two_parts_of_one_model_keep_theirs() -> None:
    fixed = parts("a=2:online,a=rest:batch")
    for lane in ("online", "batch"):
        assert found(OFFERS, fixed, lane=lane, round=1) == {f"a:{lane}"}


def test_what_is_left_of_a_batch_goes_anywhere_by_price_alone() -> None:
    assert len(found(OFFERS, Constraints())) == 4
    assert found(OFFERS, Constraints(split=Split("share"))) == {"a:batch", "a:online"}
    assert found(OFFERS, Constraints(split=Split("each")), round=2) == {"a:batch", "a:online"}


def test_too_few_for_a_batch_are_asked_one_by_one() -> None:
    large = [offer("a", "batch", least=100), offer("a", "online", 200)]
    assert "a:online" in found(large, parts("a=rest:batch"))
    assert found(large, parts("a=rest:batch"), count=100) == {"a:batch"}


@pytest.mark.parametrize(
    "wish,split,offers",
    [
        ("batch", None, 2),
        ("auto", Split.read("a/m=rest:batch"), 2),
        ("auto", None, 1),
    ],
)
def test_a_plan_for_too_few_ends(wish: LaneWish, split: Split | None, offers: int) -> None:
    large = [offer("a", "batch", least=100), offer("a", "online", 200)][:offers]
    made = plan([Demand("t", 3)], large, lane=wish, split=split, deadline_s=10.0)
    assert shares(made) == [("t", "a", "online" if offers == 2 else "batch", 0, 3)]
