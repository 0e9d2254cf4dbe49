"""What is left of a limit that replies tell."""

from math import inf

import pytest

from llm_orchestrator.pipeline.limits.gates import REQUESTS, TOKENS
from llm_orchestrator.pipeline.limits.gauge import Gauge


def gauge(limit: int, left: int, reset: float | None, period: float = 60.0) -> Gauge:
    """Read at 1000 s."""
    made = Gauge(TOKENS, limit, "g", period, 1000.0)
    made.follow(limit, left, reset, 1000.0)
    return made


def test_it_fills_evenly_as_the_reset_says() -> None:
    """Half is used and whole again in half a minute: it fills in a minute."""
    one = gauge(600, 300, 30)
    assert one.wait(300, 1000.0) == 0
    assert one.wait(301, 1000.0) == pytest.approx(0.1)
    assert one.wait(600, 1000.0) == pytest.approx(30)


@pytest.mark.parametrize("period", [1, 60, 3600, 86_400])
def test_the_reset_tells_over_which_time_a_limit_counts(period: float) -> None:
    one = gauge(1000, 100, 0.9 * period)
    assert one.rate == pytest.approx(1000 / period)


@pytest.mark.parametrize("shift", [-1.5, 1.5])
def test_a_reset_in_whole_seconds_is_near_enough(shift: float) -> None:
    assert gauge(1000, 300, 42 + shift).rate == pytest.approx(1000 / 60)


def test_little_used_tells_nothing_of_the_time() -> None:
    """A rounded reset would make a minute into an hour."""
    assert gauge(1000, 999, 1).rate == pytest.approx(1000 / 60)
    assert gauge(1000, 999, 1, 86_400).rate == pytest.approx(1000 / 86_400)


def test_any_other_reset_is_when_all_comes_back_at_once() -> None:
    one = gauge(100, 0, 20)
    assert one.wait(1, 1000.0) == one.wait(100, 1000.0) == pytest.approx(20)
    assert one.wait(1, 1019.0) == pytest.approx(1)
    assert one.wait(100, 1020.0) == 0
    one.take(100, 1020.0)
    assert one.wait(10, 1020.0) == pytest.approx(6), "from then on by the minute"


def test_without_a_reset_it_fills_in_its_period() -> None:
    assert gauge(60, 0, None).wait(1, 1000.0) == pytest.approx(1)


def test_what_is_under_way_may_be_in_a_reading_or_not() -> None:
    one = gauge(100, 40, None)
    one.take(10, 1000.0)
    assert one.level == 30
    one.follow(100, 35, None, 1000.0)
    assert one.level == 30, "35, and perhaps 10 less"
    one.follow(100, 20, None, 1000.0)
    assert one.level == 20, "others use it, too"
    one.follow(100, 50, None, 1000.0)
    assert one.level == 40, "we had counted too much"
    one.end(None, 10, 4, None)
    assert (one.level, one.out) == (46, 0)
    one.follow(100, 50, None, 1000.0)
    assert one.level == 50


def test_a_limit_that_has_changed() -> None:
    one = gauge(100, 10, None)
    one.follow(1000, 900, None, 1001.0)
    assert one.limit == 1000
    assert one.wait(900, 1001.0) == 0
    one.follow(10, 1, None, 1002.0)
    assert one.limit == 10
    assert one.wait(2, 1002.0) == pytest.approx(6)


def test_a_reading_is_believed_for_five_minutes_then_one_goes_to_see() -> None:
    """A limit of a day, or headers that always say 0, must not stop everything."""
    one = gauge(1000, 0, 86_400)
    assert one.wait(1, 1000.0) == pytest.approx(86.4)
    closed = gauge(1000, 0, 40_000)
    assert closed.wait(1, 1000.0) == pytest.approx(300)
    assert closed.wait(1, 1300.0) == 0
    closed.take(1, 1300.0)
    assert closed.wait(1, 1300.0) == pytest.approx(300)


def test_what_may_go_uncounted_is_held_back() -> None:
    one = gauge(1000, 1000, None)
    one.hold_back(64, 800, 1000.0)
    assert one.level == 736
    one.hold_back(64, 800, 1000.0)
    assert one.level == 736, "once, not for each reply"


def test_the_wait_behind_others() -> None:
    one = gauge(60, 0, None)
    one.queued[5] = 9
    assert one.ahead(1, 5, 1000.0) == pytest.approx(10)
    one.queued[5] = 99
    assert one.ahead(1, 5, 1000.0) == pytest.approx(100)
    assert gauge(60, 60, None).ahead(1, 5, 1000.0) == 0


def test_what_it_says_of_itself() -> None:
    assert gauge(60, 0, None).words == "60 tokens, says the provider"
    assert Gauge(REQUESTS, 5, "g", 60.0, 0.0).low is False
    assert gauge(60, 0, None).low
    assert gauge(100, 0, 0)._full_at == inf
