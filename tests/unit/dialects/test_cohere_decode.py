"""Replies of Cohere: answers, usage, lists, vectors and failures."""

import json
from typing import Any

import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects import cohere
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.request import Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects import targets

TARGET = targets.cohere()
COUNTS = {"input_tokens": 10.0, "output_tokens": 5}
HELLO = {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}


def answer(message: Any = HELLO, reason: str | None = "COMPLETE", **fields: Any) -> Response:
    body = {"id": "c1", "finish_reason": reason, "message": message} | fields
    return cohere.decode(targets.reply(200, json.dumps(body)), TARGET)


def test_an_answer() -> None:
    found = answer(usage={"billed_units": COUNTS, "tokens": COUNTS})
    assert (found.text, found.finish_reason, found.id) == ("Hello", "stop", "c1")
    assert (found.model, found.usage) == ("command-x", Usage(10, 5))


def test_all_kinds_of_parts() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
    found = answer(
        {
            "tool_plan": "I will look. ",
            "content": [
                {"type": "thinking", "thinking": "hm"},
                {"type": "text", "text": "Hello"},
                {"type": "new", "what": 1},
            ],
            "tool_calls": [call, {"type": "function"}],
        },
        "TOOL_CALL",
    )
    assert found.finish_reason == "tool_calls"
    assert found.parts == (
        Reasoning(text="I will look. "),
        Reasoning(text="hm"),
        Text(text="Hello"),
        ToolCall(id="1", name="f", arguments='{"x":1}'),
        ToolCall(id="call_1", name="", arguments="{}"),
    )


@pytest.mark.parametrize("content", ["Hello", [{"text": "Hello"}]])
def test_content_in_other_shapes(content: Any) -> None:
    assert answer({"content": content}).text == "Hello"


@pytest.mark.parametrize("content", [None, [], ""])
def test_no_content(content: Any) -> None:
    assert answer({"content": content}).parts == ()


@pytest.mark.parametrize(
    "reason, expected",
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("A_NEW_ONE", "other"),
        (None, "other"),
    ],
)
def test_finish_reasons(reason: str | None, expected: str) -> None:
    assert answer(reason=reason).finish_reason == expected


@pytest.mark.parametrize("reason", ["ERROR", "TIMEOUT"])
def test_finish_reasons_of_a_failure(reason: str) -> None:
    with pytest.raises(errors.ServerError) as caught:
        answer(reason=reason)
    assert (caught.value.code, caught.value.status_code) == (reason.lower(), 200)


@pytest.mark.parametrize(
    "usage, expected",
    [
        (None, None),
        ({}, None),
        ({"billed_units": {}}, None),
        ({"tokens": COUNTS}, Usage(10, 5)),
        ({"billed_units": COUNTS, "tokens": {"input_tokens": 70}}, Usage(10, 5)),
        ({"billed_units": COUNTS, "cached_tokens": 4.0}, Usage(10, 5, 4)),
        # What is cached is counted with the template, which is not paid.
        ({"billed_units": COUNTS, "cached_tokens": 64}, Usage(10, 5, 10)),
        ({"billed_units": {"input_tokens": -3}}, None),
        ({"billed_units": {"input_tokens": 1e30}}, None),
        ({"billed_units": COUNTS, "cached_tokens": -1}, None),
    ],
)
def test_usage_is_what_is_paid(usage: Any, expected: Usage | None) -> None:
    assert answer(usage=usage).usage == expected


def test_what_is_said_beside_the_answer() -> None:
    tokens = {"input_tokens": 70.0, "output_tokens": 9.0}
    citations = [{"start": 0, "end": 5, "text": "Hello", "sources": []}]
    found = answer(
        HELLO | {"citations": citations}, usage={"billed_units": COUNTS, "tokens": tokens}
    )
    assert found.extra == {
        "citations": citations,
        "tokens": {"input_tokens": 70, "output_tokens": 9},
    }
    assert answer(HELLO | {"citations": []}).extra is None


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b"[]", b'{"message":3}', b'{"message":"m"}', b"\xff"]
)
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(errors.BadReplyError):
        cohere.decode(targets.reply(200, body), TARGET)


@pytest.mark.parametrize("header", ["X_Request_Id", "X_Debug_Trace_Id"])
def test_the_id_of_the_request(header: str) -> None:
    reply = targets.reply(200, json.dumps({"message": HELLO}), **{header: "r1"})
    assert cohere.decode(reply, TARGET).request_id == "r1"
    failure = targets.reply(500, "{}", **{header: "r1"})
    assert cohere.error(failure, TARGET).request_id == "r1"


