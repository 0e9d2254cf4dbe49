"""What a call may cost at most, and what it costs when an answer does not fit."""

from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import (
    AsyncLLMOrchestrator,
    BudgetError,
    ConfigError,
    EmptyReplyError,
    OutputError,
)
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.money import PICO_PER_USD
from tests.integration.world import HAIKU, HELLO, KEY, MINI, configuration, table

SCHEMA = {"type": "object", "properties": {"label": {"type": "string"}}}
UNPRICED = {"name": "sim-unpriced"}
PRICED = {"name": "sim-priced", "prices": {"input": "0.1", "output": "0.2"}, "max_output": 900}


def with_models(sim: Simulator, *models: dict[str, Any]) -> dict[str, Any]:
    provider = {"api_key": KEY, "base_url": sim.openai_url, "models": list(models)}
    return configuration(sim) | {"providers": {"openai": provider}}


async def test_the_dearer_tier_is_held(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    for tier in (None, "priority"):
        options: Any = {"service_tier": tier} if tier else {}
        await llm.send_request(HELLO, max_tokens=64, **options)
    await llm.close()
    holds = [row["hold_pico"] for row in table(llmo_home, "attempts")]
    assert holds[1] * 3 == holds[0] * 5, "0.25 and 1 USD instead of 0.15 and 0.60"
    costs = [row["cost_pico"] for row in table(llmo_home, "settlements")]
    assert costs == [row["cost_pico"] for row in sim.ledger()["rows"]]
    assert all(cost < hold for cost, hold in zip(costs, holds, strict=True))


async def test_fields_that_change_the_price_are_not_sent_under_a_cap(
    llm: AsyncLLMOrchestrator, sim: Simulator
) -> None:
    with pytest.raises(BudgetError, match="extra"):
        await llm.send_request(
            HELLO, provider="openai", max_tokens=8, max_cost="0.1", extra={"n": 1}
        )
    assert sim.ledger()["rows"] == []


async def test_under_a_cap_the_next_candidate_is_asked(sim: Simulator) -> None:
    async with AsyncLLMOrchestrator(with_models(sim, UNPRICED, PRICED)) as llm:
        chain = ["openai/sim-unpriced", "openai/sim-priced"]
        reply = await llm.send_request(HELLO, chain=chain, max_cost="0.01", max_tokens=50)
        assert reply.model == "sim-priced"
        assert [attempt.model for attempt in reply.attempts] == ["sim-priced"]
        with pytest.raises(BudgetError, match="sim-unpriced"):
            await llm.send_request(HELLO, chain=chain[:1], max_cost="0.01", max_tokens=50)


async def test_a_typed_answer_that_was_cut_is_paid_once(
    llm: AsyncLLMOrchestrator, sim: Simulator
) -> None:
    with pytest.raises(OutputError, match="raise it") as caught:
        await llm.send_request("Describe a long walk.", schema=SCHEMA, max_tokens=1)
    assert len(caught.value.attempts) == 1
    assert len(sim.ledger()["rows"]) == 1


async def test_the_cap_counts_what_was_spent_before(sim: Simulator, llmo_home: Path) -> None:
    config = with_models(sim, PRICED | {"name": "sim-a"}, PRICED | {"name": "sim-b"})
    sim.add_fault(fault="empty", model="sim-a*")
    async with AsyncLLMOrchestrator(config | {"retry": {"max_retries": 0}}) as llm:
        chain = ["openai/sim-a", "openai/sim-b"]
        plan = await llm.plan(HELLO, chain=chain[:1], max_tokens=900)
        assert plan.most_cost is not None
        with pytest.raises(EmptyReplyError):
            await llm.send_request(HELLO, chain=chain, max_tokens=900, max_cost=plan.most_cost)
    assert len(sim.ledger()["rows"]) == 1, "the second was not asked"
    spent = sum(row["cost_pico"] for row in table(llmo_home, "settlements"))
    assert 0 < spent <= plan.most_cost * PICO_PER_USD


# ------------------------------------------------------------------ whose a model is


async def first(config: dict[str, Any], call: str | None = None, **made: Any) -> str:
    async with AsyncLLMOrchestrator(config, **made) as llm:
        plan = await llm.plan(HELLO, model=call)
        return f"{plan.candidates[0].provider}/{plan.candidates[0].model}"


async def test_a_model_is_found_the_same_way_wherever_it_is_named(sim: Simulator) -> None:
    config = configuration(sim)
    own = {"dialect": "openai", "base_url": sim.openai_url, "models": ["house-7b"]}
    housed = config | {
        "active_provider": "house",
        "active_model": "house-7b",
        "providers": config["providers"] | {"house": own},
    }
    for name, wanted in ((HAIKU, f"anthropic/{HAIKU}"), (MINI, f"openai/{MINI}")):
        assert await first(config, name) == wanted
        assert await first(config, model=name) == wanted
        # A server of one's own may call its models what it likes.
        assert await first(housed, name) == await first(housed, model=name) == f"house/{name}"
    assert await first(housed, f"openai/{MINI}") == f"openai/{MINI}"
    assert await first(housed) == "house/house-7b"


async def test_an_empty_chain_is_an_error(llm: AsyncLLMOrchestrator) -> None:
    with pytest.raises(Exception, match="chain is empty"):
        await llm.plan(HELLO, chain=[])


def test_a_wrong_provider_is_told_at_once(sim: Simulator) -> None:
    with pytest.raises(ConfigError, match="opnai"):
        AsyncLLMOrchestrator(configuration(sim), provider="opnai")


async def test_a_model_goes_to_whoever_is_set_up_for_it(sim: Simulator) -> None:
    name = "gemini-2.5-flash"
    only_vertex = {
        "providers": {
            "openai": {"api_key": KEY, "base_url": sim.openai_url},
            "vertex": {"api_key": KEY, "variables": {"project": "p", "location": "global"}},
        }
    }
    assert await first(only_vertex, name) == f"vertex/{name}"
    both = only_vertex["providers"] | {"gemini": {"api_key": KEY}}
    assert await first({"providers": both}, name) == f"gemini/{name}"
