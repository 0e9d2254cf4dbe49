"""The official cohere SDK judges the Cohere wire."""

import base64
import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import cohere
import pytest
from cohere import errors

from llm_orchestrator.simulator import Simulator

from .conftest import HELLO, PIXEL, WEATHER, Client
from .raw import post

Rows = Callable[[], list[dict[str, Any]]]
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Weather of a city", "parameters": WEATHER},
}
R7B = "command-r7b-12-2024"


@pytest.fixture
def co(sim: Simulator, key: str) -> Iterator[Client]:
    made = cohere.ClientV2(api_key=key, base_url=sim.cohere_url)
    yield made
    made._client_wrapper.httpx_client.httpx_client.close()


def test_plain_and_stream_and_their_bill(co: Client, rows: Rows) -> None:
    plain = co.chat(model=R7B, messages=HELLO)
    events = list(co.chat_stream(model=R7B, messages=HELLO))
    assert plain.finish_reason == "COMPLETE"
    (part,) = plain.message.content
    said = [e.delta.message.content.text for e in events if e.type == "content-delta"]
    assert "".join(said) == part.text
    kinds = [event.type for event in events]
    assert kinds[:2] == ["message-start", "content-start"]
    assert kinds[-2:] == ["content-end", "message-end"]
    assert events[-1].delta.usage == plain.usage
    billed, shown = plain.usage.billed_units, plain.usage.tokens
    assert shown.input_tokens > billed.input_tokens
    assert shown.output_tokens > billed.output_tokens
    first, second = rows()
    assert first["request_id"] == plain.id
    assert first["usage"] == second["usage"]
    assert first["usage"]["input_tokens"] == billed.input_tokens
    expected = billed.input_tokens * 37_500 + billed.output_tokens * 150_000
    assert first["cost_pico"] == second["cost_pico"] == expected


def test_calls_and_their_results(co: Client) -> None:
    ask = [{"role": "user", "content": "What is the weather in Paris and in Rome?"}]
    reply = co.chat(model="sim-chat", messages=ask, tools=[TOOL])
    calls = reply.message.tool_calls
    assert reply.finish_reason == "TOOL_CALL"
    assert reply.message.tool_plan == "I will use get_weather."
    assert [json.loads(call.function.arguments) for call in calls] == [
        {"city": "Paris"},
        {"city": "Rome"},
    ]
    events = list(co.chat_stream(model="sim-chat", messages=ask, tools=[TOOL]))
    starts = [e for e in events if e.type == "tool-call-start"]
    assert [start.index for start in starts] == [0, 1]
    assert starts[0].delta.message.tool_calls.function.name == "get_weather"
    arguments = [
        event.delta.message.tool_calls.function.arguments
        for event in events
        if event.type == "tool-call-delta" and event.index == 0
    ]
    assert "".join(arguments) == calls[0].function.arguments
    plan = [e.delta.message.tool_plan for e in events if e.type == "tool-plan-delta"]
    assert "".join(plan) == reply.message.tool_plan
    assert events[-1].delta.finish_reason == "TOOL_CALL"
    turns = [*ask, reply.message.model_dump(exclude_none=True)]
    turns += [
        {"role": "tool", "tool_call_id": calls[0].id, "content": "11 degrees"},
        {
            "role": "tool",
            "tool_call_id": calls[1].id,
            "content": [{"type": "document", "document": {"data": {"temp": 20}}}],
        },
    ]
    after = co.chat(model="sim-chat", messages=turns, tools=[TOOL])
    assert '11 degrees; {"temp": 20}' in after.message.content[0].text
    forced = co.chat(
        model="sim-chat", messages=HELLO, tools=[TOOL], tool_choice="REQUIRED", strict_tools=True
    )
    assert forced.finish_reason == "TOOL_CALL"
    none = co.chat(model="sim-chat", messages=ask, tools=[TOOL], tool_choice="NONE")
    assert none.finish_reason == "COMPLETE"


def test_thinking(co: Client, rows: Rows) -> None:
    given: dict[str, Any] = {"model": "sim-reason", "messages": HELLO}
    given["thinking"] = {"type": "enabled", "token_budget": 20}
    reply = co.chat(**given)
    thought, said = reply.message.content
    events = [e for e in co.chat_stream(**given) if e.type == "content-delta"]
    parts = [event.delta.message.content for event in events]
    assert "".join(part.thinking or "" for part in parts) == thought.thinking
    assert "".join(part.text or "" for part in parts) == said.text
    assert [row["usage"]["reasoning_tokens"] for row in rows()] == [20, 20]
    off = co.chat(**given | {"thinking": {"type": "disabled"}})
    assert [part.type for part in off.message.content] == ["text"]


