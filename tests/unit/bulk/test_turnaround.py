"""How long batches take: guesses until there is something better."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_orchestrator.bulk.planning.turnaround import ENOUGH, SLOW, TYPICAL, UNKNOWN, Turnarounds


def test_guesses_hold_until_own_batches_are_known() -> None:
    known = Turnarounds()
    assert known.quantile("anthropic") == sorted(TYPICAL["anthropic"])[3]
    assert known.quantile("somebody") == UNKNOWN[3]


def test_own_batches_replace_the_guesses() -> None:
    few = Turnarounds({"openai": [60.0] * (ENOUGH - 1)})
    enough = Turnarounds({"openai": [60.0] * ENOUGH})
    assert enough.quantile("openai", 1.0) == 60.0
    assert few.quantile("openai", 1.0) == max(TYPICAL["openai"])
    assert few.quantile("openai", 0.5) == 60.0
    assert few.seen == {"openai": ENOUGH - 1}


def test_a_batch_that_is_out_for_long_takes_longer() -> None:
    known = Turnarounds({"a": [float(n) for n in range(100, 1100, 100)]})
    assert known.left("a", 0.0) == 500.0
    assert known.left("a", 550.0) == 250.0
    assert known.left("a", 5000.0) == 2500.0  # older than all that were seen
    assert known.left("a", 1001.0) == 600.0


def test_the_chance_that_a_batch_is_back_in_time() -> None:
    known = Turnarounds({"a": [float(n) for n in range(100, 1100, 100)]})
    assert known.in_time("a", 0.0, 500.0) == 0.5
    assert known.in_time("a", 500.0, 500.0) == 1.0
    assert known.in_time("a", 500.0, 99.0) == 0.0
    assert known.in_time("a", 2000.0, 100.0) == 0.0


@given(
    st.lists(st.floats(1, 10**6), min_size=1, max_size=30),
    st.floats(0, 1),
    st.floats(0, 10**6),
)
def test_quantiles(times: list[float], part: float, passed: float) -> None:
    known = Turnarounds({"a": times})
    assert known.quantile("a", 0.0) <= known.quantile("a", part) <= known.quantile("a", 1.0)
    assert known.left("a", passed) > 0
    assert known.in_time("a", 0.0, known.quantile("a", SLOW)) >= SLOW


@pytest.mark.parametrize("provider", TYPICAL)
def test_guesses_are_in_order(provider: str) -> None:
    assert list(TYPICAL[provider]) == sorted(TYPICAL[provider])
