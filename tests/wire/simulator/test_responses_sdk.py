"""The official openai SDK judges the Responses wire."""

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest

from llm_orchestrator.simulator import Simulator

from .conftest import HELLO, PIXEL, WEATHER, Client
from .raw import post

Rows = Callable[[], list[dict[str, Any]]]
TOOL: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather of a city",
    "parameters": WEATHER,
    "strict": True,
}
PROMPT = HELLO[0]["content"]


def test_plain_and_stream_and_their_bill(oai: Client, rows: Rows) -> None:
    plain = oai.responses.create(model="gpt-4o-mini", input=PROMPT, instructions="Be brief.")
    events = list(
        oai.responses.create(
            model="gpt-4o-mini", input=PROMPT, instructions="Be brief.", stream=True
        )
    )
    assert (plain.status, plain.model) == ("completed", "gpt-4o-mini-2024-07-18")
    assert len(plain.output_text.split()) > 15
    kinds = [event.type.removeprefix("response.") for event in events]
    assert kinds[:4] == ["created", "in_progress", "output_item.added", "content_part.added"]
    assert kinds[-4:] == [
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    said = [e.delta for e in events if e.type == "response.output_text.delta"]
    assert "".join(said) == plain.output_text == events[-1].response.output_text
    assert events[-1].response.usage == plain.usage
    assert events[0].response.usage is None
    assert plain.usage.total_tokens == plain.usage.input_tokens + plain.usage.output_tokens
    first, second = rows()
    assert first["wire"] == "openai.responses"
    assert first["usage"] == second["usage"]
    expected = plain.usage.input_tokens * 150_000 + plain.usage.output_tokens * 600_000
    assert first["cost_pico"] == second["cost_pico"] == expected


def test_calls_and_their_results(oai: Client) -> None:
    ask = [{"role": "user", "content": "What is the weather in Paris and in Rome?"}]
    given: dict[str, Any] = {"model": "gpt-4o", "input": ask, "tools": [TOOL]}
    reply = oai.responses.create(**given)
    calls = [item for item in reply.output if item.type == "function_call"]
    assert reply.status == "completed"
    assert [json.loads(c.arguments) for c in calls] == [{"city": "Paris"}, {"city": "Rome"}]
    with oai.responses.stream(**given) as stream:
        final = stream.get_final_response()
    assert [item.arguments for item in final.output] == [call.arguments for call in calls]
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": degrees}
        for call, degrees in zip(calls, ("11 degrees", "20 degrees"), strict=True)
    ]
    turns = [*ask, *(call.model_dump(exclude_none=True) for call in calls), *results]
    after = oai.responses.create(**given | {"input": turns})
    assert "11 degrees; 20 degrees" in after.output_text
    kept = oai.responses.create(
        model="gpt-4o", input=results, tools=[TOOL], previous_response_id=reply.id
    )
    assert kept.output_text == after.output_text
    forced = oai.responses.create(
        model="gpt-4o",
        input="Hello",
        tools=[TOOL, {"type": "web_search"}],
        tool_choice={"type": "function", "name": "get_weather"},
    )
    assert forced.output[0].name == "get_weather"


def test_going_on_from_a_stored_response(oai: Client) -> None:
    first = oai.responses.create(model="gpt-4o-mini", input=PROMPT)
    second = oai.responses.create(
        model="gpt-4o-mini", input="And at noon?", previous_response_id=first.id
    )
    assert second.usage.input_tokens > first.usage.input_tokens + first.usage.output_tokens
    assert oai.responses.retrieve(first.id).output_text == first.output_text
    oai.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        oai.responses.retrieve(first.id)
    with pytest.raises(openai.BadRequestError, match="not found"):
        oai.responses.create(model="gpt-4o-mini", input="x", previous_response_id=first.id)
    hidden = oai.responses.create(model="gpt-4o-mini", input=PROMPT, store=False)
    with pytest.raises(openai.NotFoundError):
        oai.responses.retrieve(hidden.id)


def test_reasoning(oai: Client, rows: Rows) -> None:
    given: dict[str, Any] = {
        "model": "sim-reason",
        "input": PROMPT,
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
    }
    reply = oai.responses.create(**given)
    thought, message = reply.output
    assert (thought.type, message.type) == ("reasoning", "message")
    assert thought.summary[0].text
    assert reply.usage.output_tokens_details.reasoning_tokens > 0
    events = list(oai.responses.create(**given, stream=True))
    shown = [e.delta for e in events if e.type == "response.reasoning_summary_text.delta"]
    assert "".join(shown) == thought.summary[0].text
    assert rows()[0]["usage"]["reasoning_tokens"] == len(shown)
    back = {"type": "reasoning", "id": thought.id, "summary": []}
    turns = [
        {"role": "user", "content": PROMPT},
        back | {"encrypted_content": thought.encrypted_content},
        message.model_dump(exclude_none=True),
        {"role": "user", "content": "Go on."},
    ]
    assert oai.responses.create(model="sim-reason", input=turns).output_text
    turns[1] = back | {"encrypted_content": "bm90IG91cnMgYXQgYWxsLCBub3QgYXQgYWxs"}
    with pytest.raises(openai.BadRequestError) as caught:
        oai.responses.create(model="sim-reason", input=turns)
    assert caught.value.code == "invalid_encrypted_content"
    silent = oai.responses.create(model="sim-reason", input=PROMPT)
    assert silent.output[0].summary == []
    assert (
        oai.responses.create(model="sim-reason", input=PROMPT, reasoning={"effort": "none"})
        .output[0]
        .type
        == "message"
    )


