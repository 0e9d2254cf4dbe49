"""The official google-genai SDK judges the Gemini API and Vertex AI."""

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials

from llm_orchestrator.simulator import Simulator

from .conftest import HELLO, PIXEL, WEATHER, Client

Rows = Callable[[], list[dict[str, Any]]]
PROMPT = HELLO[0]["content"]
TOOL = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather", description="Weather of a city", parameters_json_schema=WEATHER
        )
    ]
)
NO_LOOP = types.AutomaticFunctionCallingConfig(disable=True)


def client(url: str, key: str, version: str | None = None, **vertex: Any) -> Client:
    options = types.HttpOptions(base_url=url, api_version=version)
    if vertex:
        login = Credentials(key)  # type: ignore[no-untyped-call]
        return genai.Client(enterprise=True, credentials=login, http_options=options, **vertex)
    return genai.Client(api_key=key, http_options=options)


@pytest.fixture(params=["v1", "v1beta", "vertex"])
def gem(request: pytest.FixtureRequest, sim: Simulator, key: str) -> Iterator[Client]:
    if request.param == "vertex":
        place = {"project": "proj", "location": "us-central1"}
        made = client(sim.vertex_url, key, **place)
    else:
        made = client(sim.gemini_url, key, request.param)
    yield made
    made.close()


@pytest.fixture
def studio(sim: Simulator, key: str) -> Iterator[Client]:
    made = client(sim.gemini_url, key)
    yield made
    made.close()


def test_plain_and_stream_and_their_bill(gem: Client, rows: Rows) -> None:
    plain = gem.models.generate_content(model="gemini-2.5-flash-lite", contents=PROMPT)
    chunks = list(
        gem.models.generate_content_stream(model="gemini-2.5-flash-lite", contents=PROMPT)
    )
    assert "".join(chunk.text or "" for chunk in chunks) == plain.text
    assert plain.candidates[0].finish_reason == types.FinishReason.STOP
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    used, last = plain.usage_metadata, chunks[-1].usage_metadata
    assert last == used
    assert used.total_token_count == (
        used.prompt_token_count + used.candidates_token_count + (used.thoughts_token_count or 0)
    )
    first, second = rows()
    assert first["request_id"] == plain.response_id
    assert first["usage"] == second["usage"]
    assert first["usage"]["input_tokens"] == used.prompt_token_count
    output = used.candidates_token_count + (used.thoughts_token_count or 0)
    assert first["usage"]["output_tokens"] == output
    assert first["usage"]["reasoning_tokens"] == (used.thoughts_token_count or 0)
    # thoughts cost what answers cost
    assert first["cost_pico"] == used.prompt_token_count * 100_000 + output * 400_000


def test_usage_grows_from_chunk_to_chunk(studio: Client) -> None:
    chunks = studio.models.generate_content_stream(model="sim-reason", contents=PROMPT)
    counts = [c.usage_metadata for c in chunks]
    visible = [c.candidates_token_count or 0 for c in counts]
    assert visible == sorted(visible)
    assert counts[0].thoughts_token_count > 0


def test_thoughts(gem: Client) -> None:
    config: dict[str, Any]
    config = {"thinking_config": {"include_thoughts": True, "thinking_budget": 20}}
    reply = gem.models.generate_content(model="sim-reason", contents=PROMPT, config=config)
    thought, said = reply.candidates[0].content.parts
    assert (thought.thought, bool(thought.text), said.thought) == (True, True, None)
    assert said.thought_signature
    assert reply.usage_metadata.thoughts_token_count == 20
    chunks = list(
        gem.models.generate_content_stream(model="sim-reason", contents=PROMPT, config=config)
    )
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or []]
    assert "".join(part.text for part in parts if part.thought) == thought.text
    assert "".join(part.text for part in parts if not part.thought) == said.text
    config = {"thinking_config": {"thinking_level": "HIGH"}, "max_output_tokens": 10}
    cut = gem.models.generate_content(model="sim-reason", contents=PROMPT, config=config)
    assert cut.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    assert cut.candidates[0].content.parts is None
    assert cut.usage_metadata.thoughts_token_count == 10


