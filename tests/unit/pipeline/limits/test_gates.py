"""Windows that are never passed, wherever they begin, and slots."""

from math import inf
from random import Random

import pytest

from llm_orchestrator.pipeline.limits.gates import REQUESTS, TOKENS, Slots, Window


def window(limit: int, kind: int = REQUESTS) -> Window:
    return Window(kind, limit, "w")


def test_so_many_and_no_more() -> None:
    gate = window(3)
    for _ in range(3):
        assert gate.wait(1, 100.0) == 0
        gate.take(1, 100.0)
    assert 60 <= gate.wait(1, 100.0) <= 61
    assert gate.wait(1, 159.9) > 0
    assert gate.wait(1, 161.0) == 0


@pytest.mark.parametrize(
    ("amount", "freed"), [(10, 0), (40, 0), (41, 10), (70, 10), (71, 20), (100, 20)]
)
def test_the_wait_is_until_there_is_room_and_not_longer(amount: int, freed: int) -> None:
    def filled() -> Window:
        gate = window(100, TOKENS)
        for second, size in ((0, 40), (10, 30), (20, 30)):
            gate.take(size, second)
        return gate

    wait = filled().wait(amount, 25.0)
    assert freed + 60 <= 25.0 + wait <= freed + 61
    assert filled().wait(amount, 25.0 + wait) == 0
    assert filled().wait(amount, 25.0 + wait - 0.01) > 0


@pytest.mark.parametrize("seed", range(5))
def test_no_minute_holds_more_than_the_limit(seed: int) -> None:
    """Whenever it begins, whatever the rhythm of those who ask."""
    random, gate, now = Random(seed), window(50, TOKENS), 1000.0
    taken: list[tuple[float, int]] = []
    for _ in range(3000):
        now += random.choice((0, 0.01, 0.3, 2, 20))
        amount = random.randint(1, 20)
        if gate.wait(amount, now) == 0:
            gate.take(amount, now)
            taken.append((now, amount))
    for start, _ in taken:
        assert sum(size for at, size in taken if start <= at < start + 60) <= 50
    assert len(taken) > 100


def test_one_who_keeps_asking_gets_nearly_the_whole_limit() -> None:
    gate, now, count = window(60), 0.0, 0
    while now < 600:
        if gate.wait(1, now) == 0:
            gate.take(1, now)
            count += 1
        now += 0.05
    assert 580 <= count <= 600


def test_what_was_counted_wrong_is_corrected_where_it_was_counted() -> None:
    gate = window(100, TOKENS)
    first = gate.take(80, 0.0)
    assert gate.wait(50, 1.0) > 0
    gate.end(first, 80, 30, None)
    assert gate.wait(50, 1.0) == 0
    gate.end(first, 30, 150, None)  # it used more than the limit: what comes next waits longer
    assert gate.wait(1, 1.0) == pytest.approx(60, abs=1)
    assert gate.wait(1, 61.0) == 0
    assert gate.used == 0


def test_a_correction_that_comes_too_late_changes_nothing() -> None:
    gate = window(100, TOKENS)
    old = gate.take(80, 0.0)
    assert gate.wait(100, 62.0) == 0
    gate.end(old, 80, 500, None)
    assert gate.used == 0


def test_one_larger_than_the_limit_goes_when_all_is_free() -> None:
    gate = window(100, TOKENS)
    assert gate.wait(5000, 0.0) == 0
    gate.take(1, 0.0)
    assert gate.wait(5000, 0.0) == pytest.approx(61, abs=1)


def test_a_share_of_it() -> None:
    gate = window(100)
    for _ in range(25):
        assert gate.wait(1, 0.0, 0.25) == 0
        gate.take(1, 0.0)
    assert gate.wait(1, 0.0, 0.25) > 0
    assert gate.wait(1, 0.0) == 0
    assert window(2).wait(1, 0.0, 0.1) == 0, "a share is never nothing"


def test_the_wait_of_one_behind_others() -> None:
    gate = window(10)
    assert gate.ahead(1, 5, 0.0) == 0
    gate.queued[5] = 9
    assert gate.ahead(1, 5, 0.0) == 0
    gate.queued[5] = 10
    assert gate.ahead(1, 5, 0.0) == 60
    gate.queued[5] = 35
    assert gate.ahead(1, 5, 0.0) == 180
    assert gate.ahead(1, 6, 0.0) == 0, "lower priorities are not before it"
    gate.queued[10] = 10
    assert gate.ahead(1, 6, 0.0) == 60


def test_slots() -> None:
    gate = Slots(2, "s")
    gate.take(1, 0.0)
    assert gate.wait(1, 0.0) == 0
    gate.take(1, 0.0)
    assert gate.wait(1, 0.0) == inf
    assert gate.wait(1, 0.0, 0.5) == inf
    gate.end(None, 1, 1, 4.0)
    assert gate.wait(1, 0.0) == 0
    assert gate.wait(1, 0.0, 0.5) == inf


def test_the_wait_for_a_slot_is_guessed_by_how_long_answers_take() -> None:
    gate = Slots(2, "s")
    for _ in range(100):
        gate.take(1, 0.0)
        gate.end(None, 1, 1, 8.0)
    assert gate.ahead(1, 5, 0.0) == 0
    gate.take(1, 0.0)
    gate.take(1, 0.0)
    assert gate.ahead(1, 5, 0.0) == pytest.approx(4, abs=0.1)
    gate.queued[5] = 3
    assert gate.ahead(1, 5, 0.0) == pytest.approx(16, abs=0.1)
