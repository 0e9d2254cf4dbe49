"""Wires behind other doors: OpenAI's on Azure, Anthropic's and OpenAI's on Vertex AI."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest

from llm_orchestrator.simulator import Simulator

from .conftest import HELLO, WEATHER, Client
from .raw import post

Rows = Callable[[], list[dict[str, Any]]]
PLACE = "/vertex/v1/projects/{}/locations/us-east5"
CLAUDE = "claude-haiku-4-5@20251001"
LLAMA = "meta/llama-3.3-70b-instruct-maas"


@pytest.fixture
def azure(sim: Simulator, key: str) -> Iterator[Client]:
    with openai.AzureOpenAI(
        api_key=key,
        api_version="2025-04-01-preview",
        azure_endpoint=f"{sim.url}/azure",
        max_retries=0,
    ) as made:
        yield made


@pytest.fixture
def claude(sim: Simulator, key: str) -> Iterator[Client]:
    with anthropic.AnthropicVertex(
        region="us-east5",
        project_id="proj",
        access_token=key,
        base_url=f"{sim.vertex_url}/v1",
        max_retries=0,
    ) as made:
        yield made


def test_deployments_of_azure(azure: Client, rows: Rows) -> None:
    plain = azure.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    chunks = list(azure.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True))
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == plain.choices[0].message.content
    assert plain.prompt_filter_results[0]["content_filter_results"]["hate"]["severity"] == "safe"
    assert chunks[0].choices == []
    assert chunks[0].prompt_filter_results
    first, second = rows()
    assert (first["provider"], first["wire"]) == ("azure", "azure.chat")
    used = plain.usage
    expected = used.prompt_tokens * 150_000 + used.completion_tokens * 600_000
    assert first["cost_pico"] == second["cost_pico"] == expected
    vectors = azure.embeddings.create(model="text-embedding-3-small", input="a", dimensions=8)
    assert len(vectors.data[0].embedding) == 8
    assert "gpt-4o" in [model.id for model in azure.models.list()]


def test_the_newer_paths_of_azure(sim: Simulator, key: str, rows: Rows) -> None:
    url = sim.provider_url("azure")
    with openai.OpenAI(api_key=key, base_url=url, max_retries=0) as client:
        reply = client.responses.create(model="gpt-4o-mini", input="Hello there")
        assert reply.output_text
        counted = client.responses.input_tokens.count(model="gpt-4o-mini", input="Hello there")
        assert reply.usage is not None
        assert counted.input_tokens == reply.usage.input_tokens
        assert client.models.list().data
        raw = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=HELLO)
    assert raw.headers["x-ratelimit-reset-requests"].isdigit()
    assert [row["wire"] for row in rows()] == ["azure.responses", "azure.chat"]


def test_refusals_of_azure(azure: Client, sim: Simulator) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        azure.chat.completions.create(model="sim-chat+fault=content-filter", messages=HELLO)
    assert caught.value.code == "content_filter"
    inner = caught.value.response.json()["error"]["innererror"]
    assert inner["code"] == "ResponsibleAIPolicyViolation"
    assert inner["content_filter_result"]["violence"]["filtered"] is True
    with pytest.raises(openai.NotFoundError) as missing:
        azure.chat.completions.create(model="nobody", messages=HELLO)
    assert missing.value.code == "DeploymentNotFound"
    with pytest.raises(openai.RateLimitError):
        azure.chat.completions.create(model="sim-chat+fault=rate-limit", messages=HELLO)
    filtered = azure.chat.completions.create(model="sim-chat+fault=filtered", messages=HELLO)
    verdict = filtered.choices[0].content_filter_results["violence"]
    assert (filtered.choices[0].finish_reason, verdict["filtered"]) == ("content_filter", True)


async def test_doors_of_azure(sim: Simulator, key: str) -> None:
    ask = {"model": "ignored", "messages": HELLO}
    old = "/azure/openai/deployments/sim-chat/chat/completions"
    none = {"Authorization": ""}
    for path, headers, code in (
        (f"{old}?api-version=2024-10-21", none | {"api-key": key}, 200),
        (f"{old}?api-version=2024-10-21", none | {"api-key": "bad"}, 401),
        (f"{old}?api-version=2024-10-21", none, 401),
        (old, {}, 404),
    ):
        seen = await post(sim, path, ask, key, headers=headers)
        assert seen.status == code
        if code != 200:
            assert json.loads(seen.body)["error"]["message"]


def test_claude_on_vertex(claude: Client, rows: Rows) -> None:
    given: dict[str, Any] = {"model": CLAUDE, "messages": HELLO, "max_tokens": 200}
    plain = claude.messages.create(**given)
    with claude.messages.stream(**given) as stream:
        streamed = stream.get_final_message()
    assert streamed.content[0].text == plain.content[0].text
    assert streamed.usage.output_tokens == plain.usage.output_tokens
    first, second = rows()
    assert (first["provider"], first["wire"]) == ("vertex", "vertex.messages")
    assert first["cost_pico"] == second["cost_pico"] > 0
    counted = claude.messages.count_tokens(model=CLAUDE, messages=HELLO)
    assert counted.input_tokens == plain.usage.input_tokens
    tool = {"name": "get_weather", "description": "Weather", "input_schema": WEATHER}
    ask = [{"role": "user", "content": "Weather in Oslo?"}]
    called = claude.messages.create(**given | {"messages": ask}, tools=[tool])
    assert called.stop_reason == "tool_use"


def test_refusals_of_claude_on_vertex(claude: Client) -> None:
    given: dict[str, Any] = {"messages": HELLO, "max_tokens": 200}
    with pytest.raises(anthropic.NotFoundError, match="was not found"):
        claude.messages.create(model="claude-9", **given)
    with pytest.raises(anthropic.RateLimitError, match="RESOURCE_EXHAUSTED"):
        claude.messages.create(model="sim-chat+fault=rate-limit", **given)
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        claude.messages.create(model="sim-chat+fault=context-length", **given)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"model": CLAUDE}, "model: Extra inputs"),
        ({"anthropic_version": None}, "anthropic_version: Field required"),
        ({"anthropic_version": "2023-06-01"}, "not a valid version"),
    ],
)
async def test_bodies_of_claude_on_vertex(
    sim: Simulator, key: str, change: dict[str, Any], words: str
) -> None:
    body = {"anthropic_version": "vertex-2023-10-16", "max_tokens": 9, "messages": HELLO}
    path = f"{PLACE.format('p')}/publishers/anthropic/models/{CLAUDE}:rawPredict"
    assert (await post(sim, path, body, key)).status == 200
    seen = await post(sim, path, body | change, key)
    assert (seen.status, json.loads(seen.body)["type"]) == (400, "error")
    assert words in json.loads(seen.body)["error"]["message"]


async def test_open_models_on_vertex(sim: Simulator, key: str, rows: Rows) -> None:
    url = f"{sim.url}{PLACE.format('p')}/endpoints/openapi"
    with openai.OpenAI(api_key=key, base_url=url, max_retries=0) as client:
        reply = client.chat.completions.create(model=LLAMA, messages=HELLO)
        assert reply.choices[0].message.content
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="meta/nobody", messages=HELLO)
    assert rows()[0]["wire"] == "vertex.chat"
    assert rows()[0]["cost_pico"] > 0
    broke = PLACE.format("x-without-billing") + "/endpoints/openapi/chat/completions"
    seen = await post(sim, broke, {"model": LLAMA, "messages": HELLO}, key)
    assert json.loads(seen.body)["error"]["status"] == "PERMISSION_DENIED"
