"""Calls that meet faults and caps over the simulator, and their books."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.money import from_usd
from tests.integration.world import (
    HAIKU,
    HELLO,
    MINI,
    all_of,
    booked,
    check_books,
    configuration,
    table,
)

# ------------------------------------------------------------------ rescue


async def test_a_fault_that_passes_is_retried(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    sim.add_fault(fault="server-error", model=MINI, count=2)
    reply = await llm.send_request(HELLO)
    assert [(a.status, a.status_code, a.error) for a in reply.attempts] == [
        ("error", 500, "ServerError"),
        ("error", 500, "ServerError"),
        ("ok", 200, None),
    ]
    bill = await booked(llm, sim, llmo_home)
    assert len(bill) == 3
    assert [row["number"] for row in table(llmo_home, "attempts")] == [1, 2, 3]
    (call,) = table(llmo_home, "calls")
    assert (call["status"], call["fallback_used"], call["error"]) == ("ok", 0, None)


async def test_a_fault_that_lasts_goes_to_the_fallback_models_then_to_others(
    sim: Simulator, llmo_home: Path
) -> None:
    config = configuration(sim)
    config["providers"]["openai"]["fallback_models"] = ["gpt-4o"]
    sim.add_fault(fault="unavailable", provider="openai")
    async with AsyncLLMOrchestrator(config) as llm:
        reply = await llm.send_request(HELLO)
    assert (reply.provider, reply.model) == ("anthropic", HAIKU)
    assert [a.model for a in reply.attempts] == [MINI] * 3 + ["gpt-4o"] * 3 + [HAIKU]
    check_books(sim, llmo_home)
    (call,) = table(llmo_home, "calls")
    assert (call["provider"], call["fallback_used"]) == ("anthropic", 1)


async def test_a_named_provider_is_never_left(llm: AsyncLLMOrchestrator, sim: Simulator) -> None:
    sim.add_fault(fault="unavailable", provider="openai")
    asks: list[dict[str, Any]] = [{"provider": "openai"}, {"model": f"openai/{MINI}"}]
    for ask in asks:
        with pytest.raises(E.OverloadedError) as caught:
            await llm.send_request(HELLO, **ask)
        assert {a.provider for a in caught.value.attempts} == {"openai"}


async def test_an_error_carries_what_was_tried(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    sim.add_fault(fault="server-error", provider="openai")
    sim.add_fault(fault="overloaded", provider="anthropic")
    with pytest.raises(E.ServerError) as caught:
        await llm.send_request(HELLO)
    error = caught.value
    assert (type(error), error.provider, error.model) == (E.ServerError, "openai", MINI)
    assert (error.status_code, error.retryable) == (500, True)
    assert error.request_id
    assert [a.error for a in error.attempts] == ["ServerError"] * 3 + ["OverloadedError"] * 3
    await booked(llm, sim, llmo_home)
    (call,) = table(llmo_home, "calls")
    assert (call["status"], call["error"]) == ("error", "ServerError")
    assert (llm.session.failed_calls, llm.session.attempts) == (1, 6)


async def test_a_call_that_was_never_sent_has_its_row(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    with pytest.raises(E.UnsupportedError):
        await llm.send_request(HELLO, seed=7, provider="anthropic", strict=True)
    await booked(llm, sim, llmo_home)
    (call,) = table(llmo_home, "calls")
    assert (call["status"], call["error"]) == ("error", "UnsupportedError")
    assert table(llmo_home, "attempts") == []


async def test_an_answer_outside_its_schema_fails_as_what_it_is(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    schema = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
    with pytest.raises(E.OutputError) as caught:
        await llm.send_request(HELLO, schema=schema, provider="openai", max_tokens=2)
    assert "max_tokens" in caught.value.message
    await booked(llm, sim, llmo_home)
    (call,) = table(llmo_home, "calls")
    assert (call["status"], call["error"]) == ("error", "OutputError")
    assert call["cost_pico"] == sim.ledger()["total"]["cost_pico"] > 0


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_filter_stops_the_call(
    llm: AsyncLLMOrchestrator, sim: Simulator, streamed: bool
) -> None:
    sim.add_fault(fault="filtered", provider="openai")
    work = all_of(llm.send_streaming_request(HELLO)) if streamed else llm.send_request(HELLO)
    with pytest.raises(E.ContentFilterError) as caught:
        await work
    assert caught.value.reason
    assert len(caught.value.attempts) == 1


async def test_empty_answers_are_errors(llm: AsyncLLMOrchestrator, sim: Simulator) -> None:
    sim.add_fault(fault="empty", provider="openai")
    reply = await llm.send_request(HELLO)
    assert reply.provider == "anthropic"
    assert {a.error for a in reply.attempts[:-1]} == {"EmptyReplyError"}


async def test_a_reply_that_breaks_off_costs_something_unknown(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    """A success that cannot be read was generated, and will be on the bill."""
    sim.add_fault(fault="malformed", model=MINI, count=1)
    reply = await llm.send_request(HELLO)
    assert [a.error for a in reply.attempts] == ["BadReplyError", None]
    assert reply.attempts[0].cost is None
    assert any("unknown" in notice for notice in reply.notices)
    bill = await booked(llm, sim, llmo_home)
    assert bill[reply.attempts[0].id]["cost_pico"] > 0
    first, _ = table(llmo_home, "settlements")
    assert (first["cost_pico"], first["cost_source"]) == (None, "unknown")


# ------------------------------------------------------------------ caps


async def test_a_cap_refuses_before_anything_is_sent(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    with pytest.raises(E.BudgetError, match="cap"):
        await llm.send_request(HELLO, max_cost="0.0000001")
    with pytest.raises(E.BudgetError, match="cap") as caught:
        await llm.send_request(HELLO, max_cost="0.0000001", max_tokens=500)
    assert sim.log() == []
    assert caught.value.attempts == ()
    assert (llm.session.attempts, llm.session.unpriced_calls) == (0, 0)
    await booked(llm, sim, llmo_home)


async def test_a_cap_limits_the_answer_and_is_kept(llm: AsyncLLMOrchestrator) -> None:
    reply = await llm.send_request(HELLO, max_cost=Decimal("0.0003"))
    assert reply.cost is not None
    assert reply.cost <= Decimal("0.0003")
    assert any("limited to" in notice for notice in reply.notices)


async def test_under_a_cap_an_unknown_price_is_refused(
    llm: AsyncLLMOrchestrator, sim: Simulator
) -> None:
    with pytest.raises(E.BudgetError, match="price"):
        await llm.send_request(HELLO, model="sim-unknown", provider="openai", max_cost=1)
    assert sim.log() == []
    reply = await llm.send_request(HELLO, model="sim-unknown", provider="openai")
    assert reply.cost is None
    assert any("unknown" in notice for notice in reply.notices)
    assert llm.session.unpriced_calls == 1


async def test_a_cap_counts_what_earlier_attempts_may_have_cost(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    """The first answer cannot be read: it is paid for, nobody knows how much, and it counts."""
    sim.add_fault(fault="malformed", model=MINI)
    plan = await llm.plan(HELLO, max_tokens=300, provider="openai")
    assert plan.most_cost is not None
    one = plan.most_cost / 3
    with pytest.raises(E.BudgetError, match="already spent") as caught:
        await llm.send_request(HELLO, max_tokens=300, provider="openai", max_cost=one * 2)
    assert [a.error for a in caught.value.attempts if a.status == "error"] == ["BadReplyError"] * 2
    assert len(sim.log()) == 2
    await booked(llm, sim, llmo_home)


@pytest.mark.parametrize("streamed", [False, True])
async def test_no_call_passes_its_cap_whatever_fails(streamed: bool, llmo_home: Path) -> None:
    cap = Decimal("0.0006")
    mix = {"server-error": 3, "reset": 2, "cut,after=5": 3, "malformed": 2, "error-mid,after=3": 1}
    async with Simulator(fault_rate=0.5, seed=11, mix=mix) as sim:
        async with AsyncLLMOrchestrator(configuration(sim)) as llm:

            async def ask(number: int) -> None:
                text = f"Describe the number {number} in three sentences."
                if streamed:
                    await all_of(llm.send_streaming_request(text, max_cost=cap))
                else:
                    await llm.send_request(text, max_cost=cap)

            done = await asyncio.gather(*map(ask, range(60)), return_exceptions=True)
        bill = check_books(sim, llmo_home)
    assert all(isinstance(one, E.OrchestratorError | None) for one in done)
    assert sum(one is None for one in done) > 20
    assert any(isinstance(one, E.BudgetError) for one in done)
    spent: dict[str, int] = {}
    for row in table(llmo_home, "attempts"):
        if row["attempt_id"] in bill:
            cost = bill[row["attempt_id"]]["cost_pico"]
            spent[row["call_id"]] = spent.get(row["call_id"], 0) + cost
    assert max(spent.values()) <= from_usd(cap)