def test_schema_picture_and_limits(oai: Client) -> None:
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"}
    ask = [{"role": "user", "content": [{"type": "input_text", "text": "Where, Oslo?"}, image]}]
    form = {"type": "json_schema", "name": "out", "schema": WEATHER, "strict": True}
    reply = oai.responses.create(
        model="gpt-4o", input=ask, text={"format": form}, temperature=0.2, top_p=0.9
    )
    assert set(json.loads(reply.output_text)) == {"city"}
    cut = oai.responses.create(model="gpt-4o", input=PROMPT, max_output_tokens=16)
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert (cut.usage.output_tokens, cut.output[0].status) == (16, "incomplete")
    events = list(
        oai.responses.create(model="gpt-4o", input=PROMPT, max_output_tokens=16, stream=True)
    )
    assert events[-1].type == "response.incomplete"
    filtered = oai.responses.create(model="sim-chat+fault=filtered", input=PROMPT)
    assert filtered.incomplete_details.reason == "content_filter"


def test_count_cache_and_tiers(oai: Client, rows: Rows) -> None:
    given: dict[str, Any] = {"model": "gpt-4o", "input": PROMPT, "instructions": "Be brief."}
    counted = oai.responses.input_tokens.count(**given).input_tokens
    assert rows() == []
    assert oai.responses.create(**given).usage.input_tokens == counted
    long = "Every rule of the house counts. " * 300
    used = [oai.responses.create(model="gpt-4o", input=long).usage for _ in range(2)]
    assert [u.input_tokens_details.cached_tokens >= 1024 for u in used] == [False, True]
    for tier in ("flex", "priority"):
        oai.responses.create(model="gpt-5", input="Hi", service_tier=tier)
    assert [row["service_tier"] for row in rows()[-2:]] == ["flex", "priority"]


def test_failures_inside_a_stream(oai: Client, rows: Rows) -> None:
    ask: dict[str, Any] = {"input": PROMPT, "stream": True}
    events = list(oai.responses.create(model="sim-chat+fault=error-mid,after=4", **ask))
    assert (events[-1].type, events[-1].response.status) == ("response.failed", "failed")
    assert events[-1].response.error.code == "server_error"
    assert rows()[0]["usage"]["output_tokens"] == 4
    events = list(oai.responses.create(model="sim-chat+fault=error-first", **ask))
    assert (events[-1].type, events[-1].code) == ("error", "server_error")
    assert rows()[1]["cost_pico"] == 0
    plain = oai.responses.create(model="sim-chat+fault=error-mid,after=4", input=PROMPT)
    assert (plain.status, plain.error.code) == ("failed", "server_error")


CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"messages": []}, "Unknown parameter: 'messages'"),
    "no input": ({"input": None}, "Missing required parameter: 'input'"),
    "empty input": ({"input": []}, "empty array"),
    "unknown item": ({"input": [{"type": "song"}]}, "Invalid value: 'song'"),
    "role": ({"input": [{"role": "tool", "content": "x"}]}, "Invalid value: 'tool'"),
    "chat part": (
        {"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
        "Invalid value: 'text'",
    ),
    "image object": (
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": {}}]}]},
        "expected a string",
    ),
    "bad image": (
        {
            "input": [
                {
                    "role": "user",
                    "content": [{"type": "input_image", "image_url": "data:image/png;base64,aGk="}],
                }
            ]
        },
        "not represent a valid image",
    ),
    "no output": ({"input": [CALL]}, "No tool output found for function call c"),
    "no call": (
        {"input": [{"type": "function_call_output", "call_id": "c", "output": "1"}]},
        "No tool call found",
    ),
    "few tokens": ({"max_output_tokens": 5}, "Expected a value >= 16"),
    "many tokens": ({"max_output_tokens": 10**7}, "max_output_tokens"),
    "effort": ({"reasoning": {"effort": "wild"}}, "Invalid value: 'wild'"),
    "summary": ({"reasoning": {"summary": "long"}}, "Invalid value: 'long'"),
    "tool": ({"tools": [{"type": "function"}]}, "tools[0].name"),
    "nested tool": (
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        "tools[0].name",
    ),
    "choice": ({"tools": [TOOL], "tool_choice": {"type": "function", "name": "g"}}, "not found"),
    "format": ({"text": {"format": {"type": "json_schema"}}}, "text.format"),
    "truncation": ({"truncation": "maybe"}, "truncation"),
    "hot": ({"temperature": 3}, "temperature"),
}


@pytest.mark.parametrize("case", CASES)
async def test_refused(sim: Simulator, key: str, rows: Rows, case: str) -> None:
    given, words = CASES[case]
    seen = await post(sim, "/v1/responses", {"model": "sim-chat", "input": "Hi"} | given, key)
    assert seen.status == 400
    assert words in json.loads(seen.body)["error"]["message"]
    assert [row["cost_pico"] for row in rows()] == [0]


@pytest.mark.parametrize(
    "model, code, words",
    [
        ("text-embedding-3-small", 404, "not supported in v1/responses"),
        ("nobody", 404, "does not exist"),
        ("sim-chat", 400, "context window"),
    ],
)
async def test_models(sim: Simulator, key: str, model: str, code: int, words: str) -> None:
    text = "a1" * 101_000 if model == "sim-chat" else "Hi"
    seen = await post(sim, "/openai/v1/responses", {"model": model, "input": text}, key)
    assert (seen.status, words in json.loads(seen.body)["error"]["message"]) == (code, True)
