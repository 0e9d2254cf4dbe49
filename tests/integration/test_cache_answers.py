"""What the cache gives again, as what, and what it does not keep."""

from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import (
    AsyncLLMOrchestrator,
    ContentFilterError,
)
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.events import FinishEvent, StartEvent, TextDelta, ToolCallDelta
from tests.integration.cache_world import PLACES, at, cached, sent
from tests.integration.world import (
    HAIKU,
    HELLO,
    MINI,
    all_of,
    end_of,
    table,
)

TOOL = {
    "name": "look_up",
    "description": "Looks the weather up.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@pytest.fixture(params=PLACES)
def settings(request: pytest.FixtureRequest, sim: Simulator) -> dict[str, Any]:
    return at(request.param, sim, request)


# ------------------------------------------------------------------ what it gives


async def test_a_stream_is_answered_from_a_whole_answer_and_the_other_way_round(
    sim: Simulator, settings: dict[str, Any]
) -> None:
    async with AsyncLLMOrchestrator(settings) as llm:
        whole = await llm.send_request("one")
        events = await all_of(llm.send_streaming_request("one"))
        kinds = [type(event) for event in events]
        assert kinds[0] is StartEvent
        assert TextDelta in kinds
        assert FinishEvent in kinds
        assert "".join(map(str, events)) == whole.content
        assert end_of(events).cached
        assert end_of(events).cost == 0
        events = await all_of(llm.send_streaming_request("two"))
        reply = await llm.send_request("two")
        assert reply.cached
        assert reply.content == "".join(map(str, events)) == end_of(events).content
    assert sent(sim) == 2


async def test_tool_calls_come_back_as_they_were(sim: Simulator) -> None:
    ask = "What is the weather like in Paris? Use the tool."
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        first = await llm.send_request(ask, tools=[TOOL], tool_choice="look_up")
        assert first.tool_calls
        second = await llm.send_request(ask, tools=[TOOL], tool_choice="look_up")
        assert second.cached
        assert second.parts == first.parts
        events = await all_of(llm.send_streaming_request(ask, tools=[TOOL], tool_choice="look_up"))
        [delta] = [event for event in events if isinstance(event, ToolCallDelta)]
        assert (delta.id, delta.name) == (first.tool_calls[0].id, "look_up")


async def test_a_typed_answer_is_of_its_type_again(sim: Simulator) -> None:
    schema = {
        "type": "object",
        "properties": {"label": {"type": "string"}},
        "required": ["label"],
    }
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        first = await llm.send_request("Is it good or bad? I love it.", schema=schema)
        second = await llm.send_request("Is it good or bad? I love it.", schema=schema)
        assert second.cached
        assert second.parsed == first.parsed
        assert isinstance(second.parsed, dict)
        second.parsed["label"] = "changed by its owner"
        third = await llm.send_request("Is it good or bad? I love it.", schema=schema)
        assert third.parsed == first.parsed


async def test_notices_of_the_answer_come_again(sim: Simulator) -> None:
    options: Any = {"model": HAIKU, "seed": 5}
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        first = await llm.send_request(HELLO, **options)
        second = await llm.send_request(HELLO, **options)
    assert second.cached
    assert first.notices
    assert second.notices == first.notices


async def test_an_answer_that_a_strategy_sought_is_kept_with_what_it_says(sim: Simulator) -> None:
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        options: Any = {"strategy": "vote", "ensemble_size": 2, "chain": [MINI, HAIKU]}
        first = await llm.send_request("What is 2+2? Only the number.", **options)
        before = sent(sim)
        second = await llm.send_request("What is 2+2? Only the number.", **options)
    assert second.cached
    assert sent(sim) == before
    assert (second.confidence, second.strategy) == (first.confidence, first.strategy)
    assert second.routing == first.routing
    assert second.saved == first.cost


# ------------------------------------------------------------------ what it does not keep


async def test_a_cancelled_stream_is_not_kept(sim: Simulator) -> None:
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        async with aclosing(llm.send_streaming_request(HELLO)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    break
        assert not (await llm.send_request(HELLO)).cached


async def test_a_stream_that_broke_and_was_continued_is_not_kept(sim: Simulator) -> None:
    sim.add_fault(fault="cut", after=12, count=1)
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        options: Any = {"model": HAIKU, "provider": "anthropic"}
        reply = end_of(await all_of(llm.send_streaming_request(HELLO, **options)))
        assert len(reply.attempts) == 2
        assert not (await llm.send_request(HELLO, **options)).cached


async def test_what_was_cut_is_kept_only_where_that_is_asked_for(sim: Simulator) -> None:
    for keep in (False, True):
        async with AsyncLLMOrchestrator(cached(sim, keep_cut=keep)) as llm:
            for number in range(2):
                reply = await llm.send_request("Describe a long walk.", max_tokens=3)
                assert reply.finish_reason == "length"
                assert reply.cached == (keep and number == 1)


async def test_what_a_filter_blocked_is_asked_again(sim: Simulator) -> None:
    sim.add_fault(fault="filtered", count=1)
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        with pytest.raises(ContentFilterError):
            await llm.send_request(HELLO)
        assert not (await llm.send_request(HELLO)).cached


async def test_a_stopgap_does_not_stand_in_for_a_day(sim: Simulator, llmo_home: Path) -> None:
    sim.add_fault(fault="unavailable", model=f"{MINI}*", count=3)
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        reply = await llm.send_request(HELLO)
        assert reply.provider == "anthropic"
        assert (await llm.send_request(HELLO)).cached
    [kept] = table(llmo_home, "ai_cache")
    assert kept["expires_at"] - kept["created_at"] == 300 * 10**6
