"""The official SDKs of the providers that follow OpenAI judge the simulator."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llm_orchestrator.simulator import Simulator

from .conftest import HELLO, WEATHER, Client

pytestmark = pytest.mark.sdk
Rows = Callable[[], list[dict[str, Any]]]
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Weather of a city", "parameters": WEATHER},
}
ASK = [{"role": "user", "content": "What is the weather in Paris and in Rome?"}]
CITIES = [{"city": "Paris"}, {"city": "Rome"}]


@pytest.fixture
def groq(sim: Simulator, key: str) -> Iterator[Client]:
    from groq import Groq

    base = sim.provider_url("groq").removesuffix("/openai/v1")
    with Groq(api_key=key, base_url=base, max_retries=0) as made:
        yield made


@pytest.fixture
def mistral(sim: Simulator, key: str) -> Iterator[Client]:
    from mistralai.client import Mistral

    base = sim.provider_url("mistral").removesuffix("/v1")
    with Mistral(api_key=key, server_url=base) as made:
        yield made


@pytest.fixture
def together(sim: Simulator, key: str) -> Iterator[Client]:
    from together import Together

    base = sim.provider_url("together")
    with Together(api_key=key, base_url=base, max_retries=0) as made:
        yield made


@pytest.fixture
def pplx(sim: Simulator, key: str) -> Iterator[Client]:
    from perplexity import Perplexity

    base = sim.provider_url("perplexity")
    with Perplexity(api_key=key, base_url=base, max_retries=0) as made:
        yield made


@pytest.fixture
def router(sim: Simulator, key: str) -> Iterator[Client]:
    from openrouter import OpenRouter

    base = sim.provider_url("openrouter")
    with OpenRouter(api_key=key, server_url=base) as made:
        yield made


def said(chunks: list[Any]) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


# ------------------------------------------------------------------ Groq


def test_groq(groq: Client, rows: Rows) -> None:
    model = "llama-3.1-8b-instant"
    plain = groq.chat.completions.create(model=model, messages=HELLO)
    chunks = list(groq.chat.completions.create(model=model, messages=HELLO, stream=True))
    assert said(chunks) == plain.choices[0].message.content
    assert chunks[0].x_groq.id.startswith("req_")
    assert chunks[-1].x_groq.usage.completion_tokens == plain.usage.completion_tokens
    assert plain.usage.total_time > 0
    assert all(chunk.usage is None for chunk in chunks)
    first, second = rows()
    used = plain.usage
    expected = used.prompt_tokens * 50_000 + used.completion_tokens * 80_000
    assert first["cost_pico"] == second["cost_pico"] == expected
    names = [entry.id for entry in groq.models.list().data]
    assert {"llama-3.1-8b-instant", "fb-ok"} <= set(names)


def test_groq_tools_and_reasoning(groq: Client) -> None:
    reply = groq.chat.completions.create(model="sim-chat", messages=ASK, tools=[TOOL])
    calls = reply.choices[0].message.tool_calls
    assert [json.loads(call.function.arguments) for call in calls] == CITIES
    parsed = groq.chat.completions.create(
        model="sim-reason", messages=HELLO, reasoning_effort="low", reasoning_format="parsed"
    )
    raw = groq.chat.completions.create(
        model="sim-reason", messages=HELLO, reasoning_effort="low", reasoning_format="raw"
    )
    thought = parsed.choices[0].message.reasoning
    assert raw.choices[0].message.content == (
        f"<think>\n{thought}</think>\n\n{parsed.choices[0].message.content}"
    )
    chunks = list(
        groq.chat.completions.create(
            model="sim-reason", messages=HELLO, reasoning_effort="low", stream=True
        )
    )
    deltas = [c.choices[0].delta.reasoning or "" for c in chunks if c.choices]
    assert "".join(deltas) == thought
    assert parsed.usage.completion_tokens_details.reasoning_tokens > 0


def test_groq_errors(groq: Client) -> None:
    import groq as sdk

    with pytest.raises(sdk.RateLimitError) as caught:
        groq.chat.completions.create(model="sim-chat+fault=rate-limit", messages=HELLO)
    headers = caught.value.response.headers
    assert headers["retry-after"] == "2"
    assert int(headers["x-ratelimit-limit-requests"]) == 30_000 * 1440
    with pytest.raises(sdk.BadRequestError, match="unsupported"):
        groq.chat.completions.create(model="sim-chat", messages=HELLO, logprobs=True)
    with pytest.raises(sdk.APIStatusError) as busy:
        groq.chat.completions.create(model="sim-chat+fault=status,status=498", messages=HELLO)
    assert busy.value.status_code == 498
    assert busy.value.response.json()["error"]["code"] == "capacity_exceeded"
    chunks = list(
        groq.chat.completions.create(
            model="sim-chat+fault=error-mid,after=4", messages=HELLO, stream=True
        )
    )
    assert chunks[-1].x_groq.error == "over_capacity"


# ------------------------------------------------------------------ Mistral


def test_mistral(mistral: Client, rows: Rows) -> None:
    model = "codestral-2508"
    plain = mistral.chat.complete(model=model, messages=HELLO, random_seed=7)
    with mistral.chat.stream(model=model, messages=HELLO, random_seed=7) as stream:
        chunks = [event.data for event in stream]
    assert said(chunks) == plain.choices[0].message.content
    assert [chunk.usage is None for chunk in chunks[:-1]] == [True] * (len(chunks) - 1)
    assert chunks[-1].usage.completion_tokens == plain.usage.completion_tokens
    assert chunks[-1].choices[0].finish_reason == "stop"
    first, second = rows()
    expected = plain.usage.prompt_tokens * 300_000 + plain.usage.completion_tokens * 900_000
    assert first["cost_pico"] == second["cost_pico"] == expected


def test_mistral_tools(mistral: Client) -> None:
    given: dict[str, Any] = {"model": "sim-chat", "messages": ASK, "tools": [TOOL]}
    reply = mistral.chat.complete(**given, tool_choice="any")
    calls = reply.choices[0].message.tool_calls
    assert reply.choices[0].finish_reason == "tool_calls"
    assert [json.loads(call.function.arguments) for call in calls] == CITIES
    assert all(len(call.id) == 9 for call in calls)
    with mistral.chat.stream(**given) as stream:
        chunks = [event.data for event in stream]
    whole = chunks[-1].choices[0].delta.tool_calls
    assert [json.loads(call.function.arguments) for call in whole] == CITIES
    turns = [*ASK, reply.choices[0].message]
    turns += [{"role": "tool", "tool_call_id": call.id, "content": "9"} for call in calls]
    after = mistral.chat.complete(**given | {"messages": turns})
    assert "9; 9" in after.choices[0].message.content


def test_mistral_thoughts_and_prefix(mistral: Client) -> None:
    given: dict[str, Any] = {"model": "sim-reason", "messages": HELLO, "reasoning_effort": "high"}
    reply = mistral.chat.complete(**given)
    thought, text = reply.choices[0].message.content
    assert (thought.type, text.type) == ("thinking", "text")
    with mistral.chat.stream(**given) as stream:
        contents = [event.data.choices[0].delta.content for event in stream]
    shown = [part.thinking[0].text for c in contents if isinstance(c, list) for part in c]
    assert "".join(shown) == thought.thinking[0].text
    assert "".join(c for c in contents if isinstance(c, str)) == text.text
    begun = [*HELLO, {"role": "assistant", "content": "The waves", "prefix": True}]
    assert mistral.chat.complete(model="sim-chat", messages=begun).choices[0].message.content


def test_mistral_lists_and_errors(mistral: Client) -> None:
    from mistralai.client import errors

    listed = mistral.models.list().data
    assert any(model.capabilities.completion_chat for model in listed)
    vectors = mistral.embeddings.create(
        model="mistral-embed", inputs=["the cat sat", "the cat slept"], output_dimension=64
    )
    assert [len(item.embedding) for item in vectors.data] == [64, 64]
    with pytest.raises(errors.HTTPValidationError) as caught:
        mistral.chat.complete(model="sim-chat", messages=HELLO, temperature=-1)
    (found,) = caught.value.data.detail or []
    assert found.loc == ["body", "temperature"]
    with pytest.raises(errors.SDKError) as refused:
        mistral.chat.complete(model="sim-chat+fault=rate-limit", messages=HELLO)
    assert refused.value.status_code == 429
    assert json.loads(refused.value.body)["object"] == "error"


# ------------------------------------------------------------------ Together


def test_together(together: Client, rows: Rows) -> None:
    model = "Qwen/Qwen2-VL-72B-Instruct"
    plain = together.chat.completions.create(model=model, messages=HELLO)
    chunks = list(together.chat.completions.create(model=model, messages=HELLO, stream=True))
    assert said(chunks) == plain.choices[0].message.content
    assert plain.choices[0].finish_reason == chunks[-1].choices[0].finish_reason == "eos"
    assert chunks[-1].usage == plain.usage
    used = plain.usage
    assert [row["cost_pico"] for row in rows()] == [used.total_tokens * 1_200_000] * 2
    reply = together.chat.completions.create(model="sim-chat", messages=ASK, tools=[TOOL])
    calls = reply.choices[0].message.tool_calls
    assert [json.loads(call.function.arguments) for call in calls] == CITIES
    thought = together.chat.completions.create(
        model="sim-reason", messages=HELLO, reasoning_effort="low"
    )
    assert thought.choices[0].message.reasoning
    off = together.chat.completions.create(
        model="sim-reason", messages=HELLO, reasoning={"enabled": False}
    )
    assert not off.choices[0].message.reasoning


def test_together_lists_and_errors(together: Client) -> None:
    import together as sdk

    listed = together.models.list()
    assert {model.type for model in listed} >= {"chat", "embedding"}
    vectors = together.embeddings.create(model="BAAI/bge-base-en-v1.5", input=["a", "b"])
    assert len(vectors.data) == 2
    with pytest.raises(sdk.RateLimitError):
        together.chat.completions.create(model="sim-chat+fault=rate-limit", messages=HELLO)
    with pytest.raises(sdk.NotFoundError):
        together.chat.completions.create(model="nobody", messages=HELLO)


# ------------------------------------------------------------------ Perplexity


def test_perplexity(pplx: Client, rows: Rows) -> None:
    given: dict[str, Any] = {"model": "sonar", "messages": HELLO}
    plain = pplx.chat.completions.create(
        **given, web_search_options={"search_context_size": "medium"}
    )
    chunks = list(
        pplx.chat.completions.create(
            **given, web_search_options={"search_context_size": "medium"}, stream=True
        )
    )
    assert said(chunks) == plain.choices[0].message.content
    assert chunks[-1].choices[0].message.content == plain.choices[0].message.content
    assert {chunk.type for chunk in chunks[:-1]} == {"message"}
    assert chunks[-1].type == "end_of_stream"
    assert chunks[-1].usage == plain.usage
    assert plain.citations == [page.url for page in plain.search_results]
    cost = plain.usage.cost
    assert cost.request_cost == 0.008
    assert [float(row["cost_usd"]) for row in rows()] == [cost.total_cost] * 2


def test_perplexity_deep_research(pplx: Client, rows: Rows) -> None:
    reply = pplx.chat.completions.create(model="sonar-deep-research", messages=HELLO)
    used, cost = reply.usage, reply.usage.cost
    assert used.reasoning_tokens > 0
    assert used.total_tokens == used.prompt_tokens + used.completion_tokens
    assert cost.citation_tokens_cost == used.citation_tokens * 2 / 1e6
    assert cost.reasoning_tokens_cost == used.reasoning_tokens * 3 / 1e6
    assert cost.search_queries_cost == used.num_search_queries * 5 / 1e3
    (row,) = rows()
    assert float(row["cost_usd"]) == cost.total_cost
    spent = row["usage"]
    assert spent["output_tokens"] == used.completion_tokens + used.reasoning_tokens
    assert (spent["searches"], spent["citation_tokens"]) == (
        used.num_search_queries,
        used.citation_tokens,
    )


def test_perplexity_other_endpoints(pplx: Client, rows: Rows) -> None:
    import perplexity as sdk

    vectors = pplx.embeddings.create(model="pplx-embed-v1-0.6b", input=["a", "b"])
    assert len(vectors.data) == 2
    assert vectors.usage.cost.total_cost == float(rows()[0]["cost_usd"])
    reply = pplx.responses.create(model="anthropic/claude-haiku-4-5", input="Hello there")
    assert reply.status == "completed"
    assert reply.usage.cost.total_cost == float(rows()[1]["cost_usd"])
    events = list(pplx.responses.create(model="sim-chat", input="Hi", stream=True))
    assert events[-1].type == "response.completed"
    with pytest.raises(sdk.RateLimitError):
        pplx.chat.completions.create(model="sonar+fault=rate-limit", messages=HELLO)
    with pytest.raises(sdk.AuthenticationError, match="quota"):
        pplx.chat.completions.create(model="sonar+fault=quota", messages=HELLO)


# ------------------------------------------------------------------ OpenRouter


def test_openrouter(router: Client, rows: Rows) -> None:
    given: dict[str, Any] = {"model": "01-ai/yi-large", "messages": HELLO}
    plain = router.chat.send(**given)
    with router.chat.send(**given, stream=True) as stream:
        chunks = list(stream)
    assert said(chunks) == plain.choices[0].message.content
    assert chunks[-1].choices == []
    assert chunks[-1].usage == plain.usage
    assert [float(row["cost_usd"]) for row in rows()] == [plain.usage.cost] * 2
    assert plain.usage.cost == plain.usage.total_tokens * 3 / 1e6
    assert plain.id == rows()[0]["request_id"]
    other = router.chat.send(messages=HELLO, models=["nobody/knows", "sim-chat"])
    assert other.model == "sim-chat"


def test_openrouter_tools_and_reasoning(router: Client) -> None:
    reply = router.chat.send(model="sim-chat", messages=ASK, tools=[TOOL])
    calls = reply.choices[0].message.tool_calls
    assert [json.loads(call.function.arguments) for call in calls] == CITIES
    given: dict[str, Any] = {"model": "sim-reason", "messages": HELLO}
    thought = router.chat.send(**given, reasoning={"effort": "low"})
    message = thought.choices[0].message
    assert message.reasoning == message.reasoning_details[0].text
    with router.chat.send(**given, reasoning={"effort": "low"}, stream=True) as stream:
        deltas = [chunk.choices[0].delta.reasoning or "" for chunk in stream if chunk.choices]
    assert "".join(deltas) == message.reasoning


def test_openrouter_lists_and_errors(router: Client) -> None:
    from openrouter import errors

    listed = router.models.list()
    models = listed.result.data if hasattr(listed, "result") else listed.data
    prices = {model.id: model.pricing for model in models}
    assert prices["01-ai/yi-large"].prompt == "0.000003"
    with pytest.raises(errors.PaymentRequiredResponseError):
        router.chat.send(model="sim-chat+fault=quota", messages=HELLO)
    with router.chat.send(
        model="sim-chat+fault=error-mid,after=4", messages=HELLO, stream=True
    ) as stream:
        chunks = list(stream)
    assert chunks[-1].error.code == 502
    assert chunks[-1].choices[0].finish_reason == "error"
