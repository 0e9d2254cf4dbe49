"""Quirks of the providers that follow OpenAI, seen on the wire and by the openai SDK."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from llm_orchestrator.simulator import Simulator

from .conftest import HELLO, WEATHER, Client
from .raw import Seen, post

Rows = Callable[[], list[dict[str, Any]]]
PATHS = {
    "groq": "/groq/openai/v1/chat/completions",
    "mistral": "/mistral/v1/chat/completions",
    "together": "/together/v1/chat/completions",
    "perplexity": "/perplexity/chat/completions",
    "openrouter": "/openrouter/api/v1/chat/completions",
    "deepinfra": "/deepinfra/v1/openai/chat/completions",
}
FUNCTION = {"name": "get_weather", "description": "Weather", "parameters": WEATHER}
TOOL = {"type": "function", "function": FUNCTION}
CALL = {"id": "abcdefghi", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLS = {"role": "assistant", "content": "", "tool_calls": [CALL]}
BEGUN = {"role": "assistant", "content": "The"}


@pytest.fixture(params=PATHS)
def compat(request: pytest.FixtureRequest, sim: Simulator, key: str) -> Iterator[Client]:
    url = sim.provider_url(request.param)
    with openai.OpenAI(api_key=key, base_url=url, max_retries=0) as made:
        yield made


async def send(sim: Simulator, provider: str, key: str, **given: Any) -> Seen:
    body = {"model": "sim-chat", "messages": HELLO} | given
    return await post(sim, PATHS[provider], body, key)


def test_the_openai_sdk_reads_all_of_them(compat: Client, rows: Rows) -> None:
    plain = compat.chat.completions.create(model="sim-chat", messages=HELLO)
    chunks = list(compat.chat.completions.create(model="sim-chat", messages=HELLO, stream=True))
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == plain.choices[0].message.content
    assert plain.choices[0].finish_reason in {"stop", "eos"}
    first, second = rows()
    assert first["usage"]["output_tokens"] == plain.usage.completion_tokens
    assert first["cost_pico"] == second["cost_pico"]
    tools = compat.chat.completions.create(
        model="sim-chat", messages=[{"role": "user", "content": "Weather in Oslo?"}], tools=[TOOL]
    )
    assert tools.choices[0].finish_reason == "tool_calls"
    with pytest.raises((openai.NotFoundError, openai.BadRequestError)):
        compat.chat.completions.create(model="nobody", messages=HELLO)
    with pytest.raises(openai.RateLimitError):
        compat.chat.completions.create(model="sim-chat+fault=rate-limit", messages=HELLO)
    with pytest.raises(openai.BadRequestError):
        compat.chat.completions.create(model="sim-chat+fault=context-length", messages=HELLO)


REFUSED: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "groq n": ("groq", {"n": 2}, 400, "at most 1"),
    "groq logit_bias": ("groq", {"logit_bias": {"1": 1}}, 400, "unsupported"),
    "groq effort": ("groq", {"reasoning_effort": "xhigh"}, 400, "must be one of"),
    "groq format": ("groq", {"reasoning_format": "odd"}, 400, "must be one of"),
    "groq both": (
        "groq",
        {"reasoning_format": "raw", "include_reasoning": True},
        400,
        "cannot specify both",
    ),
    "groq schema in a stream": (
        "groq",
        {
            "stream": True,
            "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}},
        },
        400,
        "does not support streaming",
    ),
    "groq many tools": ("groq", {"tools": [TOOL] * 129}, 400, "maximum number"),
    "groq unknown": ("groq", {"web_search_options": {}}, 400, "Unknown parameter"),
    "mistral seed": ("mistral", {"seed": 7}, 422, "Extra inputs are not permitted"),
    "mistral random_seed": ("mistral", {"random_seed": "7"}, 422, "random_seed"),
    "mistral stream_options": ("mistral", {"stream": True, "stream_options": {}}, 422, "Extra"),
    "mistral name": ("mistral", {"messages": [HELLO[0] | {"name": "Sam"}]}, 422, "Extra"),
    "mistral no model": ("mistral", {"model": None}, 422, "Field required"),
    "mistral model": ("mistral", {"model": "nobody"}, 400, "Invalid model: nobody"),
    "mistral last": ("mistral", {"messages": [*HELLO, BEGUN]}, 400, "Expected last role"),
    "mistral id": (
        "mistral",
        {"messages": [*HELLO, CALLS | {"tool_calls": [CALL | {"id": "call_1"}]}]},
        400,
        "with a length of 9",
    ),
    "together logprobs": ("together", {"logprobs": True}, 400, "expected an integer"),
    "together stop": ("together", {"stop": "END"}, 400, "expected an array"),
    "perplexity seed": ("perplexity", {"seed": 7}, 400, "Unknown parameter"),
    "perplexity size": (
        "perplexity",
        {"web_search_options": {"search_context_size": "vast"}},
        400,
        "search_context_size",
    ),
    "perplexity mode": ("perplexity", {"stream_mode": "odd"}, 400, "stream_mode"),
    "perplexity last": (
        "perplexity",
        {"model": "sonar", "messages": [*HELLO, BEGUN]},
        400,
        "Last message",
    ),
    "perplexity turns": ("perplexity", {"messages": [*HELLO, *HELLO]}, 400, "should alternate"),
    "openrouter model": ("openrouter", {"model": "nobody/x"}, 404, "No endpoints found"),
    "deepinfra choice": (
        "deepinfra",
        {"tools": [TOOL], "tool_choice": "required"},
        400,
        "auto, none",
    ),
    "deepinfra result": (
        "deepinfra",
        {"messages": [*HELLO, CALLS, {"role": "tool", "tool_call_id": "abcdefghi", "content": []}]},
        400,
        "expected a string",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_refused(sim: Simulator, key: str, rows: Rows, case: str) -> None:
    provider, given, code, words = REFUSED[case]
    seen = await send(sim, provider, key, **given)
    assert seen.status == code
    assert words in seen.body.decode()
    assert [row["cost_pico"] for row in rows()] == [0]


@pytest.mark.parametrize("provider", ["together", "openrouter", "deepinfra"])
async def test_unknown_parameters_are_ignored(sim: Simulator, key: str, provider: str) -> None:
    assert (await send(sim, provider, key, repetition_penalty=1.1, odd=True)).status == 200


async def test_error_bodies(sim: Simulator, key: str) -> None:
    found = {}
    for provider in PATHS:
        seen = await send(sim, provider, key, model="sim-chat+fault=server-error")
        assert seen.status == 500
        found[provider] = json.loads(seen.body)
    assert set(found["groq"]["error"]) == {"message", "type", "param", "code"}
    assert (found["mistral"]["object"], found["mistral"]["code"]) == ("error", "1000")
    assert set(found["together"]) == {"id", "error"}
    assert found["perplexity"]["error"]["code"] == 500
    assert found["openrouter"]["error"]["metadata"] == {"error_type": "server"}
    moderated = await send(sim, "openrouter", key, model="sim-chat+fault=content-filter")
    assert json.loads(moderated.body)["error"]["metadata"]["reasons"] == ["violence"]
    checked = await send(sim, "mistral", key, temperature="hot")
    detail = json.loads(checked.body)["detail"][0]
    assert (detail["loc"], detail["type"]) == (["body", "temperature"], "type_error")


async def test_headers(sim: Simulator, key: str) -> None:
    groq = await send(sim, "groq", key)
    assert groq.header("x-ratelimit-limit-requests") == str(30_000 * 1440)
    assert groq.header("retry-after") is None
    router = await send(sim, "openrouter", key)
    assert router.header("x-generation-id") == json.loads(router.body)["id"]
    mistral = await send(sim, "mistral", key)
    assert (mistral.header("x-ratelimit-remaining") or "").isdigit()
    together = await send(sim, "together", key)
    assert (together.header("x-tokenlimit-limit") or "").isdigit()


async def test_openrouter_streams_begin_with_comments(sim: Simulator, key: str) -> None:
    seen = await send(sim, "openrouter", key, stream=True)
    assert seen.body.startswith(b": OPENROUTER PROCESSING\n\n")
    broken = await send(
        sim, "openrouter", key, model="sim-chat+fault=error-mid,after=3", stream=True
    )
    last = json.loads(broken.events[-1])
    assert last["choices"][0]["finish_reason"] == "error"
    assert last["error"]["metadata"]["error_type"] == "provider_unavailable"
    plain = await send(sim, "openrouter", key, model="sim-chat+fault=error-mid,after=3")
    assert (plain.status, json.loads(plain.body)["error"]["code"]) == (200, 502)


async def test_openrouter_cache_marks(sim: Simulator, key: str, rows: Rows) -> None:
    long = "The quick brown fox jumps over the lazy dog. " * 200
    mark = {"type": "ephemeral", "ttl": "1h"}
    system = {"role": "system", "content": [{"type": "text", "text": long, "cache_control": mark}]}
    used = []
    for _ in range(2):
        seen = await send(sim, "openrouter", key, messages=[system, *HELLO])
        used.append(json.loads(seen.body)["usage"])
    written, read = (u["prompt_tokens_details"] for u in used)
    assert (written["cached_tokens"], read["cache_write_tokens"]) == (0, 0)
    assert written["cache_write_tokens"] == read["cached_tokens"] > 1024
    assert [float(row["cost_usd"]) for row in rows()] == [u["cost"] for u in used]
    assert rows()[0]["usage"]["cache_write_1h_tokens"] == written["cache_write_tokens"]


async def test_deepinfra_tells_its_cost(sim: Simulator, key: str, rows: Rows) -> None:
    seen = await send(sim, "deepinfra", key, model="meta-llama/Llama-3.2-3B-Instruct")
    usage = json.loads(seen.body)["usage"]
    assert usage["estimated_cost"] == float(rows()[0]["cost_usd"])
    assert rows()[0]["cost_pico"] == usage["total_tokens"] * 20_000
    stream = await send(sim, "deepinfra", key, stream=True, stream_options={"include_usage": True})
    counted = json.loads(stream.events[-2])
    assert counted["usage"]["estimated_cost"] == float(rows()[1]["cost_usd"])


@pytest.mark.parametrize(
    "size, dollars", [(None, "0.012"), ("low", "0.005"), ("medium", "0.008"), ("high", "0.012")]
)
async def test_perplexity_charges_for_the_request(
    sim: Simulator, key: str, rows: Rows, size: str | None, dollars: str
) -> None:
    options = {"search_context_size": size} if size else {}
    seen = await send(sim, "perplexity", key, model="sonar", web_search_options=options)
    body = json.loads(seen.body)
    used = body["usage"]
    assert used["cost"]["request_cost"] == float(dollars)
    tokens = used["prompt_tokens"] + used["completion_tokens"]
    assert rows()[0]["cost_pico"] == tokens * 1_000_000 + int(float(dollars) * 1e12)
    assert len(body["citations"]) == len(body["search_results"]) > 1
    quiet = await send(sim, "perplexity", key, model="sim-sonar", disable_search=True)
    assert json.loads(quiet.body)["citations"] == []


async def test_perplexity_streams(sim: Simulator, key: str, rows: Rows) -> None:
    seen = await send(sim, "perplexity", key, model="sim-deep", stream=True)
    chunks = [json.loads(event) for event in seen.events]
    spent = [chunk["usage"]["cost"]["total_cost"] for chunk in chunks]
    assert spent == sorted(spent)
    assert spent[-1] == float(rows()[0]["cost_usd"])
    said = "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks)
    assert chunks[-1]["choices"][0]["message"]["content"] == said
    assert b"[DONE]" not in seen.body
    cut = await send(sim, "perplexity", key, model="sim-deep+fault=cut,after=4", stream=True)
    last = json.loads(cut.events[-1])["usage"]["cost"]
    assert last["total_cost"] == float(rows()[1]["cost_usd"])
    tags = await send(sim, "perplexity", key, model="sim-reason")
    assert json.loads(tags.body)["choices"][0]["message"]["content"].startswith("<think>\n")


async def test_embeddings(sim: Simulator, key: str, rows: Rows) -> None:
    ask = {"model": "sim-embed", "input": ["the cat sat"]}
    for path, usage in (
        ("/mistral/v1/embeddings", {"completion_tokens": 0}),
        ("/together/v1/embeddings", None),
        ("/openrouter/api/v1/embeddings", {"cost": 3 * 20_000 / 1e12}),
        ("/deepinfra/v1/openai/embeddings", {"estimated_cost": 3 * 20_000 / 1e12}),
    ):
        seen = await post(sim, path, ask, key)
        assert seen.status == 200
        told = json.loads(seen.body).get("usage")
        assert told is None if usage is None else usage.items() <= told.items()
    assert [row["cost_pico"] for row in rows()] == [60_000] * 4
    odd = await post(sim, "/mistral/v1/embeddings", ask | {"output_dtype": "int8"}, key)
    assert odd.status == 422
    floats = ask | {"encoding_format": "float"}
    assert (await post(sim, "/perplexity/v1/embeddings", floats, key)).status == 400


def get(sim: Simulator, path: str) -> Any:
    request = urllib.request.Request(sim.url + path, headers={"Authorization": "Bearer k"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


def test_lists_of_models(sim: Simulator) -> None:
    groq = get(sim, "/groq/openai/v1/models")["data"]
    assert all("context_window" in model for model in groq)
    mistral = get(sim, "/mistral/v1/models")["data"]
    assert all("completion_chat" in model["capabilities"] for model in mistral)
    together = get(sim, "/together/v1/models")
    assert isinstance(together, list)
    assert together[0]["pricing"]["input"] > 0
    assert get(sim, "/perplexity/v1/models")["object"] == "list"
    deepinfra = get(sim, "/deepinfra/v1/openai/models")["data"]
    assert deepinfra[0]["metadata"]["pricing"]["input_tokens"] > 0
    assert get(sim, "/mistral/v1/models/mistral-embed")["id"] == "mistral-embed"
    pages, path = [], "/api/v1/models?offset=0&limit=100"
    while path:
        page = get(sim, f"/openrouter{path.removeprefix('/openrouter')}")
        pages += page["data"]
        path = page["links"]["next"]
    assert len(pages) == page["total_count"] == len({model["id"] for model in pages}) > 300
    assert len(get(sim, "/openrouter/api/v1/models")["data"]) == len(pages)
    prices = [model["pricing"]["prompt"] for model in pages]
    assert all(isinstance(price, str) and "e" not in price for price in prices)
