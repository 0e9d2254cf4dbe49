"""When failed items are asked again."""

from typing import Any

import pytest

from llm_orchestrator.bulk.rounds import BACKOFF_S, LONGEST_S, due
from llm_orchestrator.store.bulk_items import Failed

NEVER = float("inf")


def unit(work_id: str = "w1", *, at: float = 0.0, **fields: Any) -> Failed:
    """A unit that was over then, with some that have failed."""
    given: dict[str, Any] = {"task": "t", "provider": "a", "model": "m", "round": 0, "items": 5}
    return Failed(work_id=work_id, over_at=int(at * 1e6), **given | fields)


def chosen(now: float, *failed: Failed, busy: str = "") -> tuple[list[str], float]:
    ones, later = due(failed, set(busy), now)
    return [one.work_id for one in ones], later


def test_they_wait_longer_before_each_round() -> None:
    assert chosen(BACKOFF_S - 1, unit()) == ([], BACKOFF_S)
    assert chosen(BACKOFF_S, unit()) == (["w1"], NEVER)
    assert chosen(BACKOFF_S, unit(round=1)) == ([], 2 * BACKOFF_S)


def test_where_nothing_else_is_to_be_done_all_go_together() -> None:
    both = unit("w1"), unit("w2", at=10)
    assert chosen(BACKOFF_S, *both) == ([], BACKOFF_S + 10)
    assert chosen(BACKOFF_S + 10, *both) == (["w1", "w2"], NEVER)


def test_beside_others_they_wait_until_they_are_many() -> None:
    few = [unit(f"w{n}", items=40) for n in range(2)]
    assert chosen(100, *few, busy="a") == ([], LONGEST_S)
    enough = unit("w2", items=20)
    assert chosen(100, *few, enough, busy="a") == (["w0", "w1", "w2"], NEVER)
    for other in ({"task": "u"}, {"model": "n"}, {"round": 1}):
        assert chosen(100, *few, unit("w2", items=20, **other), busy="a") == ([], LONGEST_S)


def test_those_that_still_wait_are_not_counted() -> None:
    fresh = unit("w2", at=90, items=100)
    assert chosen(100, unit(), fresh, busy="a") == ([], 90 + BACKOFF_S)


def test_even_a_few_do_not_wait_for_ever() -> None:
    assert chosen(LONGEST_S, unit(), busy="a") == (["w1"], NEVER)


@pytest.mark.parametrize("busy", ["", "b"])
def test_other_providers_hold_nobody_back(busy: str) -> None:
    found, later = chosen(100, unit(), unit("w2", provider="b"), busy=busy)
    assert (found, later) == ((["w1"], LONGEST_S) if busy else (["w1", "w2"], NEVER))


def test_without_failures_there_is_nothing_to_look_for() -> None:
    assert chosen(0.0) == ([], NEVER)