def test_schema_picture_and_settings(co: Client) -> None:
    url = f"data:image/png;base64,{PIXEL}"
    content = [
        {"type": "text", "text": "Where is this, Oslo?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    reply = co.chat(
        model="sim-chat",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": content},
        ],
        response_format={"type": "json_object", "schema": WEATHER},
        temperature=0.2,
        p=0.9,
        k=5,
        seed=7,
        safety_mode="STRICT",
    )
    assert set(json.loads(reply.message.content[0].text)) == {"city"}
    cut = co.chat(model="sim-chat", messages=HELLO, max_tokens=5)
    assert (cut.finish_reason, cut.usage.billed_units.output_tokens) == ("MAX_TOKENS", 5)
    stopped = co.chat(model="sim-chat", messages=HELLO, stop_sequences=["the"])
    assert stopped.finish_reason == "STOP_SEQUENCE"


def test_cached_tokens(co: Client, rows: Rows) -> None:
    long = [{"role": "user", "content": "The quick brown fox jumps over the lazy dog. " * 200}]
    first, second = [co.chat(model="sim-chat", messages=long).usage for _ in range(2)]
    assert (first.cached_tokens, second.cached_tokens >= 1024) == (0, True)
    costs = [row["cost_pico"] for row in rows()]
    assert costs[0] - costs[1] == second.cached_tokens * (500_000 - 50_000)


def test_embeddings(co: Client, rows: Rows) -> None:
    texts = ["the cat sat", "the cat slept", "bond yields fell"]
    reply = co.embed(
        model="embed-v4.0",
        texts=texts,
        input_type="search_document",
        output_dimension=256,
        embedding_types=["float", "int8", "base64"],
    )
    vectors = reply.embeddings.float_
    assert [len(vector) for vector in vectors] == [256] * 3
    near, far = (sum(a * b for a, b in zip(vectors[0], v, strict=True)) for v in vectors[1:])
    assert near > far
    packed = struct.unpack("<256f", base64.b64decode(reply.embeddings.base64[0]))
    assert list(packed) == pytest.approx(vectors[0])
    assert max(reply.embeddings.int8[0]) <= 127
    (row,) = rows()
    assert row["usage"]["input_tokens"] == reply.meta.billed_units.input_tokens
    assert row["cost_pico"] == row["usage"]["input_tokens"] * 120_000
    inputs = [{"content": [{"type": "text", "text": "the cat sat"}]}]
    same = co.embed(model="embed-v4.0", inputs=inputs, input_type="search_query")
    assert len(same.embeddings.float_[0]) == 1536


def test_models_and_tokens(co: Client, rows: Rows) -> None:
    found, token = [], None
    while True:
        page = co.models.list(page_size=5, page_token=token, endpoint="chat")
        found += [model.name for model in page.models]
        token = page.next_page_token
        if not token:
            break
    assert len(found) == len(set(found)) > 5
    assert "embed-v4.0" not in found
    assert co.models.get(R7B).endpoints == ["chat"]
    counted = co.tokenize(text="abc def", model=R7B, offline=False)
    assert counted.token_strings == ["abc", " def"]
    assert len(counted.tokens) == 2
    assert rows() == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "fault, error, code",
    [
        ("rate-limit", errors.TooManyRequestsError, 429),
        ("server-error", errors.InternalServerError, 500),
        ("unavailable", errors.ServiceUnavailableError, 503),
        ("overloaded", errors.ServiceUnavailableError, 503),
        ("status", errors.GatewayTimeoutError, 504),
        ("status,status=498", errors.InvalidTokenError, 498),
        ("context-length", errors.BadRequestError, 400),
        ("content-filter", errors.BadRequestError, 400),
    ],
)
def test_errors(co: Client, stream: bool, fault: str, error: Any, code: int) -> None:
    send = co.chat_stream if stream else co.chat
    options = {"max_retries": 0}
    with pytest.raises(error) as caught:
        list(send(model=f"sim-chat+fault={fault}", messages=HELLO, request_options=options))
    assert caught.value.status_code == code
    assert caught.value.body["message"]


def test_an_error_in_the_middle_of_a_stream(co: Client) -> None:
    events = list(co.chat_stream(model="sim-chat+fault=error-mid,after=4", messages=HELLO))
    assert (events[-1].type, events[-1].delta.finish_reason) == ("message-end", "ERROR")
    assert "overloaded" in events[-1].delta.error
    assert len([event for event in events if event.type == "content-delta"]) == 4


USER = {"role": "user", "content": "Hi"}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLS = {"role": "assistant", "tool_calls": [CALL]}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": WEATHER}}


