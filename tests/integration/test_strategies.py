"""Strategies that choose whom to ask, over the wire."""

import base64
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import (
    AsyncLLMOrchestrator,
    BudgetError,
    ConfigError,
    InvalidRequestError,
    ModelNotFoundError,
    UnsupportedError,
)
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.simulator.world import account_of
from tests.integration.world import (
    HAIKU,
    HELLO,
    KEY,
    MINI,
    all_of,
    booked,
    configuration,
    end_of,
    table,
)

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def routed(home: Path) -> dict[str, Any]:
    """What the ledger has of the last call's route."""
    found: dict[str, Any] = json.loads(table(home, "calls")[-1]["routing_decision"])
    return found


async def test_cheapest_is_one_model_and_one_call(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    reply = await llm.send_request(HELLO, strategy="cheapest", max_tokens=40)
    assert (reply.model, reply.strategy) == (MINI, "cheapest")
    assert len(sim.ledger()["rows"]) == 1
    await booked(llm, sim, llmo_home)
    told = routed(llmo_home)
    assert "cheapest" in told["reason"]
    costs = [float(one["expected_usd"]) for one in told["candidates"]]
    assert costs == sorted(costs)
    assert len(costs) > 3
    assert table(llmo_home, "attempts")[0]["strategy"] == "cheapest"


async def test_cheapest_goes_by_the_whole_request(sim: Simulator) -> None:
    """A long prompt and a short answer make another model the cheapest than the reverse."""
    models = [
        {"name": "cheap-in", "prices": {"input": "0.1", "output": "10"}, "max_output": 4000},
        {"name": "cheap-out", "prices": {"input": "2", "output": "0.1"}, "max_output": 4000},
    ]
    openai = {"api_key": KEY, "base_url": sim.openai_url, "models": models}
    config = {
        "providers": {"openai": openai},
        "routing": {"models": ["openai/cheap-in", "openai/cheap-out"]},
    }
    async with AsyncLLMOrchestrator(config) as llm:
        long = await llm.plan("word " * 5000, strategy="cheapest", max_tokens=20)
        short = await llm.plan("Hi", strategy="cheapest", max_tokens=2000)
    assert [long.candidates[0].model, short.candidates[0].model] == ["cheap-in", "cheap-out"]


async def test_a_failing_cheapest_is_rescued(llm: AsyncLLMOrchestrator, sim: Simulator) -> None:
    sim.add_fault(fault="unavailable", provider="openai")
    reply = await llm.send_request(HELLO, strategy="cheapest", max_tokens=40)
    assert reply.provider == "anthropic"
    assert {one.provider for one in reply.attempts} == {"openai", "anthropic"}


async def test_fastest_learns_from_what_it_measures(sim: Simulator) -> None:
    sim.add_fault(fault="slow-first", provider="openai", seconds=0.4)
    pool = {"routing": {"models": [f"openai/{MINI}", f"anthropic/{HAIKU}"]}}
    async with AsyncLLMOrchestrator(configuration(sim, **pool)) as llm:
        first = await llm.plan(HELLO, strategy="fastest")
        assert first.candidates[0].provider == "openai"  # as published
        for provider, model in (("openai", MINI), ("anthropic", HAIKU)):
            await all_of(
                llm.send_streaming_request(HELLO, provider=provider, model=model, max_tokens=60)
            )
        second = await llm.plan(HELLO, strategy="fastest")
    assert second.candidates[0].provider == "anthropic"
    assert "measured" in second.reason


async def test_an_order_streams(llm: AsyncLLMOrchestrator) -> None:
    events = await all_of(llm.send_streaming_request(HELLO, strategy="cheapest", max_tokens=60))
    assert end_of(events).strategy == "cheapest"
    assert len(events) > 5


async def test_capability(llm: AsyncLLMOrchestrator, sim: Simulator) -> None:
    reply = await llm.send_request(HELLO, capability="vision", max_tokens=30)
    assert reply.strategy == "capability"
    with pytest.raises(UnsupportedError, match="does not offer citations"):
        await llm.send_request(HELLO, capability="citations", max_tokens=30)
    with pytest.raises(InvalidRequestError, match="nobody knows 'telepathy'"):
        await llm.send_request(HELLO, capability="telepathy")
    assert len(sim.ledger()["rows"]) == 1


async def test_a_picture_asks_for_eyes(sim: Simulator) -> None:
    models = [
        {"name": "blind", "prices": {"input": "0.01", "output": "0.01"}, "abilities": ["text"]},
        {"name": "seeing", "prices": {"input": "1", "output": "1"}, "abilities": ["vision"]},
    ]
    openai = {"api_key": KEY, "base_url": sim.openai_url, "models": models}
    pool = {"routing": {"models": ["openai/blind", "openai/seeing"]}}
    picture = {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64," + base64.b64encode(DOT).decode()},
    }
    message = {"role": "user", "content": [{"type": "text", "text": "What is this?"}, picture]}
    async with AsyncLLMOrchestrator({"providers": {"openai": openai}, **pool}) as llm:
        seen = await llm.plan([message], strategy="cheapest")
        plain = await llm.plan("What is this?", strategy="cheapest")
    assert seen.candidates[0].model == "seeing"
    assert [(one.name, one.why) for one in seen.skipped] == [
        ("openai/blind", "it cannot do vision")
    ]
    assert plain.candidates[0].model == "blind"


async def test_a_prompt_that_fits_no_context(sim: Simulator) -> None:
    models = [
        {"name": "short", "context": 1000, "prices": {"input": "0.01", "output": "0.01"}},
        {"name": "long", "context": 100_000, "prices": {"input": "5", "output": "5"}},
    ]
    openai = {"api_key": KEY, "base_url": sim.openai_url, "models": models}
    pool = {"routing": {"models": ["openai/short", "openai/long"]}}
    async with AsyncLLMOrchestrator({"providers": {"openai": openai}, **pool}) as llm:
        plan = await llm.plan("word " * 3000, strategy="cheapest")
        assert plan.candidates[0].model == "long"
        assert "context of 1,000" in plan.skipped[0].why
        with pytest.raises(UnsupportedError, match="no model can take this request"):
            await llm.plan("word " * 300_000, strategy="cheapest")


async def test_regions_and_denied_models(sim: Simulator) -> None:
    config = configuration(sim)
    async with AsyncLLMOrchestrator(config | {"routing": {"deny": ["gpt-*"]}}) as llm:
        plan = await llm.plan(HELLO, strategy="cheapest")
        assert {one.provider for one in plan.candidates} == {"anthropic"}
        assert ("openai/gpt-4o-mini", "routing.deny") in [(s.name, s.why) for s in plan.skipped]
    async with AsyncLLMOrchestrator(config | {"routing": {"regions": ["eu"]}}) as llm:
        with pytest.raises(UnsupportedError, match="nothing says in which region"):
            await llm.plan(HELLO, strategy="cheapest")


async def test_a_cap_below_the_cheapest(llm: AsyncLLMOrchestrator, sim: Simulator) -> None:
    with pytest.raises(BudgetError, match="below the cheapest candidate: openai/gpt-4o-mini"):
        await llm.send_request(HELLO, strategy="cheapest", max_cost="0.00001")
    for nonsense in (0, -1, "NaN", float("nan"), "inf"):
        with pytest.raises(InvalidRequestError, match="max_cost"):
            await llm.send_request(HELLO, strategy="cheapest", max_cost=nonsense)
    assert sim.ledger()["rows"] == []


async def test_a_cap_leaves_out_what_is_too_dear(llm: AsyncLLMOrchestrator) -> None:
    plan = await llm.plan(HELLO, strategy="cheapest", max_tokens=1000, max_cost="0.001")
    assert [one.model for one in plan.candidates] == [MINI]
    assert any("the cap is 0.001" in one.why for one in plan.skipped)


async def test_a_group_shares_out_its_calls(sim: Simulator) -> None:
    row = {"dialect": "openai", "base_url": sim.openai_url, "api_key": KEY}
    priced = [{"name": MINI, "prices": {"input": "0.15", "output": "0.6"}}]
    config = {
        "providers": {"east": {**row, "models": priced}, "west": {**row, "models": priced}},
        "routing": {
            "groups": {"mini": [{"model": f"east/{MINI}", "weight": 3}, {"model": f"west/{MINI}"}]}
        },
    }
    async with AsyncLLMOrchestrator(config) as llm:
        seen: Counter[str] = Counter()
        for _ in range(60):
            reply = await llm.send_request("Hi", model="mini", max_tokens=5)
            seen[reply.provider] += 1
            assert reply.strategy == "weighted"
    assert seen["east"] > seen["west"] > 0


async def test_another_key_takes_over_at_the_same_prices(sim: Simulator, llmo_home: Path) -> None:
    sim.add_fault(fault="rate-limit", account=account_of("sk-one"))
    both = {"base_url": sim.openai_url, "like": "openai"}
    config = configuration(sim) | {
        "active_provider": None,
        "active_model": None,
        "providers": {"one": {**both, "api_key": "sk-one"}, "two": {**both, "api_key": "sk-two"}},
        "routing": {"groups": {"mini": [{"model": f"one/{MINI}"}, {"model": f"two/{MINI}"}]}},
    }
    async with AsyncLLMOrchestrator(config) as llm:
        replies = [await llm.send_request("Hi", model="mini", max_tokens=5) for _ in range(6)]
        assert {one.provider for one in replies} == {"two"}
        await booked(llm, sim, llmo_home)
    costs = [row["cost_pico"] for row in table(llmo_home, "settlements") if row["status"] == "ok"]
    assert costs == [row["cost_pico"] for row in sim.ledger()["rows"] if row["cost_pico"]]


async def test_the_configured_strategy_holds_for_calls_that_name_none(sim: Simulator) -> None:
    async with AsyncLLMOrchestrator(configuration(sim, routing_strategy="cheapest")) as llm:
        assert (await llm.send_request("Hi", max_tokens=5)).strategy == "cheapest"
        named = await llm.send_request("Hi", model="claude-haiku-4-5", max_tokens=5)
        assert named.provider == "anthropic"


async def test_specified_is_never_left(llm: AsyncLLMOrchestrator, sim: Simulator) -> None:
    plan = await llm.plan(HELLO, strategy="specified", model="gpt-4o")
    assert [one.model for one in plan.candidates] == ["gpt-4o"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"strategy": "chepest"}, "did you mean cheapest"),
        ({"strategy": 3}, "expected a name"),
        ({"strategy": "cheapest", "model": MINI}, "leave model= out"),
        ({"strategy": "vote", "ensemble_size": 0}, "a whole number from 1"),
        ({"strategy": "vote", "ensemble_size": 99}, "99 models were asked for"),
        ({"strategy": "fallback", "threshold": 1.5}, "threshold"),
        ({"strategy": "fallback", "threshold": -0.1}, "threshold"),
        ({"strategy": "fallback", "confidence": "hope"}, "confidence"),
        ({"strategy": "fallback", "chain": "gpt-4o,gpt-4o"}, "twice"),
        ({"strategy": "fallback", "chain": []}, "empty"),
    ],
)
async def test_what_does_not_fit_is_said_before_anything_is_spent(
    llm: AsyncLLMOrchestrator, sim: Simulator, options: dict[str, Any], expected: str
) -> None:
    with pytest.raises(InvalidRequestError, match=expected):
        await llm.send_request(HELLO, **options)
    assert sim.ledger()["rows"] == []


async def test_unknown_members_of_a_chain(llm: AsyncLLMOrchestrator) -> None:
    with pytest.raises(ModelNotFoundError, match="nobody-9"):
        await llm.send_request(HELLO, strategy="fallback", chain="gpt-4o,nobody-9")


async def test_a_pool_without_models(sim: Simulator) -> None:
    pool = {"routing": {"deny": ["*"]}}
    async with AsyncLLMOrchestrator(configuration(sim, **pool)) as llm:
        with pytest.raises(ConfigError, match="no model to choose from"):
            await llm.send_request(HELLO, strategy="cheapest")
