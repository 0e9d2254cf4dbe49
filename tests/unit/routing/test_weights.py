"""What the word of a model weighs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_orchestrator.routing import voting, weights
from llm_orchestrator.routing.base import Record
from llm_orchestrator.routing.makers import maker_of
from tests.unit.routing.fakes import FLASH, GPT, HAIKU, MINI, candidate, offer


def test_records_become_clipped_log_odds() -> None:
    assert weights.weight(0.5) == weights.LEAST
    assert weights.weight(0.2) == weights.LEAST
    assert weights.weight(0.7) == pytest.approx(0.847, abs=0.001)
    assert weights.weight(1.0) == weights.MOST


def test_a_short_record_is_near_what_is_usual() -> None:
    assert weights.share(None) == weights.USUAL
    assert weights.share(Record(1, 1)) == pytest.approx(0.727, abs=0.001)
    assert weights.share(Record(900, 1000)) == pytest.approx(0.898, abs=0.001)


def test_who_has_no_record_is_taken_for_as_good_as_the_others() -> None:
    found = weights.of([offer(FLASH, record=(900, 1000)), offer(MINI)])
    assert found[MINI] == pytest.approx(found[FLASH], abs=0.03)
    assert weights.of([offer(FLASH)], {FLASH: 2.5})[FLASH] == 2.5


def ballot(*sets: str, right: str) -> weights.Ballot:
    return weights.Ballot(tuple(frozenset(each) for each in sets), frozenset(right))


def test_fitted_weights_know_who_errs_together() -> None:
    """b and c are right as often as a is, but when they agree against a, they are wrong."""
    ballots = [
        *(ballot("abc", right="abc") for _ in range(700)),
        *(ballot("a", "bc", right="a") for _ in range(150)),
        *(ballot("b", "ac", right="b") for _ in range(75)),
        *(ballot("c", "ab", right="c") for _ in range(75)),
    ]
    start = dict.fromkeys("abc", 1.5)
    found = weights.fitted(ballots, start)
    assert found["a"] > found["b"] + found["c"]


def test_without_ballots_nothing_changes() -> None:
    start = {"a": 1.0, "b": 0.5}
    assert weights.fitted([], start) == start
    told_nothing = [ballot("ab", right="ab"), ballot("a", "b", right="")]
    assert weights.fitted(told_nothing, start) == pytest.approx(start)


def test_few_ballots_change_little() -> None:
    start = dict.fromkeys("ab", 1.0)
    few = weights.fitted([ballot("a", "b", right="a")] * 3, start)
    many = weights.fitted([ballot("a", "b", right="a")] * 300, start)
    assert 1.0 < few["a"] < 1.2 < many["a"]


@given(
    st.lists(st.integers(5, 300), min_size=1, max_size=6),
    st.integers(0, 600),
    st.integers(0, 600),
)
def test_a_wave_decides_if_it_agrees(values: list[int], lead: int, second: int) -> None:
    names = [FLASH, MINI, HAIKU, GPT, "x/a", "x/b"][: len(values)]
    members = [offer(name, 1) for name in names]
    given_weights = {name: value / 100 for name, value in zip(names, values, strict=True)}
    lead, second = max(lead, second), min(lead, second)
    wave = voting.next_wave(members, given_weights, lead / 100, second / 100)
    asked = sum(given_weights[one.name] for one in wave)
    total = sum(given_weights.values())
    if not wave:
        assert lead / 100 > second / 100 + total
    else:
        assert lead / 100 + asked > second / 100 + total - asked or len(wave) == len(members)


def test_many_members_are_no_trap() -> None:
    members = [offer(f"x/{at}", 1) for at in range(40)]
    even = {one.name: 1.0 for one in members}
    assert len(voting.next_wave(members, even, 0.0, 0.0)) == 21


@pytest.mark.parametrize(
    ("name", "maker"),
    [
        ("openai/gpt-4o-mini", "openai"),
        ("azure/gpt-4o", "openai"),
        ("groq/openai/gpt-oss-120b", "openai"),
        ("openai/o3-mini", "openai"),
        ("bedrock/anthropic.claude-3-5-haiku-20241022-v1:0", "anthropic"),
        ("openrouter/google/gemini-2.0-flash", "google"),
        ("together/meta-llama/Llama-3.3-70B-Instruct-Turbo", "meta"),
        ("groq/deepseek-r1-distill-llama-70b", "deepseek"),
        ("perplexity/sonar-pro", "perplexity"),
        ("mistral/codestral-latest", "mistral"),
        ("deepinfra/Qwen/Qwen3-32B", "qwen"),
        ("cohere/command-r", "cohere"),
        ("together/Austism/chronos-hermes-13b", "austism"),
        ("mine/house-model", "mine"),
    ],
)
def test_makers(name: str, maker: str) -> None:
    assert maker_of(candidate(name)) == maker
