"""The same request is paid once: the simulator counts what went out."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import (
    AsyncLLMOrchestrator,
)
from llm_orchestrator.simulator import Simulator
from tests.integration.cache_world import PLACES, at, cached, sent
from tests.integration.world import (
    HAIKU,
    HELLO,
    KEY,
    MINI,
    all_of,
    booked,
    table,
)

TOOL = {
    "name": "look_up",
    "description": "Looks the weather up.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNg"
    "YGBgAAAABQABh6FO1AAAAABJRU5ErkJggg=="
)


@pytest.fixture(params=PLACES)
def settings(request: pytest.FixtureRequest, sim: Simulator) -> dict[str, Any]:
    return at(request.param, sim, request)


async def test_fifty_at_once_are_one_request(sim: Simulator, settings: dict[str, Any]) -> None:
    async with AsyncLLMOrchestrator(settings) as llm:
        replies = await asyncio.gather(*(llm.send_request(HELLO) for _ in range(50)))
        again = await llm.send_request(HELLO)
    assert sent(sim) == 1
    assert len({reply.content for reply in (*replies, again)}) == 1
    assert len({reply.id for reply in replies}) == 50
    made = [reply for reply in replies if not reply.cached]
    assert len(made) == 1
    assert made[0].cost
    for reply in (again, *(one for one in replies if one.cached)):
        assert reply.cost == 0
        assert reply.saved == made[0].cost
        assert reply.attempts == ()
        assert reply.usage == made[0].usage
        assert (reply.provider, reply.model) == (made[0].provider, made[0].model)


async def test_another_process_has_it_too(sim: Simulator, settings: dict[str, Any]) -> None:
    for number in range(2):
        async with AsyncLLMOrchestrator(settings) as llm:
            reply = await llm.send_request(HELLO)
            assert reply.cached == (number == 1 and settings["cache"].get("backend") != "memory")


async def test_the_books_say_what_was_saved(sim: Simulator, llmo_home: Path) -> None:
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        first = await llm.send_request(HELLO, user="ann", tags={"team": "a"}, category="test")
        await llm.send_request(HELLO, user="ann", tags={"team": "a"}, category="test")
        await all_of(llm.send_streaming_request(HELLO, user="ann"))
        session = llm.session
        assert (session.calls, session.attempts, session.cache_hits) == (3, 1, 2)
        assert session.cost == first.cost
        assert session.saved == 2 * (first.cost or Decimal(0))
        await booked(llm, sim, llmo_home)
    made, *hits = table(llmo_home, "calls")
    assert (made["cache_hit"], made["saved_pico"]) == (0, None)
    for hit in hits:
        assert hit["cache_hit"] == 1
        assert hit["saved_pico"] == made["cost_pico"] > 0
        assert hit["cost_pico"] == hit["input_tokens"] == hit["output_tokens"] == 0
        assert (hit["status"], hit["provider"], hit["user_id"]) == ("ok", "openai", "ann")
        assert made["call_id"] in hit["routing_decision"]
    assert hits[0]["tags"] == made["tags"]
    assert hits[0]["category"] == "test"
    assert [hit["stream"] for hit in hits] == [0, 1]
    [kept] = table(llmo_home, "ai_cache")
    assert (kept["hit_count"], kept["tenant"], kept["model"]) == (2, "ann", MINI)
    assert kept["cost_pico"] == made["cost_pico"]


async def test_it_is_off_unless_asked_for(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    for _ in range(2):
        assert not (await llm.send_request(HELLO)).cached
    assert sent(sim) == 2
    await llm.send_request(HELLO, cache=True)
    assert (await llm.send_request(HELLO, cache=True)).cached
    assert sent(sim) == 3
    assert not (await llm.send_request(HELLO)).cached
    await llm.close()
    assert len(table(llmo_home, "ai_cache")) == 1


async def test_a_call_can_keep_out_of_it_or_ask_anew(sim: Simulator) -> None:
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        await llm.send_request(HELLO)
        assert not (await llm.send_request(HELLO, cache=False)).cached
        assert not (await llm.send_request(HELLO, cache="refresh")).cached
        assert (await llm.send_request(HELLO)).cached
    assert sent(sim) == 3


async def test_an_answer_ends_with_its_time(sim: Simulator, settings: dict[str, Any]) -> None:
    async with AsyncLLMOrchestrator(settings) as llm:
        await llm.send_request(HELLO, cache_ttl=0.2)

        async def old() -> bool:
            return not (await llm.send_request(HELLO)).cached

        for _ in range(200):
            if await old():
                break
            await asyncio.sleep(0.02)
        assert sent(sim) == 2
        assert (await llm.send_request(HELLO)).cached
        assert not (await llm.send_request(HELLO, cache_ttl=1e-6)).cached


async def test_one_user_never_sees_anothers_answers(sim: Simulator) -> None:
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        for tenant in ({"user": "ann"}, {"user": "bob"}, {}, {"cache_tenant": "key_1"}):
            options: Any = tenant
            assert not (await llm.send_request(HELLO, **options)).cached
            assert (await llm.send_request(HELLO, **options)).cached
        # Told whose answers these are, the user is no longer asked for.
        assert (await llm.send_request(HELLO, user="bob", cache_tenant="key_1")).cached
    assert sent(sim) == 4


async def test_users_may_share(sim: Simulator) -> None:
    async with AsyncLLMOrchestrator(cached(sim, per_user=False)) as llm:
        await llm.send_request(HELLO, user="ann")
        assert (await llm.send_request(HELLO, user="bob")).cached


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.1},
        {"max_tokens": 500},
        {"system": "Be brief."},
        {"model": "gpt-4o"},
        {"provider": "anthropic"},
        {"chain": [HAIKU, MINI]},
        {"extra": {"logit_bias": {"1": 1}}},
        {"tools": [TOOL]},
        {"schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
        {"strategy": "cheapest"},
    ],
)
async def test_whatever_changes_the_answer_is_another_request(
    sim: Simulator, options: dict[str, Any]
) -> None:
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        await llm.send_request(HELLO)
        given: Any = options
        assert not (await llm.send_request(HELLO, **given)).cached
        assert (await llm.send_request(HELLO, **given)).cached
        assert (await llm.send_request(HELLO)).cached


async def test_what_does_not_change_the_answer_is_the_same_request(sim: Simulator) -> None:
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        first = await llm.send_request(HELLO, max_tokens=400)
        for options in (
            {"tags": {"a": "b"}},
            {"category": "other"},
            {"max_cost": "0.5"},
            {"priority": "high"},
        ):
            given: Any = options
            reply = await llm.send_request(HELLO, max_tokens=400, **given)
            assert reply.cached
            assert reply.content == first.content
    assert sent(sim) == 1


async def test_pictures_count_by_what_they_show(sim: Simulator) -> None:
    def ask(url: str) -> list[dict[str, Any]]:
        picture = {"type": "image_url", "image_url": {"url": url}}
        return [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]}]

    other = PICTURE.replace("ABh6FO1", "ABh6FO2")
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        assert not (await llm.send_request(ask(PICTURE))).cached
        assert (await llm.send_request(ask(PICTURE))).cached
        assert not (await llm.send_request(ask(other))).cached


async def test_another_key_of_the_same_provider_has_the_same_answers(sim: Simulator) -> None:
    for key in (KEY, KEY[::-1]):
        config = cached(sim)
        config["providers"] = {"openai": {"api_key": key, "base_url": sim.openai_url}}
        async with AsyncLLMOrchestrator(config) as llm:
            reply = await llm.send_request(HELLO)
    assert reply.cached