def turns(*messages: Any) -> dict[str, Any]:
    return {"messages": list(messages)}


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown field": ({"top_p": 0.5}, "parameter 'top_p' is not a valid field"),
    "too hot": ({"temperature": 1.5}, "temperature must be between 0 and 1"),
    "p": ({"p": 1}, "p must be between"),
    "no number": ({"max_tokens": "5"}, "max_tokens must be a number"),
    "too many tokens": ({"max_tokens": 10**7}, "max_tokens must be at most"),
    "many stops": ({"stop_sequences": list("abcdef")}, "at most 5"),
    "stream": ({"stream": "yes"}, "stream must be a boolean"),
    "safety": ({"safety_mode": "WILD"}, "safety_mode"),
    "no messages": (turns(), "at least one message"),
    "role": (turns({"role": "bot", "content": "x"}), "messages[0].role"),
    "no content": (turns({"role": "user"}), "content is required"),
    "odd part": (turns({"role": "user", "content": [{"type": "audio"}]}), "'audio' is not allowed"),
    "bad image": (
        turns({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}),
        "could not load the image",
    ),
    "no image": (
        turns(
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": "data:image/png;base64,aGk="}],
            }
        ),
        "could not decode the image",
    ),
    "result of nothing": (
        turns(USER, {"role": "tool", "tool_call_id": "c", "content": "1"}),
        "not found in previous tool calls",
    ),
    "no result": (turns(USER, CALLS, USER), "have no tool results"),
    "calls of the user": (turns(USER | {"tool_calls": [CALL]}), "only allowed in assistant"),
    "arguments": (
        turns(USER, {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f"}}]}),
        "must be JSON text",
    ),
    "tool": ({"tools": [{"type": "function"}]}, "a function"),
    "tool name": ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "valid name"),
    "choice": ({"tools": [FUNCTION], "tool_choice": "auto"}, "REQUIRED, NONE"),
    "choice of none": ({"tool_choice": "REQUIRED"}, "with tools"),
    "format": ({"response_format": {"type": "json_schema"}}, "text, json_object"),
    "format with documents": (
        {"response_format": {"type": "json_object"}, "documents": ["a"]},
        "not supported with documents",
    ),
    "loose schema": (
        {"response_format": {"type": "json_object", "schema": {"type": "object"}}},
        "at least one field",
    ),
    "thinking": ({"thinking": {"type": "deep"}}, "enabled, disabled"),
    "budget": ({"thinking": {"type": "enabled", "token_budget": 0}}, "positive integer"),
}


@pytest.mark.parametrize("case", CASES)
async def test_refused(sim: Simulator, key: str, rows: Rows, case: str) -> None:
    given, words = CASES[case]
    seen = await post(sim, "/v2/chat", {"model": "sim-chat", "messages": [USER]} | given, key)
    body = json.loads(seen.body)
    assert seen.status == 400
    assert words in body["message"]
    assert body["id"] == seen.header("x-debug-trace-id")
    assert [row["cost_pico"] for row in rows()] == [0]


@pytest.mark.parametrize(
    "path, body, code, words",
    [
        ("/v2/chat", {"messages": [USER]}, 400, "model is required"),
        ("/v2/chat", {"model": "nobody", "messages": [USER]}, 404, "not found"),
        ("/v2/chat", {"model": "embed-v4.0", "messages": [USER]}, 400, "chat API"),
        (
            "/v2/chat",
            {"model": R7B, "messages": [USER, {"role": "assistant", "content": "A"}]},
            400,
            "last message",
        ),
        (
            "/v2/chat",
            {"model": R7B, "messages": [USER], "thinking": {"type": "enabled"}},
            400,
            "thinking is not supported",
        ),
        (
            "/v2/chat",
            {"model": "sim-chat", "messages": [{"role": "user", "content": "a1" * 101_000}]},
            400,
            "too many tokens",
        ),
        (
            "/v2/embed",
            {"model": R7B, "texts": ["a"], "input_type": "search_query"},
            400,
            "embed API",
        ),
        ("/v2/embed", {"model": "embed-v4.0", "texts": ["a"]}, 400, "input_type"),
        (
            "/v2/embed",
            {"model": "embed-v4.0", "texts": ["a"] * 97, "input_type": "search_query"},
            400,
            "at most 96",
        ),
        ("/v2/embed", {"model": "embed-v4.0", "input_type": "search_query"}, 400, "exactly one"),
        (
            "/v2/embed",
            {"model": "embed-v4.0", "texts": [], "input_type": "search_query"},
            400,
            "at least one text",
        ),
        ("/v1/tokenize", {"model": R7B, "text": ""}, 400, "characters"),
        ("/v1/tokenize", {"model": "nobody", "text": "a"}, 404, "not found"),
        ("/v2/sing", {}, 404, "Not Found"),
    ],
)
async def test_other_refusals(
    sim: Simulator, key: str, path: str, body: Any, code: int, words: str
) -> None:
    seen = await post(sim, path, body, key, headers={"anthropic-version": ""})
    assert seen.status == code
    assert words in json.loads(seen.body)["message"]


def test_keys(sim: Simulator) -> None:
    made = cohere.ClientV2(api_key="bad", base_url=sim.cohere_url)
    with pytest.raises(errors.UnauthorizedError, match="invalid api token"):
        made.chat(model="sim-chat", messages=HELLO)
    with pytest.raises(errors.UnauthorizedError):
        made.models.list()
    made._client_wrapper.httpx_client.httpx_client.close()
