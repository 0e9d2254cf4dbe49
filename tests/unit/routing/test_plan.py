"""What a chain will probably cost, before anything is spent."""

import pytest

from llm_orchestrator.routing.agreement import Agreement, SelfConsistency
from llm_orchestrator.routing.phrases import Phrases
from llm_orchestrator.routing.plan import plan
from tests.unit.routing.fakes import FLASH, GPT, MINI, NANO, SONNET, offer, offers


def test_a_second_opinion_within_the_chain_is_paid_once() -> None:
    chain = [offer(FLASH, 10), offer(MINI, 20), offer(GPT, 1000)]
    found = plan(chain, [], Agreement())
    # The first and its second opinion always; the last when neither of two stages ended it.
    reached = (1 - 0.85 * 0.7) ** 2
    assert found.expected_pico == round(10 + 20 + reached * 1000)
    assert found.strong_pico == 1000
    assert found.asks == 3
    assert found.worth


def test_good_records_make_the_chain_cheaper() -> None:
    chain = [offer(FLASH, 10, record=(950, 1000)), offer(MINI, 20), offer(GPT, 1000)]
    usual = [offer(FLASH, 10), offer(MINI, 20), offer(GPT, 1000)]
    better, plain = plan(chain, [], Phrases()), plan(usual, [], Phrases())
    assert better.expected_pico is not None
    assert plain.expected_pico is not None
    assert better.expected_pico < plain.expected_pico


def test_asking_the_same_model_again_costs_again() -> None:
    found = plan([offer(NANO, 10), offer(GPT, 1000)], [], SelfConsistency(3))
    assert found.expected_pico == round(30 + (1 - 0.85 * 0.7) * 1000)
    assert found.asks == 4


def test_a_spare_is_paid_for() -> None:
    found = plan([offer(NANO, 10), offer(GPT, 1000)], offers(FLASH), Agreement())
    assert found.asks == 3


def test_not_worth_it() -> None:
    found = plan([offer(FLASH, 50), offer(MINI, 50), offer(GPT, 60)], [], Agreement())
    assert not found.worth
    assert "0.0000000001" in found.why(offer(GPT))


@pytest.mark.parametrize("prices", [(None, 5), (5, None)])
def test_unknown_prices_forbid_nothing(prices: tuple[int | None, int | None]) -> None:
    found = plan([offer(FLASH, prices[0]), offer(GPT, prices[1])], [], Phrases())
    assert found.worth
    assert found.strong_pico == prices[1]


def test_one_member_is_its_own_plan() -> None:
    found = plan([offer(SONNET, 100)], [], Agreement())
    assert (found.expected_pico, found.strong_pico, found.asks) == (100, 100, 1)