def test_thoughts_inside_of_the_candidates(studio: Client, rows: Rows) -> None:
    reply = studio.models.generate_content(model="sim-reason-thoughts-inside", contents=PROMPT)
    used = reply.usage_metadata
    assert used.prompt_token_count + used.candidates_token_count == used.total_token_count
    assert 0 < used.thoughts_token_count < used.candidates_token_count
    assert rows()[0]["usage"]["output_tokens"] == used.candidates_token_count


@pytest.mark.parametrize("model", ["sim-chat", "sim-reason"])
@pytest.mark.parametrize("stream", [False, True])
def test_calls_and_their_results(gem: Client, model: str, stream: bool) -> None:
    ask = types.UserContent("What is the weather in Paris and in Rome?")
    config = types.GenerateContentConfig(tools=[TOOL], automatic_function_calling=NO_LOOP)
    given: dict[str, Any] = {"model": model, "contents": [ask], "config": config}
    if stream:
        chunks = list(gem.models.generate_content_stream(**given))
        parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or []]
        finish = chunks[-1].candidates[0].finish_reason
    else:
        reply = gem.models.generate_content(**given)
        parts = reply.candidates[0].content.parts
        finish = reply.candidates[0].finish_reason
    parts = [part for part in parts if part.function_call]
    assert finish == types.FinishReason.STOP
    assert [part.function_call.args for part in parts] == [{"city": "Paris"}, {"city": "Rome"}]
    assert bool(parts[0].thought_signature) is (model == "sim-reason")
    answers = [
        types.Part(
            function_response=types.FunctionResponse(
                id=part.function_call.id, name="get_weather", response={"output": degrees}
            )
        )
        for part, degrees in zip(parts, ("11 degrees", "20 degrees"), strict=True)
    ]
    turns = [ask, types.ModelContent(parts), types.UserContent(answers)]
    after = gem.models.generate_content(model=model, contents=turns, config=config)
    assert "11 degrees; 20 degrees" in after.text


def test_the_signature_of_a_call_has_to_come_back(studio: Client) -> None:
    config = types.GenerateContentConfig(tools=[TOOL], automatic_function_calling=NO_LOOP)

    def ask(signature: bytes | None, model: str = "sim-reason") -> Any:
        call = types.Part(
            function_call=types.FunctionCall(name="get_weather", args={"city": "Oslo"}),
            thought_signature=signature,
        )
        result = types.Part.from_function_response(name="get_weather", response={"output": "3"})
        turns = [types.UserContent("Weather in Oslo?"), types.ModelContent([call])]
        turns.append(types.UserContent([result]))
        return studio.models.generate_content(model=model, contents=turns, config=config)

    lost = ask(None)
    assert lost.candidates[0].finish_reason == types.FinishReason.MISSING_THOUGHT_SIGNATURE
    assert lost.candidates[0].content.parts is None
    with pytest.raises(errors.ClientError, match="signature is not valid"):
        ask(b"something else")
    for fine in (ask(b"skip_thought_signature_validator"), ask(None, "sim-chat")):
        assert fine.candidates[0].finish_reason == types.FinishReason.STOP


@pytest.mark.parametrize("own", [False, True])
def test_schemas(gem: Client, own: bool) -> None:
    config: dict[str, Any] = {"response_mime_type": "application/json"}
    if own:
        properties = {"city": {"type": "STRING", "nullable": True}, "mood": {"type": "INTEGER"}}
        config["response_schema"] = {
            "type": "OBJECT",
            "properties": properties,
            "required": ["city"],
        }
    else:
        config["response_json_schema"] = WEATHER
    ask = "A city in Norway, please: Oslo?"
    reply = gem.models.generate_content(model="sim-chat", contents=ask, config=config)
    assert isinstance(json.loads(reply.text)["city"], str)
    loose = gem.models.generate_content(
        model="sim-chat",
        contents="Give JSON with the keys city and size",
        config={"response_mime_type": "application/json"},
    )
    assert set(json.loads(loose.text)) == {"city", "size"}