# ------------------------------------------------------------------ the other calls


def test_models_that_chat_or_embed() -> None:
    body = {
        "models": [
            {"name": "command-x", "endpoints": ["chat", "generate"], "context_length": 128000.0},
            {"name": "embed-x", "endpoints": ["embed"], "context_length": 512},
            {"name": "rerank-x", "endpoints": ["rerank"]},
            {"name": "new-x"},
        ],
        "next_page_token": "p2",
    }
    models, following = cohere.read_models(targets.reply(200, json.dumps(body)), TARGET.provider)
    assert [(model.id, model.mode, model.context) for model in models] == [
        ("command-x", "chat", 128000),
        ("embed-x", "embedding", 512),
        ("new-x", "chat", None),
    ]
    assert following == "p2"
    for last in ("", None):
        reply = targets.reply(200, json.dumps(body | {"next_page_token": last}))
        assert cohere.read_models(reply, TARGET.provider)[1] is None
    with pytest.raises(errors.BadReplyError):
        cohere.read_models(targets.reply(200, "{}"), TARGET.provider)


def test_vectors() -> None:
    body = {
        "id": "e1",
        "embeddings": {"float": [[0.5, 1], [2, -1]]},
        "meta": {"billed_units": {"input_tokens": 3}},
    }
    vectors, response = cohere.decode_embeddings(targets.reply(200, json.dumps(body)), TARGET)
    assert vectors == [[0.5, 1.0], [2.0, -1.0]]
    assert (response.usage, response.id) == (Usage(3), "e1")
    del body["meta"]
    assert cohere.decode_embeddings(targets.reply(200, json.dumps(body)), TARGET)[1].usage is None
    with pytest.raises(errors.BadReplyError):
        cohere.decode_embeddings(targets.reply(200, '{"embeddings":[[1]]}'), TARGET)


def test_a_count_is_the_number_of_tokens() -> None:
    body = '{"tokens":[8466,5169],"token_strings":["He","llo"]}'
    assert cohere.decode_count(targets.reply(200, body), TARGET) == 2
    with pytest.raises(errors.BadReplyError):
        cohere.decode_count(targets.reply(200, "{}"), TARGET)


# ------------------------------------------------------------------ failures


@pytest.mark.parametrize(
    "status, message, kind",
    [
        (400, "invalid request", errors.InvalidRequestError),
        (400, "too many tokens: size limit exceeded by 10", errors.ContextLengthError),
        (400, "invalid request: blocked input: adjust your prompt", errors.ContentFilterError),
        (400, "your request was blocked by a content filter", errors.ContentFilterError),
        (401, "invalid api token", errors.AuthenticationError),
        (402, "please add a card", errors.QuotaExhaustedError),
        (403, "no access", errors.PermissionDeniedError),
        (404, "model 'x' not found", errors.ModelNotFoundError),
        (422, "unprocessable", errors.InvalidRequestError),
        (429, "You are using a Trial key", errors.RateLimitError),
        (429, "limited to 1000 API calls / month", errors.QuotaExhaustedError),
        (498, "invalid token", errors.AuthenticationError),
        (499, "request cancelled", errors.ServerError),
        (500, "internal", errors.ServerError),
        (501, "not implemented", errors.ServerError),
        (503, "unavailable", errors.OverloadedError),
        (504, "gateway timeout", errors.ServerError),
    ],
)
def test_failures(status: int, message: str, kind: type[errors.OrchestratorError]) -> None:
    body = json.dumps({"id": "x", "message": message})
    found = cohere.error(targets.reply(status, body, Retry_After="3"), TARGET)
    assert type(found) is kind
    assert (found.message, found.request_id, found.retry_after) == (message, "x", 3)
    assert (found.status_code, found.provider, found.model) == (status, "cohere", "command-x")
    if isinstance(found, errors.ContentFilterError):
        assert found.reason == message


@pytest.mark.parametrize(
    "body, words",
    [
        (b"", "no message"),
        (b"<html>oops", "a web page"),
        (b"[]", "readable"),
        (b'{"message":3}', "readable"),
    ],
)
def test_failures_without_words(body: bytes, words: str) -> None:
    found = cohere.error(targets.reply(503, body), TARGET)
    assert type(found) is errors.OverloadedError
    assert words in found.message


def test_an_order_not_to_retry() -> None:
    found = cohere.error(targets.reply(503, "{}", X_Should_Retry="false"), TARGET)
    assert found.retryable is False
