"""Requests that make no sense get Anthropic's words; bodies and paths that no wire knows."""

import json
from collections.abc import Callable
from typing import Any

import aiohttp
import anthropic
import pytest

from llm_orchestrator.simulator import Simulator

from .conftest import HELLO, WEATHER, Client

Rows = Callable[[], list[dict[str, Any]]]
CLOSED = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def user(content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


ANTHROPIC_CASES: dict[str, tuple[dict[str, Any], str]] = {
    "no messages": ({"messages": []}, "at least one message"),
    "unknown role": ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
    "assistant first": ({"messages": [{"role": "assistant", "content": "x"}]}, "first message"),
    "empty content": ({"messages": user("")}, "non-empty content"),
    "blank block": ({"messages": user([{"type": "text", "text": " "}])}, "must be non-empty"),
    "unknown block": ({"messages": user([{"type": "hologram"}])}, "Input tag 'hologram'"),
    "bad image": (
        {
            "messages": user(
                [
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "??"},
                    }
                ]
            )
        },
        "base64",
    ),
    "no limit": ({"max_tokens": None}, "max_tokens: Field required"),
    "limit as text": ({"max_tokens": "many"}, "max_tokens: Input should be a valid integer"),
    "stream without a limit": ({"max_tokens": 0, "stream": True}, "greater than or equal to 1"),
    "stream as text": ({"stream": "yes"}, "stream: Input should be a valid boolean"),
    "stops as text": ({"stop_sequences": "END"}, "stop_sequences: Input should be a valid list"),
    "unknown tier": ({"service_tier": "flex"}, "service_tier: Input should be"),
    "unknown metadata": ({"metadata": {"job": "1"}}, "metadata: Extra inputs"),
    "unknown thinking": ({"thinking": {"type": "deep"}}, "Input tag 'deep'"),
    "thinking and a forced tool": (
        {
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "tools": [{"name": "a", "input_schema": WEATHER}],
            "tool_choice": {"type": "any"},
        },
        "tool_choice forces tool use",
    ),
    "thinking and a prefill": (
        {
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "messages": [*HELLO, {"role": "assistant", "content": "So"}],
        },
        "When thinking is enabled",
    ),
    "unknown effort": ({"output_config": {"effort": "heroic"}}, "output_config.effort"),
    "effort on a model without": (
        {"output_config": {"effort": "low"}},
        "does not support the effort parameter",
    ),
    "unknown output setting": ({"output_config": {"style": 1}}, "output_config: Extra inputs"),
    "format without a schema": (
        {"output_config": {"format": {"type": "json_schema"}}},
        "output_config.format.schema: Field required",
    ),
    "schema that is none": (
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "objekt"}}}},
        "is not a JSON type",
    ),
    "choice of an unknown tool": (
        {
            "tools": [{"name": "a", "input_schema": WEATHER}],
            "tool_choice": {"type": "tool", "name": "b"},
        },
        "Tool 'b' not found",
    ),
    "bad cache lifetime": (
        {"cache_control": {"type": "ephemeral", "ttl": "1d"}},
        "cache_control: Input should be 'ephemeral'",
    ),
    "image of an unknown type": (
        {
            "messages": user(
                [{"type": "image", "source": {"type": "base64", "media_type": "image/bmp"}}]
            )
        },
        "media_type: Input should be",
    ),
    "image nowhere": (
        {"messages": user([{"type": "image", "source": {"type": "url"}}])},
        "Unable to download",
    ),
    "image of no source": ({"messages": user([{"type": "image"}])}, "source: Field required"),
    "paper that is no pdf": (
        {
            "messages": user(
                [{"type": "document", "source": {"type": "base64", "data": "aGVsbG8="}}]
            )
        },
        "PDF specified was not valid",
    ),
    "paper from the assistant": (
        {
            "messages": [
                *HELLO,
                {"role": "assistant", "content": [{"type": "document", "source": {}}]},
                *HELLO,
            ]
        },
        "not permitted in assistant messages",
    ),
    "tool use by the user": (
        {"messages": user([{"type": "tool_use", "id": "t", "name": "a", "input": {}}])},
        "can only be in `assistant` messages",
    ),
    "tool input that is none": (
        {
            "messages": [
                *HELLO,
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "t", "name": "a", "input": "{}"}],
                },
            ]
        },
        "Input should be a valid dictionary",
    ),
    "thinking without a signature": (
        {
            "messages": [
                *HELLO,
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}]},
                *HELLO,
            ]
        },
        "signature: Field required",
    ),
    "empty system block": ({"system": [{"type": "text", "text": ""}]}, "must be non-empty"),
    "limit too high": ({"max_tokens": 10**7}, "maximum allowed number of output tokens"),
    "sampling": ({"temperature": 1}, "temperature"),
    "unknown field": ({"max_tokenz": 5}, "max_tokenz: Extra inputs are not permitted"),
    "blank stop": ({"stop_sequences": [" "]}, "non-whitespace"),
    "choice without tools": ({"tool_choice": {"type": "auto"}}, "while providing tools"),
    "tool name": (
        {"tools": [{"name": "a b", "input_schema": WEATHER}]},
        "should match pattern",
    ),
    "tool schema": (
        {"tools": [{"name": "a", "input_schema": {"type": "string"}}]},
        "input_schema.type",
    ),
    "twin tools": (
        {"tools": [{"name": "a", "input_schema": WEATHER}] * 2},
        "unique",
    ),
    "open schema": (
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
        "additionalProperties",
    ),
    "limits in a schema": (
        {
            "output_config": {
                "format": {
                    "type": "json_schema",
                    "schema": CLOSED | {"properties": {"n": {"type": "integer", "minimum": 1}}},
                }
            }
        },
        "properties minimum are not supported",
    ),
    "small budget": (
        {"thinking": {"type": "enabled", "budget_tokens": 10}},
        "greater than or equal to 1024",
    ),
    "budget above the limit": (
        {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 2000},
        "must be greater than `thinking.budget_tokens`",
    ),
    "adaptive thinking on an old model": (
        {"thinking": {"type": "adaptive"}},
        "not supported on this model",
    ),
    "too many marks": (
        {
            "system": [
                {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
                for _ in range(5)
            ]
        },
        "maximum of 4 blocks",
    ),
    "marks in the wrong order": (
        {
            "system": [
                {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": ttl}}
                for ttl in ("5m", "1h")
            ]
        },
        "must not come after",
    ),
    "blank at the end of a prefill": (
        {"messages": [*HELLO, {"role": "assistant", "content": "So "}]},
        "trailing whitespace",
    ),
    "cited text from the user": (
        {"messages": user([{"type": "text", "text": "x", "citations": [{"a": 1}]}])},
        "citations",
    ),
    "prompt too long": (
        {"messages": user("a " * 140_000), "model": "claude-v1"},
        "prompt is too long: 140",
    ),
}


@pytest.mark.parametrize("case", ANTHROPIC_CASES)
def test_anthropic_says_what_is_wrong(ant: Client, rows: Rows, case: str) -> None:
    changes, message = ANTHROPIC_CASES[case]
    body = {"model": "claude-haiku-4-5", "max_tokens": 2000, "messages": HELLO} | changes
    body = {name: value for name, value in body.items() if value is not None}
    with pytest.raises(anthropic.BadRequestError) as caught:
        ant.post("/v1/messages", body=body, cast_to=object)
    assert message in str(caught.value.api_message)
    assert caught.value.type == "invalid_request_error"
    error: Any = caught.value.body
    assert error["request_id"] == caught.value.request_id
    (row,) = rows()
    assert (row["status"], row["cost_pico"]) == (400, 0)


def test_anthropic_models_keys_and_sizes(ant: Client, sim: Simulator) -> None:
    with pytest.raises(anthropic.NotFoundError):
        ant.messages.create(model="claude-nobody", max_tokens=5, messages=HELLO)
    with pytest.raises(anthropic.RequestTooLargeError):
        ant.messages.create(model="sim-chat", max_tokens=5, messages=user("x" * 400_000))
    with pytest.raises(anthropic.BadRequestError, match="Extra inputs"):
        ant.post(
            "/v1/messages/count_tokens",
            body={"model": "sim-chat", "max_tokens": 5, "messages": HELLO},
            cast_to=object,
        )
    bad = anthropic.Anthropic(api_key="bad-1", base_url=sim.anthropic_url, max_retries=0)
    with bad, pytest.raises(anthropic.AuthenticationError):
        bad.messages.create(model="sim-chat", max_tokens=5, messages=HELLO)


@pytest.mark.parametrize(
    "headers, status, message",
    [
        ({}, 401, "x-api-key header is required"),
        ({"x-api-key": "sk-1"}, 400, "anthropic-version: header is required"),
        ({"x-api-key": "sk-1", "anthropic-version": "2020-01-01"}, 400, "not a valid version"),
        (
            {"x-api-key": "a", "authorization": "Bearer a", "anthropic-version": "2023-06-01"},
            401,
            "Only one of",
        ),
    ],
)
async def test_anthropic_headers(
    sim: Simulator, headers: dict[str, str], status: int, message: str
) -> None:
    body = {"model": "sim-chat", "max_tokens": 5, "messages": HELLO}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{sim.url}/v1/messages", json=body, headers=headers) as reply,
    ):
        assert reply.status == status
        assert message in (await reply.json())["error"]["message"]


@pytest.mark.parametrize("path", ["/openai/v1/chat/completions", "/anthropic/v1/messages"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model": "\xff"}', b'"x"', b"[" * 9000])
async def test_bodies_that_are_no_json_objects(sim: Simulator, path: str, body: bytes) -> None:
    headers = {"authorization": "Bearer sk-1", "anthropic-version": "2023-06-01"}
    async with (
        aiohttp.ClientSession() as http,
        http.post(sim.url + path, data=body, headers=headers) as reply,
    ):
        assert reply.status == 400
        assert (await reply.json())["error"]["type"] == "invalid_request_error"


async def test_unknown_paths_and_methods(sim: Simulator) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{sim.url}/openai/v1/nothing") as reply:
            assert reply.status == 404
            assert "Invalid URL" in (await reply.json())["error"]["message"]
        async with http.get(f"{sim.url}/v1/messages") as reply:
            assert reply.status == 405
            assert json.loads(await reply.text())["type"] == "error"
