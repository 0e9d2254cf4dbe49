import random

import pytest

from llm_orchestrator.routing.ridge import Rows


def system(seed: int) -> tuple[Rows, list[float]]:
    draw = random.Random(seed)
    rows = [sorted(draw.sample(range(40), draw.randint(0, 12))) for _ in range(120)]
    return Rows(rows), [draw.gauss(0, 1) for _ in rows]


@pytest.mark.parametrize("penalty", [0.5, 30.0])
def test_the_gradient_is_zero_at_the_fit(penalty: float) -> None:
    rows, targets = system(1)
    weights = rows.fit(targets, penalty)
    missed = [one - two for one, two in zip(targets, rows.values(weights), strict=True)]
    for pull, weight in zip(rows.weights(missed), weights, strict=True):
        assert pull == pytest.approx(penalty * weight, abs=2e-2)


def test_a_fit_is_the_same_every_time() -> None:
    one, two = system(2), system(2)
    assert one[0].fit(one[1], 3.0) == two[0].fit(two[1], 3.0)


def test_columns_that_one_row_has_are_left_out() -> None:
    rows = Rows([[1, 2], [2, 3], [2, 3], []])
    assert rows.columns == [2, 3]
    assert rows.counts == [3, 2]
    assert rows.shares == [0.5, 0.5, 0.5, 0.0]  # 3 would be unknown without either of its rows


def test_nothing_to_learn_is_no_error() -> None:
    assert Rows([[], []]).fit([0.0, 0.0], 1.0) == []
