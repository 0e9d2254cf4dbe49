"""Who could do it instead is named, whatever it was that a target lacks."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator, UnsupportedError
from llm_orchestrator.simulator import Simulator
from tests.integration.world import HELLO, all_of, configuration

NO_PREFILL = "anthropic/claude-sonnet-5-5"
PREFILLED = [*HELLO, {"role": "assistant", "content": "It is"}]
STRICT: Any = {"model": "anthropic/claude-haiku-4-5", "seed": 7, "strict": True}

Ask = Callable[[AsyncLLMOrchestrator], Awaitable[object]]
ASKS: dict[str, tuple[Ask, str]] = {
    "embeddings": (lambda llm: llm.embed("a", provider="anthropic"), "openai/text-embedding-"),
    "whole": (lambda llm: llm.send_request(PREFILLED, model=NO_PREFILL), "anthropic/claude-"),
    "streamed": (
        lambda llm: all_of(llm.send_streaming_request(PREFILLED, model=NO_PREFILL)),
        "anthropic/claude-",
    ),
    "strict": (lambda llm: llm.send_request(HELLO, **STRICT), "openai/gpt-4o-mini"),
    "count": (
        lambda llm: llm.count_tokens(HELLO, provider="plain", exact=True),
        "openai/gpt-4o-mini",
    ),
}


@pytest.mark.parametrize("name", ASKS)
async def test_who_could_do_it_is_named(sim: Simulator, name: str) -> None:
    ask, first = ASKS[name]
    config = configuration(sim)
    config["providers"]["plain"] = {
        "dialect": "openai",
        "base_url": sim.openai_url,
        "default_model": "sim-chat",
    }
    async with AsyncLLMOrchestrator(config) as llm:
        with pytest.raises(UnsupportedError) as caught:
            await ask(llm)
        assert sim.log() == []
        named = caught.value.alternatives
        assert 1 <= len(named) <= 3
        assert named[0].startswith(first)
        assert all(one in caught.value.message for one in named)
        assert len({one.partition("/")[0] for one in named}) == len(named)


async def test_nobody_is_named_who_cannot(sim: Simulator) -> None:
    """The first one named takes it."""
    config = configuration(sim)
    async with AsyncLLMOrchestrator(config) as llm:
        with pytest.raises(UnsupportedError) as caught:
            await llm.send_request(PREFILLED, model=NO_PREFILL)
        assert (await llm.send_request(PREFILLED, model=caught.value.alternatives[0])).content
