"""Answers sought among several models, over the wire and in the books."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import (
    AsyncLLMOrchestrator,
    ModelConfig,
    OrchestrationResult,
    aroute_to_model,
    arun_ensemble,
    arun_orchestration,
    arun_with_fallback,
    route_to_model,
    run_ensemble,
    run_orchestration,
    run_with_fallback,
)
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.events import TextDelta
from tests.integration.world import (
    HELLO,
    KEY,
    MINI,
    all_of,
    booked,
    configuration,
    end_of,
    table,
)

SUM = "What is 2+2? Answer with the number only."
CHAIN = [MINI, "claude-haiku-4-5", "gpt-4o"]


async def test_two_that_agree_are_enough(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    reply = await llm.send_request(SUM, strategy="fallback", chain=CHAIN, max_tokens=20)
    assert (reply.content, reply.model, reply.strategy) == ("4", MINI, "fallback")
    assert reply.confidence is not None
    assert reply.confidence >= 0.6
    assert [one.provider for one in reply.attempts] == ["openai", "anthropic"]
    assert reply.cost == sum(one.cost or 0 for one in reply.attempts)
    await booked(llm, sim, llmo_home)
    call = table(llmo_home, "calls")[0]
    assert (call["strategy"], call["model"]) == ("fallback", MINI)
    told = json.loads(call["routing_decision"])
    assert [one["did"] for one in told["steps"]] == ["answered", "agreed"]
    assert "text" not in call["routing_decision"], "no answers in the books"


async def test_a_chain_climbs_until_it_ends(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    reply = await llm.send_request(
        HELLO, strategy="fallback", chain=CHAIN, confidence="phrases", threshold=1.0, max_tokens=40
    )
    assert [one.model for one in reply.attempts] == CHAIN
    await booked(llm, sim, llmo_home)


async def test_a_cap_stops_a_chain_with_the_best_answer_so_far(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    options: dict[str, Any] = {"confidence": "phrases", "threshold": 1.0, "max_tokens": 40}
    chain = [MINI, "claude-opus-4-8"]
    plan = await llm.plan(HELLO, strategy="specified", model=chain[1], max_tokens=40)
    most = plan.candidates[0].estimate.cost_high
    assert most is not None
    # Enough for either of them, and not for both.
    cap = plan.most_cost / 3 + Decimal("0.000001")  # type: ignore[operator]
    reply = await llm.send_request(HELLO, strategy="fallback", chain=chain, max_cost=cap, **options)
    assert reply.model == MINI
    assert reply.stopped
    assert any("stopped early" in notice for notice in reply.notices)
    assert reply.cost is not None
    assert reply.cost <= cap
    assert len(sim.ledger()["rows"]) == 1
    await booked(llm, sim, llmo_home)


async def test_a_member_that_fails_is_passed_over(
    llm: AsyncLLMOrchestrator, sim: Simulator
) -> None:
    sim.add_fault(fault="unavailable", provider="openai", model=MINI)
    reply = await llm.send_request(SUM, strategy="fallback", chain=CHAIN, max_tokens=20)
    assert reply.content == "4"
    assert {one.model for one in reply.attempts if one.status == "ok"} <= {*CHAIN[1:]}


@pytest.mark.parametrize("strategy", ["vote", "ensemble", "judge", "classic"])
async def test_ensembles(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path, strategy: str
) -> None:
    reply = await llm.send_request(
        SUM, strategy=strategy, chain=CHAIN, ensemble_size=3, max_tokens=200
    )
    assert reply.strategy == strategy
    assert reply.routing is not None
    members = {one["name"] for one in reply.routing["members"]}
    assert f"openai/{MINI}" in members
    assert len(members) >= 2
    assert reply.cost == sum(one.cost or 0 for one in reply.attempts)
    await booked(llm, sim, llmo_home)


async def test_one_failing_member_does_not_fail_the_ensemble(
    llm: AsyncLLMOrchestrator, sim: Simulator
) -> None:
    sim.add_fault(fault="unavailable", provider="anthropic")
    reply = await llm.send_request(SUM, strategy="vote", chain=CHAIN, max_tokens=20)
    assert reply.content == "4"
    assert {one.status for one in reply.attempts if one.provider == "anthropic"} == {"error"}


async def test_an_ensemble_stays_within_its_cap(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    plan = await llm.plan(SUM, strategy="vote", chain=CHAIN, max_tokens=50)
    parts = [one.estimate.cost_high for one in plan.candidates]
    cap = parts[0] + parts[1]  # type: ignore[operator]
    reply = await llm.send_request(
        SUM, strategy="vote", chain=CHAIN, max_tokens=50, max_cost=cap * 2
    )
    assert reply.cost is not None
    assert reply.cost <= cap * 2
    holds = sum(row["hold_pico"] for row in table(llmo_home, "attempts")[:3])
    assert holds > 0


async def test_what_a_strategy_found_is_streamed(llm: AsyncLLMOrchestrator) -> None:
    events = await all_of(
        llm.send_streaming_request(SUM, strategy="fallback", chain=CHAIN, max_tokens=20)
    )
    text = "".join(one.text for one in events if isinstance(one, TextDelta))
    assert text == end_of(events).content == "4"


async def test_an_answer_of_the_asked_type(llm: AsyncLLMOrchestrator) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    reply = await llm.send_request(
        SUM, strategy="fallback", chain=CHAIN, schema=schema, max_tokens=100
    )
    assert isinstance(reply.parsed["n"], int)


async def test_one_family_alone_says_how_it_is_sure(sim: Simulator) -> None:
    config = {"providers": {"openai": {"api_key": KEY, "base_url": sim.openai_url}}}
    async with AsyncLLMOrchestrator(config) as llm:
        reply = await llm.send_request(
            SUM, strategy="fallback", chain=[MINI, "gpt-4o"], max_tokens=20, temperature=0.7
        )
    assert reply.content == "4"
    assert any(
        "self-consistency" in notice or "self_consistency" in notice for notice in reply.notices
    )


class TestClassic:
    @pytest.fixture
    def config(self, sim: Simulator) -> dict[str, Any]:
        return configuration(sim) | {"active_provider": None, "active_model": None}

    async def test_without_a_strategy_it_is_the_mixed_chain(self, config: dict[str, Any]) -> None:
        result = await arun_orchestration(SUM, config=config, max_tokens=20)
        assert isinstance(result, OrchestrationResult)
        assert (result.response, result.strategy, result.model_used) == ("4", "fallback", MINI)
        assert result.cost is not None
        assert 0 < result.cost < Decimal("0.01")
        assert result.confidence is not None
        assert result.input_tokens > 0 < result.output_tokens

    async def test_cheapest(self, config: dict[str, Any]) -> None:
        result = await arun_orchestration(SUM, "cheapest", config=config, max_tokens=20)
        assert (result.model_used, result.ensemble_models) == (MINI, None)

    async def test_fallback(self, config: dict[str, Any]) -> None:
        result = await arun_with_fallback(
            SUM, chain=CHAIN, confidence_threshold=0.5, config=config, max_tokens=20
        )
        assert result.response == "4"

    async def test_ensemble(self, config: dict[str, Any]) -> None:
        result = await arun_ensemble(
            SUM, models=CHAIN, ensemble_size=3, max_cost=0.10, config=config, max_tokens=20
        )
        assert result.strategy == "ensemble"
        assert result.ensemble_models is not None
        assert result.metadata["ensemble_size"] == len(result.ensemble_models)
        assert len(result.metadata["all_confidences"]) == len(result.ensemble_models)
        told = result.to_dict()
        assert set(told) >= {"response", "model_used", "cost", "latency", "timestamp", "metadata"}

    async def test_route(self, config: dict[str, Any]) -> None:
        assert await aroute_to_model("What is 2+2?", config=config) == MINI
        dear = await aroute_to_model("Research and prove this comprehensively.", config=config)
        assert dear != MINI

    def test_the_sync_forms(self) -> None:
        with Simulator().run_in_thread() as sim:
            config = configuration(sim)
            result = run_orchestration(SUM, "cheapest", config=config, max_tokens=20)
            assert result.response == "4"
            assert route_to_model("What is 2+2?", config=config) == MINI
            assert run_with_fallback(SUM, CHAIN, config=config, max_tokens=20).response == "4"
            assert run_ensemble(SUM, CHAIN, 3, config=config, max_tokens=20).response == "4"

    def test_a_model(self) -> None:
        found = ModelConfig.of("gpt-4o-mini")
        assert (found.provider, found.context_window) == ("openai", 128_000)
        assert (found.cost_per_1m_input, found.cost_per_1m_output) == (
            Decimal("0.15"),
            Decimal("0.6"),
        )
        assert found.capabilities == ("basic", "intermediate")
