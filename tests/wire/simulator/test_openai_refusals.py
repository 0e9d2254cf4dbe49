"""Requests that make no sense get OpenAI's words, and cost nothing."""

from collections.abc import Callable
from typing import Any

import openai
import pytest

from llm_orchestrator.simulator import Simulator

from .conftest import HELLO, WEATHER, Client

Rows = Callable[[], list[dict[str, Any]]]
CLOSED = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def user(content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


def schema(name: str, body: Any) -> dict[str, Any]:
    spec = {"name": name, "schema": body, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": spec}}


OPENAI_CASES: dict[str, tuple[dict[str, Any], str | None, str | None]] = {
    "no messages": ({"messages": []}, "empty_array", "messages"),
    "unknown role": (
        {"messages": [{"role": "robot", "content": "x"}]},
        "invalid_value",
        "messages[0].role",
    ),
    "null content": ({"messages": user(None)}, "invalid_type", "messages[0].content"),
    "image that is none": (
        {
            "messages": user(
                [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}}]
            )
        },
        "image_parse_error",
        "messages[0].content[0]",
    ),
    "image nowhere": (
        {"messages": user([{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}])},
        "invalid_image_url",
        "messages[0].content[0]",
    ),
    "unknown parameter": ({"max_tokenz": 5}, "unknown_parameter", "max_tokenz"),
    "temperature too high": ({"temperature": 3}, "integer_above_max_value", "temperature"),
    "temperature as text": ({"temperature": "hot"}, "invalid_type", "temperature"),
    "seed as a fraction": ({"seed": 1.5}, "invalid_type", "seed"),
    "stream as text": ({"stream": "yes"}, "invalid_type", "stream"),
    "stop as a number": ({"stop": 5}, "invalid_type", "stop"),
    "unknown effort": (
        {"model": "gpt-5", "reasoning_effort": "heroic"},
        "invalid_value",
        "reasoning_effort",
    ),
    "no tools": ({"tools": []}, "empty_array", "tools"),
    "choice of an unknown tool": (
        {
            "tools": [{"type": "function", "function": {"name": "a", "parameters": WEATHER}}],
            "tool_choice": {"type": "function", "function": {"name": "b"}},
        },
        "invalid_value",
        "tool_choice",
    ),
    "strict tool with an optional part": (
        {
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "a",
                        "strict": True,
                        "parameters": WEATHER | {"required": []},
                    },
                }
            ]
        },
        None,
        "tools[0].function.parameters",
    ),
    "unknown part": (
        {"messages": user([{"type": "hologram"}])},
        "invalid_value",
        "messages[0].content[0]",
    ),
    "no role": (
        {"messages": [{"content": "x"}]},
        "missing_required_parameter",
        "messages[0].role",
    ),
    "messages as text": ({"messages": "Hi"}, "invalid_type", "messages"),
    "no model": ({"model": ""}, None, "model"),
    "no tokens wanted": ({"max_completion_tokens": -1}, "integer_below_min_value", None),
    "too many tokens wanted": ({"max_tokens": 10**8}, "invalid_value", "max_tokens"),
    "five stops": ({"stop": list("abcde")}, "array_above_max_length", "stop"),
    "stream options alone": (
        {"stream_options": {"include_usage": True}},
        None,
        "stream_options",
    ),
    "open schema": (schema("out", {"type": "object", "properties": {}}), None, "response_format"),
    "schema of a list": (schema("out", {"type": "array"}), None, "response_format"),
    "schema that is none": (schema("out", {"type": "objekt"}), None, "response_format"),
    "schema without a name": (
        schema("", CLOSED),
        "missing_required_parameter",
        "response_format.json_schema.name",
    ),
    "json without the word": ({"response_format": {"type": "json_object"}}, None, "messages"),
    "tool without a name": (
        {"tools": [{"type": "function", "function": {"name": "a b", "parameters": WEATHER}}]},
        "invalid_value",
        "tools[0].function.name",
    ),
    "choice without tools": ({"tool_choice": "auto"}, None, "tool_choice"),
    "result without a call": (
        {"messages": [*HELLO, {"role": "tool", "tool_call_id": "c", "content": "1"}]},
        None,
        "messages.[1].role",
    ),
    "call without a result": (
        {"messages": [*HELLO, {"role": "assistant", "tool_calls": [CALL]}, *HELLO]},
        None,
        "messages.[2].role",
    ),
    "max_tokens on a reasoning model": (
        {"model": "o4-mini", "max_tokens": 5},
        "unsupported_parameter",
        "max_tokens",
    ),
    "temperature on a reasoning model": (
        {"model": "o4-mini", "temperature": 0.2},
        "unsupported_value",
        "temperature",
    ),
    "stop on a reasoning model": (
        {"model": "gpt-5", "stop": ["x"]},
        "unsupported_parameter",
        "stop",
    ),
    "effort on a plain model": (
        {"model": "gpt-4o", "reasoning_effort": "low"},
        "unsupported_parameter",
        "reasoning_effort",
    ),
    "prompt too long": (
        {"messages": user("ha " * 90_000), "model": "gpt-4"},
        "context_length_exceeded",
        "messages",
    ),
    "unknown fault": ({"model": "sim-chat+fault=earthquake"}, "unknown_fault", "model"),
}


@pytest.mark.parametrize("case", OPENAI_CASES)
def test_openai_says_what_is_wrong(oai: Client, rows: Rows, case: str) -> None:
    changes, code, param = OPENAI_CASES[case]
    body = {"model": "gpt-4o-mini", "messages": HELLO} | changes
    with pytest.raises(openai.BadRequestError) as caught:
        oai.post("/chat/completions", body=body, cast_to=object)
    assert caught.value.code == code
    assert caught.value.type == "invalid_request_error"
    if param:
        assert caught.value.param == param
    (row,) = rows()
    assert (row["status"], row["cost_pico"], row["usage"]["input_tokens"]) == (400, 0, 0)


def test_openai_models_and_keys(oai: Client, sim: Simulator) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        oai.chat.completions.create(model="gpt-9-ultra", messages=HELLO)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError, match="not a chat model"):
        oai.chat.completions.create(model="text-embedding-3-small", messages=HELLO)
    with pytest.raises(openai.PermissionDeniedError):
        oai.embeddings.create(model="gpt-4o", input="x")
    bad = openai.OpenAI(api_key="bad-key-0123456789", base_url=sim.openai_url, max_retries=0)
    with bad, pytest.raises(openai.AuthenticationError) as refused:
        bad.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert refused.value.code == "invalid_api_key"


@pytest.mark.parametrize(
    "body",
    [
        {"input": ""},
        {"input": []},
        {"input": [[]]},
        {"input": ["x"] * 2049},
        {"input": "x", "dimensions": 99_999},
        {"input": "x", "encoding_format": "int8"},
        {"input": "ha " * 9000},
    ],
)
def test_embeddings_say_what_is_wrong(oai: Client, body: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError):
        oai.post("/embeddings", body={"model": "text-embedding-3-small"} | body, cast_to=object)
