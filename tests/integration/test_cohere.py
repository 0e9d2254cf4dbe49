"""Cohere over the simulator: answers in all their forms, and books that agree with the bill."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.events import RestartEvent
from llm_orchestrator.types.request import Message, Reasoning, ToolResult
from tests.integration.world import HELLO, KEY, all_of, booked, end_of

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
THINKER = "cohere/command-a-plus-05-2026"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMO_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
async def llm(sim: Simulator, home: Path) -> AsyncIterator[AsyncLLMOrchestrator]:
    section = {"api_key": KEY, "base_url": sim.cohere_url}
    config: dict[str, Any] = {
        "active_provider": "cohere",
        "providers": {"cohere": section},
        "retry": {"max_retries": 1, "base_delay": 0.01, "max_delay": 0.02},
    }
    async with AsyncLLMOrchestrator(config) as orchestrator:
        yield orchestrator


async def test_answers_cost_what_is_billed(
    llm: AsyncLLMOrchestrator, sim: Simulator, home: Path
) -> None:
    plain = await llm.send_request(HELLO, max_tokens=60, system="Be brief.")
    streamed = end_of(await all_of(llm.send_streaming_request(HELLO, max_tokens=60)))
    embedded = await llm.embed(["one text", "another"], model="embed-v4.0", dimensions=256)
    assert [len(vector) for vector in embedded.vectors] == [256, 256]
    replies = (plain, streamed, embedded.reply)
    assert all(reply.cost and reply.provider == "cohere" for reply in replies)
    bill = await booked(llm, sim, home)
    costs = sorted(row["cost_pico"] for row in bill.values())
    assert costs == sorted(reply.cost_pico or 0 for reply in replies)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_talk_with_tools(llm: AsyncLLMOrchestrator, streamed: bool) -> None:
    options: dict[str, Any] = {"tools": [WEATHER], "tool_choice": "get_weather"}
    if streamed:
        first = end_of(await all_of(llm.send_streaming_request(HELLO, **options)))
    else:
        first = await llm.send_request(HELLO, **options)
    call = first.tool_calls[0]
    assert (call.name, first.finish_reason) == ("get_weather", "tool_calls")
    turns = [
        Message("user", "How is the weather?"),
        Message("assistant", first.parts),
        Message("tool", (ToolResult(call_id=call.id, content='{"temp": 20}'),)),
    ]
    second = await llm.send_request(turns, tools=[WEATHER])
    assert second.content
    assert second.notices == ()


@pytest.mark.parametrize("streamed", [False, True])
async def test_thoughts(llm: AsyncLLMOrchestrator, streamed: bool) -> None:
    options: dict[str, Any] = {"model": THINKER, "effort": "low"}
    if streamed:
        reply = end_of(await all_of(llm.send_streaming_request(HELLO, **options)))
    else:
        reply = await llm.send_request(HELLO, **options)
    assert reply.reasoning
    assert isinstance(reply.parts[0], Reasoning)
    again = await llm.send_request(
        [*(Message("user", "a"),), Message("assistant", reply.parts), Message("user", "b")],
        model=THINKER,
    )
    assert again.notices == () or "cost" in again.notices[0]


async def test_a_schema(llm: AsyncLLMOrchestrator) -> None:
    reply = await llm.send_request(HELLO, model=THINKER, schema=SCHEMA)
    assert isinstance(reply.parsed["city"], str)


async def test_models_of_all_pages_and_a_count(llm: AsyncLLMOrchestrator) -> None:
    found = {model.id for model in await llm.refresh_models("cohere")}
    assert {"command-r-08-2024", "embed-v4.0"} <= found
    count = await llm.count_tokens(HELLO, provider="cohere", exact=True)
    assert count > 0


@pytest.mark.parametrize(
    "fault, kind",
    [
        ({"fault": "status", "status": 498}, E.AuthenticationError),
        ({"fault": "rate-limit-bare"}, E.RateLimitError),
        ({"fault": "context-length"}, E.ContextLengthError),
        ({"fault": "server-error"}, E.ServerError),
        ({"fault": "overloaded"}, E.OverloadedError),
    ],
)
async def test_failures(
    llm: AsyncLLMOrchestrator, sim: Simulator, fault: dict[str, Any], kind: type[Exception]
) -> None:
    sim.add_fault(**fault)
    with pytest.raises(kind):
        await llm.send_request(HELLO)


async def test_a_stream_that_breaks_starts_again(
    llm: AsyncLLMOrchestrator, sim: Simulator, home: Path
) -> None:
    sim.add_fault(fault="cut", after=20, times=1)
    events = await all_of(llm.send_streaming_request(HELLO, max_tokens=200))
    assert any(isinstance(event, RestartEvent) for event in events)
    assert len(end_of(events).attempts) == 2
    await booked(llm, sim, home)