def test_pictures_system_and_settings(gem: Client) -> None:
    picture = types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png")
    reply = gem.models.generate_content(
        model="gemini-2.5-flash",
        contents=[picture, "What is this? Answer with only one of: cat, dog"],
        config={
            "system_instruction": "Be brief.",
            "temperature": 0.2,
            "top_k": 5,
            "candidate_count": 2,
            "stop_sequences": ["END"],
            "seed": 7,
            "thinking_config": {"thinking_budget": 0},
        },
    )
    said = [candidate.content.parts[0].text for candidate in reply.candidates]
    assert len(said) == 2
    assert set(said) <= {"cat", "dog"}
    details = {d.modality.value: d.token_count for d in reply.usage_metadata.prompt_tokens_details}
    assert details["IMAGE"] == 258
    assert sum(details.values()) == reply.usage_metadata.prompt_token_count


def test_cached_prefixes_are_cheaper(gem: Client, rows: Rows) -> None:
    long = "The quick brown fox jumps over the lazy dog. " * 200
    for _ in range(2):
        reply = gem.models.generate_content(model="gemini-2.5-flash-lite", contents=long)
    cached = reply.usage_metadata.cached_content_token_count
    assert cached >= 1024
    first, second = rows()
    assert (first["usage"]["cache_read_tokens"], second["usage"]["cache_read_tokens"]) == (
        0,
        cached,
    )
    assert first["cost_pico"] - second["cost_pico"] == cached * (100_000 - 10_000)


def test_service_tiers(studio: Client, rows: Rows) -> None:
    for tier in ("flex", "priority", "standard"):
        studio.models.generate_content(
            model="gemini-2.5-flash-lite", contents="Hi", config={"service_tier": tier}
        )
    assert [row["service_tier"] for row in rows()] == ["flex", "priority", "standard"]
    flex, priority, standard = [row["cost_pico"] for row in rows()]
    assert flex < standard < priority


def test_prefill_goes_on_with_what_was_said(studio: Client) -> None:
    turns = [types.UserContent(PROMPT), types.ModelContent("The waves")]
    reply = studio.models.generate_content(model="sim-chat", contents=turns)
    assert not reply.text.startswith("The waves")


def test_embeddings(gem: Client, rows: Rows) -> None:
    vertex = gem.vertexai
    texts = ["the cat sat"] if vertex else ["the cat sat", "the cat slept", "bond yields fell"]
    reply = gem.models.embed_content(
        model="gemini-embedding-001",
        contents=texts,
        config={"task_type": "RETRIEVAL_DOCUMENT", "output_dimensionality": 256},
    )
    vectors = [embedding.values for embedding in reply.embeddings]
    assert [len(vector) for vector in vectors] == [256] * len(texts)
    (row,) = rows()
    if vertex:
        assert reply.embeddings[0].statistics.token_count == row["usage"]["input_tokens"]
    else:
        near, far = (
            sum(a * b for a, b in zip(vectors[0], other, strict=True)) for other in vectors[1:]
        )
        assert near > far
        assert reply.usage_metadata.prompt_token_count == row["usage"]["input_tokens"]
    assert row["cost_pico"] == row["usage"]["input_tokens"] * 150_000
    newer = gem.models.embed_content(model="gemini-embedding-2", contents="one text")
    assert len(newer.embeddings[0].values) == 3072


def test_counting_is_free(gem: Client, rows: Rows) -> None:
    counted = gem.models.count_tokens(model="sim-chat", contents=PROMPT)
    assert rows() == []
    reply = gem.models.generate_content(model="sim-chat", contents=PROMPT)
    assert counted.total_tokens == reply.usage_metadata.prompt_token_count


