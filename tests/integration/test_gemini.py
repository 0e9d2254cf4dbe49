"""Gemini on both of Google's APIs, over the simulator: every feature, every fault, every cent."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.events import RestartEvent
from llm_orchestrator.types.reply import Reply
from llm_orchestrator.types.request import Message, ToolResult
from tests.integration.world import HELLO, KEY, all_of, booked, end_of

MODEL = "gemini-3.8-flash"
OLDER = "gemini-2.5-flash"
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
LONG = [{"role": "user", "content": "The same long beginning of every question. " * 700}]


def configuration(provider: str, sim: Simulator) -> dict[str, Any]:
    urls = {"gemini": f"{sim.gemini_url}/v1", "vertex": f"{sim.vertex_url}/v1beta1"}
    section: dict[str, Any] = {"api_key": KEY, "base_url": urls[provider]}
    if provider == "vertex":
        section["variables"] = {"project": "proj", "location": "us-central1"}
    return {
        "active_provider": provider,
        "providers": {provider: section},
        "fallback": {"enabled": False},
        "retry": {"max_retries": 1, "base_delay": 0.01, "max_delay": 0.02, "max_wait": 3.0},
        "timeouts": {"idle": 1.0},
    }


@pytest.fixture(params=["gemini", "vertex"])
def provider(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def llm(provider: str, sim: Simulator) -> AsyncIterator[AsyncLLMOrchestrator]:
    async with AsyncLLMOrchestrator(configuration(provider, sim)) as orchestrator:
        yield orchestrator


async def ask(llm: AsyncLLMOrchestrator, provider: str, how: str, **options: Any) -> Reply:
    """The answer, whole or streamed; ``messages`` are `HELLO` unless given."""
    messages = options.pop("messages", HELLO)
    model = f"{provider}/{options.pop('model', MODEL)}"
    if how == "whole":
        return await llm.send_request(messages, model=model, **options)
    shown = ""
    events = await all_of(llm.send_streaming_request(messages, model=model, **options))
    for event in events:
        shown = "" if isinstance(event, RestartEvent) else shown + str(event)
    reply = end_of(events)
    assert shown == reply.content
    return reply


@pytest.fixture(params=["whole", "streamed"])
def how(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


# ------------------------------------------------------------------ features

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "system": {"system": "Be brief."},
    "parameters": {"model": OLDER, "temperature": 0.2, "top_p": 0.9, "top_k": 5, "seed": 7},
    "limited": {"model": OLDER, "effort": "none", "max_tokens": 5, "stop": ["xyz"]},
    "thoughts": {"effort": "high"},
    "budget": {"model": OLDER, "effort": "low"},
    "flex": {"service_tier": "flex"},
    "schema": {"schema": SCHEMA},
    "tools": {"tools": [WEATHER], "tool_choice": "required"},
    "image": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": PIXEL}},
                ],
            }
        ]
    },
}


@pytest.mark.parametrize("name", OPTIONS)
async def test_answers_are_priced_as_they_are_billed(
    llm: AsyncLLMOrchestrator, sim: Simulator, provider: str, how: str, name: str, llmo_home: Path
) -> None:
    reply = await ask(llm, provider, how, **OPTIONS[name])
    (bill,) = (await booked(llm, sim, llmo_home)).values()
    assert reply.cost_pico == bill["cost_pico"]
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (
        bill["usage"]["input_tokens"],
        bill["usage"]["output_tokens"],
    )
    assert not reply.usage.estimated
    assert (reply.provider, reply.notices) == (provider, ())
    if name == "tools":
        assert [call.name for call in reply.tool_calls] == ["get_weather"]
        assert reply.finish_reason == "tool_calls"
    elif name == "limited":
        assert (reply.finish_reason, reply.usage.reasoning_tokens) == ("length", 0)
    elif name == "schema":
        assert reply.parsed.keys() == {"city"}
    elif name in {"thoughts", "budget"}:
        assert reply.reasoning
        assert 0 < reply.usage.reasoning_tokens < reply.usage.output_tokens


async def test_what_is_read_from_the_cache_is_cheaper(
    llm: AsyncLLMOrchestrator, sim: Simulator, provider: str, how: str, llmo_home: Path
) -> None:
    first = await ask(llm, provider, how, messages=LONG)
    second = await ask(llm, provider, how, messages=LONG)
    assert (first.usage.cache_read_tokens, first.cost is None) == (0, False)
    assert 0 < second.usage.cache_read_tokens <= second.usage.input_tokens
    assert second.cost_pico is not None
    await booked(llm, sim, llmo_home)


@pytest.mark.parametrize("signed", [True, False])
async def test_a_tool_loop(
    llm: AsyncLLMOrchestrator, provider: str, how: str, signed: bool
) -> None:
    """With the signatures that came, and with calls of a model that gives none."""
    question = Message("user", "What is the weather in Paris?")
    reply = await ask(llm, provider, how, messages=[question], tools=[WEATHER])
    (call,) = reply.tool_calls
    assert call.signature is not None
    assert call.signature.startswith("gemini:")
    parts = reply.parts if signed else (msgspec.structs.replace(call, signature=None),)
    history = [
        question,
        Message("assistant", parts),
        Message("tool", (ToolResult(call_id=call.id, content="20 degrees"),)),
    ]
    answer = await ask(llm, provider, how, messages=history, tools=[WEATHER])
    assert "20 degrees" in answer.content


async def test_embeddings(
    llm: AsyncLLMOrchestrator, sim: Simulator, provider: str, llmo_home: Path
) -> None:
    found = await llm.embed("a b c", model=f"{provider}/gemini-embedding-001", dimensions=128)
    assert [len(vector) for vector in found.vectors] == [128]
    (bill,) = (await booked(llm, sim, llmo_home)).values()
    if provider == "vertex":  # the other API does not say what it counted
        assert found.reply.cost_pico == bill["cost_pico"]


async def test_counts_models_and_health(llm: AsyncLLMOrchestrator, provider: str) -> None:
    options: dict[str, Any] = {"system": "Be brief.", "tools": [WEATHER]}
    alone = await llm.count_tokens(HELLO, exact=True)
    assert await llm.count_tokens(HELLO, exact=True, **options) > alone > 5
    models = {model.id for model in await llm.refresh_models(provider)}
    assert {MODEL, "gemini-embedding-001"} <= models
    (health,) = await llm.health(provider)
    assert health.healthy


# ------------------------------------------------------------------ faults

ONCE = {  # faults of one attempt that the next one makes good
    *("rate-limit-bare", "server-error", "bad-gateway", "unavailable", "overloaded"),
    *("gzip-error", "reset", "cut", "cut-clean", "cut-reset", "error-first", "error-mid", "empty"),
}
HARMLESS = {"malformed", "no-done", "double-finish", "split-utf8"}
FAILING: dict[str, type[E.OrchestratorError]] = {
    "quota": E.QuotaExhaustedError,
    "context-length": E.ContextLengthError,
    "content-filter": E.ContentFilterError,
    "filtered": E.ContentFilterError,
}


@pytest.mark.parametrize("fault", sorted(ONCE | HARMLESS | {"no-usage"}))
async def test_faults_that_are_rescued(
    llm: AsyncLLMOrchestrator, sim: Simulator, provider: str, fault: str, llmo_home: Path
) -> None:
    sim.add_fault(fault=fault, model=MODEL, count=1)
    reply = await ask(llm, provider, "streamed")
    assert reply.finish_reason == "stop"
    assert len(reply.attempts) == (2 if fault in ONCE else 1)
    await booked(llm, sim, llmo_home)


@pytest.mark.parametrize("fault", FAILING)
async def test_faults_that_are_told(
    llm: AsyncLLMOrchestrator, sim: Simulator, provider: str, how: str, fault: str, llmo_home: Path
) -> None:
    sim.add_fault(fault=fault, model=MODEL)
    with pytest.raises(FAILING[fault]) as caught:
        await ask(llm, provider, how)
    assert len(caught.value.attempts) == 1
    if issubclass(FAILING[fault], E.ContentFilterError):
        assert caught.value.reason  # type: ignore[attr-defined]
        assert "no reason given" not in caught.value.message
    await booked(llm, sim, llmo_home)


async def test_a_wait_that_the_body_asks_for_is_kept(
    llm: AsyncLLMOrchestrator, sim: Simulator, provider: str
) -> None:
    sim.add_fault(fault="rate-limit", model=MODEL, count=1, retry_after=0.3)
    reply = await ask(llm, provider, "whole")
    assert len(reply.attempts) == 2
    assert reply.latency_s > 0.3


async def test_a_bad_key(provider: str, sim: Simulator) -> None:
    config = configuration(provider, sim)
    config["providers"][provider]["api_key"] = "bad-key-canary"
    async with AsyncLLMOrchestrator(config) as llm:
        with pytest.raises(E.AuthenticationError) as caught:
            await ask(llm, provider, "whole")
    assert "canary" not in repr(caught.value.__dict__)


async def test_an_unknown_model(llm: AsyncLLMOrchestrator, provider: str, how: str) -> None:
    with pytest.raises(E.ModelNotFoundError) as caught:
        await ask(llm, provider, how, model="gemini-99-pro")
    assert ("variables.location" in caught.value.message) is (provider == "vertex")


async def test_a_project_without_billing(sim: Simulator) -> None:
    config = configuration("vertex", sim)
    config["providers"]["vertex"]["variables"]["project"] = "proj-without-billing"
    async with AsyncLLMOrchestrator(config) as llm:
        with pytest.raises(E.QuotaExhaustedError, match="enable billing"):
            await llm.send_request(HELLO)


async def test_no_answer_costs_more_than_estimated(
    llm: AsyncLLMOrchestrator, sim: Simulator, provider: str, llmo_home: Path
) -> None:
    plan = await llm.estimate_cost(HELLO, model=f"{provider}/{MODEL}", max_tokens=400)
    reply = await ask(llm, provider, "whole", max_tokens=400)
    assert reply.cost is not None
    assert plan.cost_high is not None
    assert Decimal(0) < reply.cost <= plan.cost_high
    await booked(llm, sim, llmo_home)
