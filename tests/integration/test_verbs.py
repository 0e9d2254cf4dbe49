"""Embeddings, models, health, and how an orchestrator ends, over the simulator."""

import asyncio
from pathlib import Path

import pytest

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.money import to_usd
from tests.integration.world import (
    HAIKU,
    HELLO,
    KEY,
    MINI,
    SLOW,
    booked,
    check_books,
    configuration,
    table,
)
from tests.waiting import until

# ------------------------------------------------------------------ embeddings, models, health


async def test_embeddings(llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path) -> None:
    found = await llm.embed(["a", "b", "a"], model="text-embedding-3-small", dimensions=64)
    assert [len(vector) for vector in found.vectors] == [64] * 3
    assert found.vectors[0] == found.vectors[2] != found.vectors[1]
    (bill,) = (await booked(llm, sim, llmo_home)).values()
    assert found.reply.cost == to_usd(bill["cost_pico"]) > 0
    assert found.reply.model == "text-embedding-3-small"


async def test_more_texts_than_a_request_takes_go_in_several(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    many = [f"text {number}" for number in range(2048 + 2)]
    sim.add_fault(fault="server-error", count=1)
    found = await llm.embed(many, model="text-embedding-3-small", dimensions=8)
    assert len(found.vectors) == len(many)
    alone = await llm.embed(many[-1:], model="text-embedding-3-small", dimensions=8)
    assert found.vectors[-1] == alone.vectors[0]
    assert [attempt.status for attempt in found.reply.attempts] == ["error", "ok", "ok"]
    bill = await booked(llm, sim, llmo_home)
    assert found.reply.cost == to_usd(sum(row["cost_pico"] for row in list(bill.values())[:3]))


async def test_embeddings_are_retried_and_never_by_another_model(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    sim.add_fault(fault="server-error", count=1)
    found = await llm.embed("a", model="text-embedding-3-small")
    assert len(found.reply.attempts) == 2
    sim.add_fault(fault="unavailable")
    with pytest.raises(E.OverloadedError) as caught:
        await llm.embed("a", model="text-embedding-3-small")
    assert {a.model for a in caught.value.attempts} == {"text-embedding-3-small"}
    with pytest.raises(E.UnsupportedError):
        await llm.embed("a", provider="anthropic")
    for empty in ([], [""], ""):
        with pytest.raises(E.InvalidRequestError):
            await llm.embed(empty, model="text-embedding-3-small")
    await booked(llm, sim, llmo_home)


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_counts(llm: AsyncLLMOrchestrator, sim: Simulator, provider: str) -> None:
    estimate = await llm.count_tokens(HELLO, provider=provider)
    assert sim.log() == []
    exact = await llm.count_tokens(HELLO, provider=provider, exact=True)
    assert (estimate.exact, exact.exact) == (False, True)
    assert isinstance(exact, int)
    assert 0 < exact < 40
    assert abs(estimate - exact) < 20
    assert (await llm.send_request(HELLO, provider=provider)).usage.input_tokens == exact


async def test_estimates_and_plans_send_nothing(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    await llm.estimate_cost(HELLO, max_tokens=200)
    plan = await llm.plan(HELLO, max_tokens=200, seed=7)
    assert [(one.provider, one.model) for one in plan.candidates] == [
        ("openai", MINI),
        ("anthropic", HAIKU),
    ]
    assert plan.most_requests == 6
    assert plan.candidates[1].notices == ("seed is not supported here",)
    assert plan.most_cost is not None
    assert sim.log() == []
    reply = await llm.send_request(HELLO, max_tokens=200)
    assert reply.cost is not None
    assert reply.cost < plan.most_cost


async def test_health(llm: AsyncLLMOrchestrator, sim: Simulator) -> None:
    assert {(one.provider, one.status) for one in await llm.health()} == {
        ("openai", "healthy"),
        ("anthropic", "healthy"),
    }
    await sim.stop()
    (down,) = await llm.health("anthropic")
    assert (down.healthy, down.status) == (False, "APIConnectionError")
    assert down.message


async def test_health_with_a_wrong_key(sim: Simulator) -> None:
    config = configuration(sim)
    config["providers"]["openai"]["api_key"] = "bad-key-0123456789"
    async with AsyncLLMOrchestrator(config) as llm:
        (found,) = await llm.health("openai")
    assert found.status == "AuthenticationError"
    assert "bad-key" not in found.message


async def test_models_of_the_account(llm: AsyncLLMOrchestrator, sim: Simulator) -> None:
    known = await llm.get_available_models("openai")
    assert MINI in {model.id for model in known}
    assert sim.log() == []
    found = await llm.refresh_models()
    assert {model.provider for model in found} == {"openai", "anthropic"}
    assert MINI in {model.id for model in found}
    haiku = next(model for model in found if model.id == HAIKU)
    assert haiku.prices
    assert await llm.get_available_models("anthropic") == [
        model for model in found if model.provider == "anthropic"
    ]


# ------------------------------------------------------------------ the end


async def test_a_closed_orchestrator_takes_no_calls(llm: AsyncLLMOrchestrator) -> None:
    await llm.close()
    await llm.close()
    for work in (
        llm.send_request(HELLO),
        llm.embed("a"),
        llm.count_tokens(HELLO),
        llm.health(),
        llm.refresh_models(),
        llm.get_available_models(),
    ):
        with pytest.raises(E.ClosedError):
            await work
    with pytest.raises(E.ClosedError):
        llm.send_streaming_request(HELLO)


async def test_cancelled_calls_are_booked_as_cancelled(llmo_home: Path) -> None:
    async with Simulator(latency=SLOW) as sim:
        async with AsyncLLMOrchestrator(configuration(sim)) as llm:
            work = asyncio.ensure_future(llm.send_request(HELLO))
            await until(sim.log)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
        check_books(sim, llmo_home)
    (outcome,) = table(llmo_home, "settlements")
    (call,) = table(llmo_home, "calls")
    assert (outcome["status"], call["status"]) == ("cancelled", "cancelled")
    assert outcome["cost_pico"] is None


async def test_many_at_once(llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path) -> None:
    sim.add_fault(fault="server-error", rate=0.1)
    replies = await asyncio.gather(*(llm.send_request(f"Say {n}.") for n in range(100)))
    assert len({reply.id for reply in replies}) == 100
    bill = await booked(llm, sim, llmo_home)
    assert sum(row["cost_pico"] for row in bill.values()) == sum(
        reply.cost_pico or 0 for reply in replies
    )
    assert await llm.get_session_cost() == to_usd(sum(row["cost_pico"] for row in bill.values()))
    assert len(table(llmo_home, "calls")) == 100


def test_without_a_ledger_nothing_is_written(tmp_path: Path) -> None:
    async def ask() -> None:
        async with Simulator() as sim:
            config = configuration(sim, cost_tracking={"enabled": False})
            async with AsyncLLMOrchestrator(config) as llm:
                assert (await llm.send_request(HELLO)).cost
                assert await llm.get_session_cost() > 0

    asyncio.run(ask())
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_asked_for_when_there_is_none(llmo_home: Path) -> None:
    async def ask() -> None:
        async with AsyncLLMOrchestrator() as llm:
            await llm.send_request("Hi")

    with pytest.raises(E.ConfigError, match="OPENAI_API_KEY"):
        asyncio.run(ask())


def test_no_key_in_any_repr(sim: Simulator) -> None:
    llm = AsyncLLMOrchestrator(configuration(sim))
    assert KEY not in repr(llm) + repr(vars(llm)) + repr(llm.session)
