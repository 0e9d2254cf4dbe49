"""Whom to ask first."""

from collections import Counter
from itertools import cycle
from random import Random

import pytest

from llm_orchestrator.routing import order
from llm_orchestrator.routing.base import Offer
from llm_orchestrator.routing.levels import level_of
from llm_orchestrator.types.model import Model, Price
from llm_orchestrator.types.provider import Candidate, Provider


def offer(name: str, **known: float | bool | None) -> Offer:
    provider, model = name.split("/")
    row = Provider(name=provider, dialect="openai", base_url="http://127.0.0.1")
    return Offer(candidate=Candidate(row, Model(provider=provider, id=model)), **known)  # type: ignore[arg-type]


def names(ordered: order.Ordered) -> list[str]:
    return [one.name for one in ordered.offers]


class TestCheapest:
    def test_by_expected_cost_with_unknown_prices_last(self) -> None:
        dear, cheap = offer("a/x", expected_pico=90), offer("b/y", expected_pico=10)
        found = order.cheapest([offer("c/z"), dear, cheap])
        assert names(found) == ["b/y", "a/x", "c/z"]
        assert "cheapest of 3" in found.reason

    def test_equals_stay_in_order(self) -> None:
        same = [offer(f"{letter}/m", expected_pico=5) for letter in "cab"]
        assert names(order.cheapest(same)) == ["c/m", "a/m", "b/m"]

    def test_nothing_is_known(self) -> None:
        assert "unknown" in order.cheapest([offer("a/x"), offer("b/y")]).reason


class TestFastest:
    def test_measured_speed_counts_with_the_length_of_an_answer(self) -> None:
        quick_start = offer("a/x", first_token_s=0.1, tokens_per_s=20.0)  # 20 s for 400 tokens
        quick_end = offer("b/y", first_token_s=1.0, tokens_per_s=400.0)  # 2 s
        found = order.fastest([quick_start, quick_end])
        assert names(found) == ["b/y", "a/x"]
        assert "(measured)" in found.reason

    def test_published_values_stand_in(self) -> None:
        found = order.fastest([offer("a/x", first_token_s=2.0), offer("b/y", first_token_s=0.4)])
        assert names(found) == ["b/y", "a/x"]
        assert "not measured" in found.reason

    def test_what_nobody_knows_comes_last(self) -> None:
        found = order.fastest([offer("a/x"), offer("b/y", first_token_s=9.0)])
        assert names(found) == ["b/y", "a/x"]


class TestWeighted:
    def test_each_comes_first_as_often_as_its_weight_says(self) -> None:
        draw = order.weighted(Random(5).random)
        offers = [offer("a/m", weight=3.0), offer("b/m", weight=1.0)]
        first = Counter(names(draw(offers))[0] for _ in range(4000))
        assert 0.72 < first["a/m"] / 4000 < 0.78

    def test_everybody_is_in_the_list(self) -> None:
        draw = order.weighted(cycle((0.9, 0.2, 0.5)).__next__)
        found = draw([offer("a/m"), offer("b/m"), offer("c/m")])
        assert names(found) == ["a/m", "c/m", "b/m"]

    def test_who_has_the_prompt_cached_keeps_the_call(self) -> None:
        draw = order.weighted(cycle((0.99, 0.01)).__next__)
        found = draw([offer("a/m", weight=100.0), offer("b/m", warm=True)])
        assert names(found) == ["b/m", "a/m"]
        assert "cached" in found.reason


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("claude-3-5-haiku-20241022", 2),
        ("claude-3-5-sonnet-20241022", 3),
        ("claude-3-opus-20240229", 4),
        ("gpt-4o-mini", 2),
        ("gpt-4o", 3),
        ("gpt-4", 4),
        ("gemini-1.5-flash", 3),
        ("gemini-2.5-flash-lite", 2),
        ("gemini-2.5-pro", 4),
        ("llama-3.1-8b-instant", 2),
        ("llama-3.3-70b-versatile", 3),
        ("mistral-large-latest", 4),
    ],
)
def test_levels_of_names(name: str, level: int) -> None:
    assert level_of(Model(provider="x", id=name)) == level


@pytest.mark.parametrize(("usd", "level"), [(1, 2), (5, 3), (30, 4)])
def test_levels_of_prices(usd: int, level: int) -> None:
    model = Model(provider="x", id="unheard-of", prices=(Price(output=usd * 10**6),))
    assert level_of(model) == level
