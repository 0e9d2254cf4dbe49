"""The public verbs over the simulator: answers, and who is asked for them."""

import json
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.money import to_usd
from tests.integration.world import (
    HAIKU,
    HELLO,
    MINI,
    all_of,
    booked,
    configuration,
    end_of,
    table,
)

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


# ------------------------------------------------------------------ answers


async def test_a_plain_answer_is_priced_and_booked(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    reply = await llm.send_request(HELLO, user="ann", tags={"team": "x"}, category="tests")
    assert len(reply.content) > 50
    assert (reply.provider, reply.model, reply.finish_reason) == ("openai", MINI, "stop")
    assert str(reply) == reply.content
    (bill,) = (await booked(llm, sim, llmo_home)).values()
    assert reply.usage.input_tokens == bill["usage"]["input_tokens"]
    assert reply.cost == to_usd(bill["cost_pico"]) == await llm.get_session_cost()
    (attempt,) = reply.attempts
    assert (attempt.id, attempt.status) == (bill["client_request_id"], "ok")
    assert reply.request_id == bill["request_id"]
    (call,) = table(llmo_home, "calls")
    assert call["call_id"] == reply.id
    assert (call["status"], call["error"], call["fallback_used"]) == ("ok", None, 0)
    assert (call["user_id"], call["category"]) == ("ann", "tests")
    assert json.loads(call["tags"]) == {"team": "x"}
    assert (call["input_tokens"], call["cost_pico"]) == (
        bill["usage"]["input_tokens"],
        bill["cost_pico"],
    )
    assert (llm.session.calls, llm.session.attempts, llm.session.failed_calls) == (1, 1, 0)


async def test_an_attempt_that_no_database_can_price_is_booked_all_the_same(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    with pytest.raises(E.InvalidRequestError, match="above maximum"):
        await llm.send_request(HELLO, max_tokens=10**30)
    assert len(await booked(llm, sim, llmo_home)) == 1
    (attempt,) = table(llmo_home, "attempts")
    assert attempt["hold_pico"] == 2**63 - 1


async def test_the_other_wire(llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path) -> None:
    reply = await llm.send_request(HELLO, provider="anthropic", system="Be kind.", max_tokens=50)
    assert (reply.provider, reply.model) == ("anthropic", HAIKU)
    (bill,) = (await booked(llm, sim, llmo_home)).values()
    assert reply.cost == to_usd(bill["cost_pico"])


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_a_stream_says_the_same_and_costs_the_same(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path, provider: str
) -> None:
    plain = await llm.send_request(HELLO, provider=provider)
    events = await all_of(llm.send_streaming_request(HELLO, provider=provider))
    reply = end_of(events)
    assert "".join(map(str, events)) == reply.content == plain.content
    assert sum(bool(str(event)) for event in events) > 5
    assert (reply.cost, reply.usage, reply.model) == (plain.cost, plain.usage, plain.model)
    assert reply.notices == plain.notices == ()
    await booked(llm, sim, llmo_home)
    first, second = table(llmo_home, "calls")
    assert (first["stream"], second["stream"]) == (0, 1)
    assert second["first_token_us"] is not None


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_tools_there_and_back(
    llm: AsyncLLMOrchestrator, provider: str, streamed: bool
) -> None:
    ask: dict[str, Any] = {"tools": [WEATHER], "tool_choice": "get_weather", "provider": provider}
    question = [{"role": "user", "content": "What is the weather in Paris?"}]
    if streamed:
        reply = end_of(await all_of(llm.send_streaming_request(question, **ask)))
    else:
        reply = await llm.send_request(question, **ask)
    (call,) = reply.tool_calls
    assert (call.name, reply.finish_reason) == ("get_weather", "tool_calls")
    assert json.loads(call.arguments).keys() == {"city"}
    wire = {"name": call.name, "arguments": call.arguments}
    turns: list[dict[str, Any]] = [
        *question,
        {"role": "assistant", "tool_calls": [{"id": call.id, "function": wire}]},
        {"role": "tool", "tool_call_id": call.id, "content": '{"temperature": 20}'},
    ]
    answered = await llm.send_request(turns, tools=[WEATHER], provider=provider)
    assert answered.content


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_a_schema_comes_back_parsed(llm: AsyncLLMOrchestrator, provider: str) -> None:
    schema = {
        "type": "object",
        "properties": {"mood": {"type": "string", "enum": ["calm", "wild"]}},
        "required": ["mood"],
        "additionalProperties": False,
    }
    reply = await llm.send_request(HELLO, schema=schema, provider=provider)
    assert reply.parsed == json.loads(reply.content)
    assert reply.parsed["mood"] in ("calm", "wild")


async def test_what_a_target_cannot_take_is_said(llm: AsyncLLMOrchestrator) -> None:
    reply = await llm.send_request(HELLO, seed=7, provider="anthropic")
    assert reply.notices == ("seed is not supported here",)
    with pytest.raises(E.UnsupportedError, match="seed"):
        await llm.send_request(HELLO, seed=7, provider="anthropic", strict=True)


async def test_strict_by_configuration(sim: Simulator) -> None:
    async with AsyncLLMOrchestrator(configuration(sim, parameters="strict")) as llm:
        with pytest.raises(E.UnsupportedError):
            await llm.send_request(HELLO, seed=7, provider="anthropic")
        assert (await llm.send_request(HELLO, seed=7)).content
        assert (await llm.send_request(HELLO, seed=7, provider="anthropic", strict=False)).content


# ------------------------------------------------------------------ who is asked


async def test_overrides_of_a_call(llm: AsyncLLMOrchestrator) -> None:
    assert (await llm.send_request(HELLO, model="gpt-4o")).model == "gpt-4o"
    assert (await llm.send_request(HELLO, model=HAIKU)).provider == "anthropic"
    assert (await llm.send_request(HELLO, model=f"anthropic/{HAIKU}")).provider == "anthropic"
    both = await llm.send_request(HELLO, provider="openai", model="gpt-4o")
    assert (both.provider, both.model) == ("openai", "gpt-4o")
    assert (await llm.send_request(HELLO, chain=[HAIKU, MINI])).model == HAIKU


async def test_overrides_of_the_orchestrator(sim: Simulator) -> None:
    async with AsyncLLMOrchestrator(configuration(sim), provider="anthropic") as llm:
        assert (await llm.send_request(HELLO)).model == HAIKU
    async with AsyncLLMOrchestrator(configuration(sim), model="gpt-4o") as llm:
        assert (await llm.send_request(HELLO)).model == "gpt-4o"


@pytest.mark.parametrize(
    "ask, kind, words",
    [
        ({"provider": "opena"}, E.ModelNotFoundError, "openai"),
        ({"chain": [MINI, MINI]}, E.InvalidRequestError, "twice"),
        ({"max_cost": "nothing"}, E.InvalidRequestError, "max_cost"),
        ({"max_cost": -1}, E.InvalidRequestError, "max_cost"),
        ({"temperature": 3}, E.InvalidRequestError, "temperature"),
        ({"max_tokens": 0}, E.InvalidRequestError, "max_tokens"),
        ({"schema": {"type": "nonsense"}}, E.SchemaError, "type"),
        ({"tools": [{}]}, E.InvalidRequestError, "name"),
        ({"tool_choice": "f"}, E.InvalidRequestError, "tool_choice"),
    ],
)
async def test_what_is_wrong_is_said_before_anything_is_sent(
    llm: AsyncLLMOrchestrator, sim: Simulator, ask: Any, kind: type[Exception], words: str
) -> None:
    for _ in range(2):
        with pytest.raises(kind, match=words):
            await llm.send_request(HELLO, **ask)
        with pytest.raises(kind, match=words):
            await all_of(llm.send_streaming_request(HELLO, **ask))
    assert sim.log() == []


async def test_a_near_name_is_suggested(llm: AsyncLLMOrchestrator, sim: Simulator) -> None:
    sim.add_fault(fault="status", status=404, model="*")
    with pytest.raises(E.OrchestratorError) as caught:
        await llm.send_request(HELLO, model="gpt-4o-minni", provider="openai")
    assert isinstance(caught.value, E.ModelNotFoundError)
    assert MINI in caught.value.suggestions
    assert MINI in str(caught.value)
