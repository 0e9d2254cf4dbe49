"""Offers: how long batches and calls take, and how many there may be."""

from typing import Any

import pytest

from llm_orchestrator.bulk.planning.estimate import estimate
from llm_orchestrator.bulk.planning.offers import answer_seconds, offers
from llm_orchestrator.bulk.planning.pace import pace_of
from llm_orchestrator.bulk.planning.plan import Offer
from llm_orchestrator.bulk.planning.turnaround import Turnarounds
from llm_orchestrator.config import load
from llm_orchestrator.engine.build import build
from llm_orchestrator.types.provider import Candidate
from tests.unit.bulk.estimating import posts, sample, target, task

SHORT = {"options": {"max_tokens": 60}}


def made(who: Candidate | None = None, **options: Any) -> dict[str, Offer]:
    """The offers of a model by their lanes."""
    who = who or target()
    targets = {"judge": (who,)}
    found = estimate([task(**SHORT)], sample(posts(200)), targets)
    return {one.lane: one for one in offers(found, targets, **options)}


def test_what_the_estimate_knows_is_handed_on() -> None:
    batch = made()["batch"]
    assert (batch.task, batch.target) == ("judge", "openai/gpt-4o")
    assert (batch.most_output, batch.likely_output, batch.cuts) == (60, 60, False)
    assert batch.high(30) == batch.high_pico  # the task says how long answers are


def test_answers_that_may_be_cut_cost_less_at_most() -> None:
    who = target()
    found = estimate([task()], sample(posts(200)), {"judge": (who,)})
    online = next(one for one in offers(found, {"judge": (who,)}) if one.lane == "online")
    whole, cut = online.high(), online.high(1000)
    assert whole is not None
    assert cut is not None
    assert online.cuts
    assert whole - cut == 3000 * 10 * 10**6  # tokens at ten USD a million


def test_batches_wait_as_long_as_others_did() -> None:
    known = Turnarounds({"openai": [100.0 * n for n in range(1, 11)]})
    assert made(turnarounds=known)["batch"].wait_s == 800.0
    assert made()["batch"].wait_s == Turnarounds().quantile("openai")


@pytest.mark.parametrize(
    "provider,unit,least",
    [("openai", 50_000, 1), ("openrouter", 5_000, 1), ("bedrock", 50_000, 100)],
)
def test_batches_are_as_large_as_may_be(provider: str, unit: int, least: int) -> None:
    batch = made(target(provider))["batch"]
    assert (batch.unit, batch.least) == (unit, least)
    assert made(target(provider), unit_items=700)["batch"].unit == 700


def test_calls_are_as_fast_as_so_many_at_once_can_be() -> None:
    each = answer_seconds(target(), 60)
    assert answer_seconds(target(), 1000) > each == answer_seconds(target(), 0)
    slow, fast = made(concurrency=1)["online"], made(concurrency=100)["online"]
    assert slow.rate == pytest.approx(1 / each)
    assert fast.rate == pytest.approx(100 / each)
    assert slow.wait_s == each
    assert 50 <= slow.unit < fast.unit <= 1000


@pytest.mark.parametrize(
    "limits,rate",
    [
        ({"rpm": 60}, 1.0),
        ({"rpm": 6000, "tpm": 6000}, 100 / 73),  # tokens of an item and its answer
        ({"in_flight": 3}, 3 / answer_seconds(target(), 60)),
        ({}, 24 / answer_seconds(target(), 60)),
    ],
)
def test_limits_of_the_configuration_hold(limits: dict[str, int], rate: float) -> None:
    given = {"rate_limits": {"providers": {"openai": limits}}, "cost_tracking": {"enabled": False}}
    runtime = build(load(given, env={"OPENAI_API_KEY": "x"}))
    assert made(pace=pace_of(runtime))["online"].rate == pytest.approx(rate, rel=0.15)


def test_nobody_limits_what_is_not_limited() -> None:
    given = {"rate_limits": {"learn": False}, "cost_tracking": {"enabled": False}}
    runtime = build(load(given, env={"OPENAI_API_KEY": "x"}))
    assert runtime.limiter is None
    assert pace_of(runtime)(target(), 100, 1.0) is None
