"""Whole replies of Chat Completions, embeddings, model lists and counts."""

import base64
import json
import struct
from typing import Any

import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects import openai
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.request import Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects import targets

TARGET = targets.openai()


def decode(body: Any, **headers: str) -> Response:
    data = body if isinstance(body, bytes) else json.dumps(body)
    return openai.decode(targets.reply(200, data, **headers), TARGET)


def completion(finish: str | None = "stop", **message: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish}]}


def test_a_whole_reply() -> None:
    body = completion(role="assistant", content="Hello") | {
        "id": "chatcmpl-1",
        "model": "gpt-x-2026",
        "service_tier": "flex",
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "prompt_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 8},
        },
    }
    found = decode(body, x_request_id="req_1")
    assert found == Response(
        (Text(text="Hello"),),
        "stop",
        Usage(100, 20, 64, 3, 0, 8),
        "gpt-x-2026",
        "chatcmpl-1",
        "req_1",
        service_tier="flex",
    )


def test_log_probabilities_are_kept_where_they_come() -> None:
    told = {"content": [{"token": "Hello", "logprob": -0.25, "bytes": None, "top_logprobs": []}]}
    body = completion(role="assistant", content="Hello")
    assert decode(body).extra is None
    body["choices"][0]["logprobs"] = None
    assert decode(body).extra is None
    body["choices"][0]["logprobs"] = told
    assert decode(body).extra == {"logprobs": told}


@pytest.mark.parametrize(
    "usage, expected",
    [
        (None, None),
        ({}, None),
        ({"completion_tokens": 3}, None),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage(0, 0)),
        ({"prompt_tokens": 5}, Usage(5)),
        ({"prompt_tokens": 5, "prompt_tokens_details": None}, Usage(5)),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": None}}, Usage(5)),
        ({"prompt_tokens": 5, "queue_time": 0.1, "cost": 0.1}, Usage(5)),
    ],
)
def test_usage_that_is_not_told_is_unknown(usage: Any, expected: Usage | None) -> None:
    assert decode(completion(content="x") | {"usage": usage}).usage == expected


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": -1},
        {"prompt_tokens": 1, "completion_tokens": -1},
        {"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 2}},
        {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": -2}},
        {"prompt_tokens": 9, "completion_tokens_details": {"reasoning_tokens": -2}},
        {"prompt_tokens": 2**60},
    ],
)
def test_usage_that_cannot_be_is_unknown(usage: Any) -> None:
    assert decode(completion(content="x") | {"usage": usage}).usage is None


