"""Arguments of the wrong kind: refused in our words, before anything is sent or booked."""

from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator.errors import InvalidRequestError, ModelNotFoundError
from llm_orchestrator.pipeline.attempt import Call
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.transport.base import Limits
from llm_orchestrator.types.request import Message, Request, Text, Tool, ToolCall
from tests.integration.world import HELLO, table

SURROGATE = "\ud800"
TURNS = (Message("user", "Hi"),)
ASKED: list[dict[str, Any]] = [
    {"category": 5},
    {"category": SURROGATE},
    {"tags": "team"},
    {"tags": {"team": 5}},
    {"tags": {"team": SURROGATE}},
    {"model": 5},
    {"model": ["gpt-4o"]},
    {"provider": 5},
    {"chain": "gpt-4o,gpt-4o"},
    {"chain": 5},
    {"chain": [5]},
    {"chain": []},
    {"max_cost": "a lot"},
    {"user": SURROGATE},
    {"stop": 5},
    {"stop": [SURROGATE]},
    {"extra": {"x": object()}},
    {"extra": {"x": SURROGATE}},
    {"tools": [{"name": "f", "description": SURROGATE}]},
    {"tools": [Tool("f", SURROGATE)]},
    {"tools": [Tool("f", "", {"x": object()})]},
    {"messages": 5},
    {"messages": [Message("user", SURROGATE)]},
    {"messages": [Message("bot", "x")]},  # type: ignore[arg-type]
    {"messages": [Message("assistant", (ToolCall(id="a", name="f", arguments="{"),))]},
    {"system": SURROGATE},
    {"schema": {"type": "object", "properties": {"x": {"enum": [SURROGATE]}}}},
    {"schema": {"type": "object", "properties": {"x": {"enum": [SURROGATE]}}}, "max_cost": 1},
]
EMBEDDED: list[dict[str, Any]] = [
    {"texts": 5},
    {"texts": None},
    {"texts": []},
    {"texts": ["a", ""]},
    {"texts": ["a", 5]},
    {"texts": SURROGATE},
    {"texts": "a", "dimensions": 0},
    {"texts": "a", "dimensions": "64"},
    {"texts": "a", "model": 5},
    {"texts": "a", "provider": 5},
    {"texts": "a", "category": 5},
    {"texts": "a", "tags": {"team": 5}},
]


@pytest.mark.parametrize("options", ASKED)
async def test_a_call(
    options: dict[str, Any], llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    arguments = {"messages": HELLO} | options
    with pytest.raises(InvalidRequestError):
        await llm.send_request(**arguments)
    with pytest.raises(InvalidRequestError):
        async for _ in llm.send_streaming_request(**arguments):
            pass
    await nothing_happened(llm, sim, llmo_home)


@pytest.mark.parametrize("arguments", EMBEDDED)
async def test_embeddings(
    arguments: dict[str, Any], llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    with pytest.raises(InvalidRequestError):
        await llm.embed(**({"model": "text-embedding-3-small"} | arguments))
    await nothing_happened(llm, sim, llmo_home)


async def nothing_happened(llm: AsyncLLMOrchestrator, sim: Simulator, home: Path) -> None:
    await llm.close()
    assert sim.log() == []
    if (home / "ledger.db").exists():
        assert table(home, "attempts") == []


@pytest.mark.parametrize("verb", ["health", "refresh_models", "get_available_models"])
@pytest.mark.parametrize("provider", [5, ["openai"]])
async def test_a_provider_that_is_no_name(
    verb: str, provider: Any, llm: AsyncLLMOrchestrator
) -> None:
    with pytest.raises(InvalidRequestError, match="provider: expected a name"):
        await getattr(llm, verb)(provider)


@pytest.mark.parametrize("fields", [{"extra": {"x": object()}}, {"user": SURROGATE}])
async def test_a_request_that_nobody_has_checked(
    fields: dict[str, Any], llm: AsyncLLMOrchestrator, sim: Simulator
) -> None:
    runtime = llm._runtime
    target, request = runtime.candidates.of(None, None)[0], Request(messages=TURNS, **fields)
    call = Call(request, session_id="ses")
    with pytest.raises(InvalidRequestError, match="the request cannot be written as JSON"):
        await runtime.sender.send(call, request, target, Limits())
    with pytest.raises(InvalidRequestError, match="the request cannot be written as JSON"):
        async for _ in runtime.sender.stream(call, request, target, Limits()):
            pass
    assert sim.log() == []


async def test_messages_of_ours_may_hold_lists(llm: AsyncLLMOrchestrator) -> None:
    given: Any = [Text(text="Hello")]
    assert (await llm.send_request([Message("user", given)])).content


async def test_embed_without_a_model_that_makes_vectors(
    llm: AsyncLLMOrchestrator, sim: Simulator
) -> None:
    with pytest.raises(InvalidRequestError, match="gpt-4o-mini makes no vectors") as caught:
        await llm.embed("a")
    assert "openai/text-embedding-3-" in caught.value.message
    assert sim.log() == []


@pytest.mark.parametrize(
    ("name", "near"), [("temprature", "temperature"), ("modell", "model"), ("catagory", "category")]
)
async def test_a_misspelt_argument(name: str, near: str, llm: AsyncLLMOrchestrator) -> None:
    options: dict[str, Any] = {name: 1}
    with pytest.raises(TypeError, match=f"'{name}'; did you mean {near}\\?") as caught:
        await llm.send_request(HELLO, **options)
    assert {"provider,", "chain,", "tags,", "temperature,"} <= set(str(caught.value).split())


async def test_a_signal_that_nobody_has_is_refused_where_none_is_used(
    llm: AsyncLLMOrchestrator, sim: Simulator
) -> None:
    with pytest.raises(InvalidRequestError, match="did you mean agreement"):
        await llm.send_request(HELLO, confidence="agrement")
    assert sim.log() == []


async def test_a_model_of_another_provider(llm: AsyncLLMOrchestrator) -> None:
    with pytest.raises(ModelNotFoundError, match="openai has a model of that name") as caught:
        await llm.send_request(HELLO, provider="anthropic", model="gpt-4")
    assert caught.value.suggestions == ("openai/gpt-4",)


async def test_an_argument_that_another_verb_has(llm: AsyncLLMOrchestrator) -> None:
    options: dict[str, Any] = {"chain": ["gpt-4o"]}
    with pytest.raises(TypeError, match="unexpected argument 'chain'; known are"):
        await llm.count_tokens(HELLO, **options)