def test_models(gem: Client) -> None:
    listed = list(gem.models.list(config={"page_size": 7}))
    names = [model.name for model in listed]
    assert len(names) == len(set(names)) > 14
    assert any(name.endswith("models/gemini-2.5-flash") for name in names)
    one = gem.models.get(model="gemini-2.5-flash")
    assert one.name.endswith("models/gemini-2.5-flash")
    if not gem.vertexai:
        assert (one.input_token_limit, "generateContent" in one.supported_actions) == (
            1_048_576,
            True,
        )
        assert one.thinking is True


def test_a_blocked_prompt_is_no_error(gem: Client, rows: Rows) -> None:
    model = "sim-chat+fault=content-filter"
    reply = gem.models.generate_content(model=model, contents=PROMPT)
    chunks = list(gem.models.generate_content_stream(model=model, contents=PROMPT))
    for blocked in (reply, *chunks):
        assert blocked.candidates is None
        assert blocked.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT
    assert [row["usage"]["output_tokens"] for row in rows()] == [0, 0]
    stopped = gem.models.generate_content(model="sim-chat+fault=filtered", contents=PROMPT)
    assert stopped.candidates[0].finish_reason == types.FinishReason.SAFETY


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "fault, code, status",
    [
        ("rate-limit,retry_after=1.5", 429, "RESOURCE_EXHAUSTED"),
        ("rate-limit-bare", 429, "RESOURCE_EXHAUSTED"),
        ("quota", 429, "RESOURCE_EXHAUSTED"),
        ("server-error", 500, "INTERNAL"),
        ("overloaded", 503, "UNAVAILABLE"),
        ("status", 504, "DEADLINE_EXCEEDED"),
        ("context-length", 400, "INVALID_ARGUMENT"),
    ],
)
def test_errors(gem: Client, stream: bool, fault: str, code: int, status: str) -> None:
    ask: dict[str, Any] = {"model": f"sim-chat+fault={fault}", "contents": PROMPT}
    send = gem.models.generate_content_stream if stream else gem.models.generate_content
    with pytest.raises(errors.APIError) as caught:
        list(send(**ask))
    assert (caught.value.code, caught.value.status) == (code, status)
    details = caught.value.details["error"].get("details", [])
    delays = [detail["retryDelay"] for detail in details if "retryDelay" in detail]
    assert delays == (["1.5s"] if fault.startswith("rate-limit,") else [])
    quotas = [detail["violations"][0]["quotaId"] for detail in details if "violations" in detail]
    assert ["PerDay" in quota for quota in quotas] == ([fault == "quota"] if code == 429 else [])


def test_an_error_in_the_middle_of_a_stream(gem: Client) -> None:
    said: list[str] = []
    chunks = gem.models.generate_content_stream(
        model="sim-chat+fault=error-mid,after=4", contents=PROMPT
    )
    with pytest.raises(errors.ServerError) as caught:
        said.extend(chunk.text for chunk in chunks)
    assert (caught.value.code, len(said)) == (503, 4)


def test_the_sdk_tries_again_when_told_to(sim: Simulator, key: str, rows: Rows) -> None:
    options = types.HttpRetryOptions(attempts=3, initial_delay=0.01, max_delay=0.02)
    http = types.HttpOptions(base_url=sim.gemini_url, retry_options=options)
    made = genai.Client(api_key=key, http_options=http)
    reply = made.models.generate_content(
        model="sim-chat+fault=unavailable,times=2", contents=PROMPT
    )
    made.close()
    assert reply.text
    assert [row["status"] for row in rows()] == [503, 503, 200]


@pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning")
async def test_many_at_once(sim: Simulator, key: str) -> None:
    made = client(sim.gemini_url, key).aio
    replies = await asyncio.gather(
        *(made.models.generate_content(model="sim-chat", contents=f"Hi {n}") for n in range(20))
    )
    await made.aclose()
    assert len({reply.response_id for reply in replies}) == 20
