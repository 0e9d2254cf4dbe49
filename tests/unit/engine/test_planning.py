"""Caps: how they are read, and how an answer is limited to what one can pay."""

from decimal import Decimal, localcontext
from typing import Any

import msgspec
import pytest

from llm_orchestrator.catalog import upper_bound
from llm_orchestrator.catalog.tokens import upper_bound_input
from llm_orchestrator.engine.planning import read_cap, within
from llm_orchestrator.errors import BudgetError, InvalidRequestError
from llm_orchestrator.types.model import Price
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Message, Request
from tests.unit.dialects import targets

ASK = Request(messages=(Message("user", "Hi"),))


@pytest.mark.parametrize(
    ("given", "pico"),
    [
        (1, 10**12),
        ("0.05", 5 * 10**10),
        (0.1, 10**11),
        (Decimal("0.000000000001"), 1),
        ("123456789.123456789012", 123456789123456789012),
    ],
)
@pytest.mark.parametrize("precision", [3, 28])
def test_caps(given: Any, pico: int, precision: int) -> None:
    with localcontext(prec=precision):
        assert read_cap(given) == pico


@pytest.mark.parametrize(
    "given", [0, -1, "0", "", "much", "nan", "inf", float("nan"), float("inf"), [], "1e-13"]
)
def test_what_is_no_cap(given: Any) -> None:
    with pytest.raises(InvalidRequestError, match="max_cost"):
        read_cap(given)


def priced(*, input: int, output: int) -> Candidate:
    target = targets.openai()
    prices = (Price(input=input, output=output),)
    model = msgspec.structs.replace(target.model, prices=prices, max_output=10_000)
    return Candidate(target.provider, model)


def test_the_longest_answer_that_a_cap_pays_for() -> None:
    target, notices = priced(input=1_000, output=10_000), list[str]()
    cap = 5_000_000
    found = within(cap, ASK, target, notices)
    assert found.max_tokens is not None
    size = upper_bound_input(ASK, target.model)
    for more, fits in ((0, True), (1, False)):
        most = upper_bound(size, found.max_tokens + more, target.model)
        assert most is not None
        assert (most <= cap) is fits
    assert len(notices) == 1
    assert str(found.max_tokens) in notices[0]


def test_a_cap_that_is_wide_enough_changes_nothing() -> None:
    notices: list[str] = []
    assert within(10**12, ASK, priced(input=1_000, output=10_000), notices) is ASK
    assert notices == []


def test_a_limit_of_the_caller_stays() -> None:
    request = msgspec.structs.replace(ASK, max_tokens=9_000)
    assert within(1, request, priced(input=1_000, output=10_000), []) is request


def test_an_answer_is_not_cut_shorter_than_a_few_sentences() -> None:
    target = priced(input=1_000, output=10_000)
    least = upper_bound(upper_bound_input(ASK, target.model), 256, target.model)
    assert least is not None
    assert within(least, ASK, target, []).max_tokens == 256
    with pytest.raises(BudgetError, match="256 tokens"):
        within(least - 1, ASK, target, [])


def test_without_a_price_the_hold_decides() -> None:
    assert within(1, ASK, targets.openai(), []) is ASK
    assert within(1, ASK, targets.openai(local=True), []) is ASK
