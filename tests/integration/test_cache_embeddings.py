"""Vectors that are kept, text by text."""

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator, LLMOrchestrator, OverloadedError
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.money import to_usd
from tests.integration.cache_world import PLACES, at, cached, sent
from tests.integration.world import booked, table

SMALL: Any = {"model": "text-embedding-3-small", "dimensions": 16}


@pytest.fixture(params=PLACES)
def settings(request: pytest.FixtureRequest, sim: Simulator) -> dict[str, Any]:
    return at(request.param, sim, request)


def asked_for(sim: Simulator) -> int:
    """Tokens of all that was sent."""
    return sum(row["usage"]["input_tokens"] for row in sim.ledger()["rows"])


async def test_only_new_texts_are_sent(sim: Simulator, settings: dict[str, Any]) -> None:
    async with AsyncLLMOrchestrator(settings) as llm:
        first = await llm.embed(["one", "two", "one"], **SMALL)
        assert not first.reply.cached
        assert first.vectors[0] == first.vectors[2]
        tokens = asked_for(sim)
        second = await llm.embed(["two", "three", "one"], **SMALL)
        assert asked_for(sim) == tokens + 1, "three alone"
        assert second.vectors[0] == first.vectors[1]
        assert second.vectors[2] == first.vectors[0]
        third = await llm.embed(["three", "two"], **SMALL)
        assert third.vectors == second.vectors[1::-1]
        assert third.reply.cached
        assert third.reply.cost == 0
        assert third.reply.attempts == ()
    assert sent(sim) == 2


async def test_vectors_are_the_same_to_the_last_bit(sim: Simulator) -> None:
    config = cached(sim)
    async with AsyncLLMOrchestrator(config) as llm:
        first = await llm.embed(["a text", "another"], **SMALL)
        fresh = await llm.embed(["a text", "another"], cache=False, **SMALL)
    async with AsyncLLMOrchestrator(config) as llm:
        kept = await llm.embed(["a text", "another"], **SMALL)
        assert kept.reply.cached
    assert kept.vectors == first.vectors == fresh.vectors


async def test_the_books_say_what_was_saved(sim: Simulator, llmo_home: Path) -> None:
    texts = ["a long text of many words", "short"]
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        first = await llm.embed(texts, **SMALL)
        await llm.embed([*texts, "new"], **SMALL)
        await llm.embed([*texts, texts[0]], **SMALL)
        session = llm.session
        assert (session.calls, session.attempts, session.cache_hits) == (3, 2, 1)
        await booked(llm, sim, llmo_home)
    assert first.reply.cost is not None
    parts = {row["cost_pico"] for row in table(llmo_home, "ai_cache")}
    made, some, whole = table(llmo_home, "calls")
    assert made["saved_pico"] is None
    assert some["cache_hit"] == 0
    assert some["cost_pico"] > 0
    assert some["saved_pico"] in range(made["cost_pico"] - 2, made["cost_pico"] + 1)
    assert (whole["cache_hit"], whole["cost_pico"]) == (1, 0)
    assert whole["saved_pico"] - some["saved_pico"] in parts
    assert session.saved == to_usd(some["saved_pico"] + whole["saved_pico"]) > Decimal(0)


async def test_other_models_lengths_and_tenants_are_apart(sim: Simulator) -> None:
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        for options in (
            SMALL,
            {**SMALL, "dimensions": 32},
            {"model": "text-embedding-3-large", "dimensions": 16},
            {**SMALL, "cache_tenant": "ann"},
        ):
            assert not (await llm.embed("a", **options)).reply.cached
            assert (await llm.embed("a", **options)).reply.cached
        assert not (await llm.embed("a", cache="refresh", **SMALL)).reply.cached
    assert sent(sim) == 5


async def test_what_came_before_a_failure_is_kept(sim: Simulator) -> None:
    config = cached(sim) | {"retry": {"max_retries": 0}}
    texts = [f"text {number}" for number in range(2050)]  # two requests
    async with AsyncLLMOrchestrator(config) as llm:
        await llm.embed(texts[:2048], **SMALL)
        sim.add_fault(fault="unavailable", count=1)
        with pytest.raises(OverloadedError):
            await llm.embed(texts, **SMALL)
        found = await llm.embed(texts, **SMALL)
        assert len(found.vectors) == 2050
    tokens = sim.ledger()["rows"][-1]["usage"]["input_tokens"]
    assert tokens < 10, "two texts"


async def test_a_damaged_vector_is_asked_for_again(sim: Simulator, llmo_home: Path) -> None:
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        first = await llm.embed("a", **SMALL)
    with closing(sqlite3.connect(llmo_home / "ledger.db")) as db:
        db.execute("""UPDATE ai_cache SET response_body = '{"data": 5}'""")
        db.commit()
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        again = await llm.embed("a", **SMALL)
        assert not again.reply.cached
        assert again.vectors == first.vectors


def test_the_sync_face_takes_the_same_options(llmo_home: Path) -> None:
    with Simulator().run_in_thread() as sim, LLMOrchestrator(cached(sim)) as llm:
        llm.embed("a", **SMALL)
        assert llm.embed("a", cache=True, cache_ttl=60, **SMALL).reply.cached
        options: Any = {"dimension": 16}
        with pytest.raises(TypeError, match="dimension"):
            llm.embed("a", **options)