@pytest.mark.parametrize(
    "message, parts, finish",
    [
        ({"content": None}, (), "stop"),
        ({"content": ""}, (), "stop"),
        ({}, (), "stop"),
        ({"content": [{"type": "text", "text": "a"}, {"text": "b"}]}, (Text(text="ab"),), "stop"),
        ({"content": [{"type": "thinking", "thinking": []}, "x", 3]}, (), "stop"),
        (
            {"content": "a", "reasoning_content": "hm"},
            (Reasoning(text="hm"), Text(text="a")),
            "stop",
        ),
        ({"content": "a", "reasoning": "hm"}, (Reasoning(text="hm"), Text(text="a")), "stop"),
        ({"content": None, "refusal": "no"}, (Text(text="no"),), "content_filter"),
        (
            {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": '{"x":1}'}}]},
            (ToolCall(id="a", name="f", arguments='{"x":1}'),),
            "tool_calls",
        ),
        (
            {"tool_calls": [{"function": {"name": "f"}}, {"function": None}]},
            (
                ToolCall(id="call_0", name="f", arguments="{}"),
                ToolCall(id="call_1", name="", arguments="{}"),
            ),
            "tool_calls",
        ),
    ],
)
def test_messages_of_all_shapes(message: Any, parts: Any, finish: str) -> None:
    found = decode(completion(**message))
    assert (found.parts, found.finish_reason) == (parts, finish)


@pytest.mark.parametrize(
    "wire, ours",
    [
        (None, "stop"),
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("something_new", "other"),
    ],
)
def test_finish_reasons(wire: str | None, ours: str) -> None:
    assert decode(completion(wire, content="x")).finish_reason == ours


@pytest.mark.parametrize(
    "body, kind",
    [
        ({"error": {"message": "m", "code": 502}}, errors.ServerError),
        ({"error": {"message": "m", "code": "insufficient_quota"}}, errors.QuotaExhaustedError),
        ({"error": {"message": "m", "type": "rate_limit_error"}}, errors.RateLimitError),
        ({"error": "m"}, errors.ServerError),
        ({"error": {"message": "m", "code": "²"}}, errors.ServerError),
        ({"error": {"message": "m", "code": "9" * 5000}}, errors.ServerError),
        ({"error": {"message": "m", "code": 200}}, errors.ServerError),
        ({"object": "error", "message": "m", "code": 404}, errors.ModelNotFoundError),
    ],
)
def test_an_error_in_a_success_is_raised(body: Any, kind: type[errors.OrchestratorError]) -> None:
    with pytest.raises(errors.OrchestratorError) as caught:
        decode(body, x_request_id="req_1")
    assert type(caught.value) is kind
    assert (caught.value.status_code, caught.value.request_id) == (200, "req_1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": "cut off',
        b"<html><body>Please log in</body></html>",
        b"\xff\xfe\x00",
        b"[" * 100_000,
    ],
)
def test_what_is_no_answer_is_an_error_with_its_beginning(body: bytes) -> None:
    with pytest.raises(errors.BadReplyError) as caught:
        decode(body, Content_Type="text/html", x_request_id="req_1")
    error = caught.value
    assert (error.code, error.status_code, error.request_id) == ("unreadable_reply", 200, "req_1")
    assert "base_url" in error.message
    assert len(error.message) < 400


# ------------------------------------------------------------------ embeddings


def vectors(*data: Any, usage: Any = None) -> bytes:
    return json.dumps({"data": data, "model": "e", "usage": usage}).encode()


def test_vectors_as_base64_and_as_lists_in_the_order_of_the_texts() -> None:
    packed = base64.b64encode(struct.pack("<3f", 0.5, -1.0, 2.0)).decode()
    body = vectors(
        {"index": 1, "embedding": [1.0, 2.0, 3.0]},
        {"index": 0, "embedding": packed},
        usage={"prompt_tokens": 9, "total_tokens": 9},
    )
    found, response = openai.decode_embeddings(targets.reply(200, body), TARGET)
    assert found == [[0.5, -1.0, 2.0], [1.0, 2.0, 3.0]]
    assert response.usage == Usage(9)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"data": null}',
        vectors({"index": 0}),
        vectors({"index": 0, "embedding": "no base64!"}),
        vectors({"index": 0, "embedding": "AAAA"}),  # three bytes are no whole float
        vectors({"index": 0, "embedding": ["a"]}),
    ],
)
def test_broken_vectors(body: bytes) -> None:
    with pytest.raises(errors.BadReplyError, match="base_url"):
        openai.decode_embeddings(targets.reply(200, body), TARGET)


# ------------------------------------------------------------------ models and counts


@pytest.mark.parametrize(
    "body", ['{"object":"list","data":[{"id":"a"},{"id":"b"}]}', '[{"id":"a"},{"id":"b"}]']
)
def test_model_lists(body: str) -> None:
    found, page = openai.read_models(targets.reply(200, body), TARGET.provider)
    assert ([model.id for model in found], page) == (["a", "b"], None)
    assert not any(model.known for model in found)


@pytest.mark.parametrize("body", ["{}", '{"data":[{}]}', "<html>", '{"data":{"id":"a"}}'])
def test_broken_model_lists(body: str) -> None:
    with pytest.raises(errors.BadReplyError):
        openai.read_models(targets.reply(200, body), TARGET.provider)


def test_counts() -> None:
    reply = targets.reply(200, '{"object":"response.input_tokens","input_tokens":12}')
    assert openai.decode_count(reply, TARGET) == 12
    with pytest.raises(errors.BadReplyError):
        openai.decode_count(targets.reply(200, "{}"), TARGET)
