"""Whole replies of Messages, model lists, counts, and what failures mean."""

import json
from typing import Any

import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects import anthropic
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.request import Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects import targets

TARGET = targets.anthropic()
E = errors


def decode(body: Any, **headers: str) -> Response:
    data = body if isinstance(body, bytes) else json.dumps(body)
    return anthropic.decode(targets.reply(200, data, **headers), TARGET)


def message(*content: Any, reason: str | None = "end_turn", **fields: Any) -> dict[str, Any]:
    return {"type": "message", "content": list(content), "stop_reason": reason} | fields


def test_a_whole_reply() -> None:
    body = message(
        {"type": "text", "text": "Hello"},
        id="msg_1",
        model="claude-x-2026",
        usage={
            "input_tokens": 36,
            "cache_creation_input_tokens": 10,
            "cache_read_input_tokens": 54,
            "cache_creation": {"ephemeral_5m_input_tokens": 6, "ephemeral_1h_input_tokens": 4},
            "output_tokens": 89,
            "output_tokens_details": {"thinking_tokens": 30},
            "service_tier": "priority",
        },
    )
    assert decode(body, request_id="req_1") == Response(
        (Text(text="Hello"),),
        "stop",
        Usage(100, 89, 54, 10, 4, 30),
        "claude-x-2026",
        "msg_1",
        "req_1",
        service_tier="priority",
    )


def test_blocks_of_all_kinds() -> None:
    found = decode(
        message(
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "xyz"},
            {"type": "text", "text": "a", "citations": None},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "something_new"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"x": [1, {"y": 2.50}]}},
            {"type": "tool_use", "id": "u", "name": "g"},
            reason="tool_use",
        )
    )
    assert found.parts == (
        Reasoning(text="hm", signature="s"),
        Reasoning(redacted="xyz"),
        Text(text="a"),
        ToolCall(id="t", name="f", arguments='{"x": [1, {"y": 2.5}]}'),
        ToolCall(id="u", name="g", arguments="{}"),
    )
    assert (found.text, found.finish_reason) == ("a", "tool_calls")


@pytest.mark.parametrize("usage", [None, {}, {"output_tokens": 3}])
def test_usage_that_is_not_told_is_unknown(usage: Any) -> None:
    assert decode(message(usage=usage)).usage is None


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": -1},
        {"input_tokens": 1, "output_tokens": -1},
        {"input_tokens": 5, "cache_read_input_tokens": -3},
        {"input_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 9}},
        {"input_tokens": 2**60},
        {"input_tokens": 1, "output_tokens": 2**60},
    ],
)
def test_usage_that_cannot_be_is_unknown(usage: Any) -> None:
    assert decode(message(usage=usage)).usage is None


def test_a_refusal_passes_its_details_on() -> None:
    found = decode(message(reason="refusal", stop_details={"category": "cyber"}))
    assert found.finish_reason == "content_filter"
    assert found.extra == {"stop_details": {"category": "cyber"}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"type":"message"}',
        b'{"type":"completion","content":[]}',
        b'{"type":"message","content":"text"}',
        b'{"type":"message","content":[{"type":"text","text":"cut',
        b"<html><body>Please log in</body></html>",
        b"\xff\xfe",
    ],
)
def test_what_is_no_answer_is_an_error_with_its_beginning(body: bytes) -> None:
    with pytest.raises(E.BadReplyError) as caught:
        decode(body, request_id="req_1")
    error = caught.value
    assert (error.code, error.status_code, error.request_id) == ("unreadable_reply", 200, "req_1")


def test_an_error_in_a_success_is_raised() -> None:
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "m"}}
    with pytest.raises(E.OverloadedError):
        decode(body)
    with pytest.raises(E.ServerError):
        decode({"type": "error", "error": {"message": "no type"}})


# ------------------------------------------------------------------ failures

BY_TYPE = {
    "invalid_request_error": E.InvalidRequestError,
    "authentication_error": E.AuthenticationError,
    "billing_error": E.QuotaExhaustedError,
    "permission_error": E.PermissionDeniedError,
    "not_found_error": E.ModelNotFoundError,
    "request_too_large": E.ContextLengthError,
    "rate_limit_error": E.RateLimitError,
    "api_error": E.ServerError,
    "timeout_error": E.ServerError,
    "overloaded_error": E.OverloadedError,
}


def failed(status: int, body: Any, **headers: str) -> E.OrchestratorError:
    data = body if isinstance(body, bytes) else json.dumps(body)
    return anthropic.error(targets.reply(status, data, **headers), TARGET)


def said(type: Any, message: Any = "it failed", **error: Any) -> dict[str, Any]:
    return {"type": "error", "error": {"type": type, "message": message} | error}


@pytest.mark.parametrize("word", BY_TYPE)
@pytest.mark.parametrize("status", [200, 400, 429, 500])
def test_by_type_before_status(word: str, status: int) -> None:
    found = failed(status, said(word))
    assert type(found) is BY_TYPE[word]
    assert (found.code, found.message) == (word, "it failed")


@pytest.mark.parametrize(
    "status, kind",
    [
        (400, E.InvalidRequestError),
        (401, E.AuthenticationError),
        (402, E.QuotaExhaustedError),
        (403, E.PermissionDeniedError),
        (404, E.ModelNotFoundError),
        (413, E.ContextLengthError),
        (429, E.RateLimitError),
        (500, E.ServerError),
        (502, E.ServerError),
        (504, E.ServerError),
        (529, E.OverloadedError),
    ],
)
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", {}, {"error": None}, {"error": "m"}, said(None), said(7, 8), said("?")],
)
def test_by_status_when_nothing_more_is_known(
    status: int, kind: type[E.OrchestratorError], body: Any
) -> None:
    found = failed(status, body, request_id="req_1")
    assert type(found) is kind
    assert (found.status_code, found.request_id) == (status, "req_1")
    assert isinstance(found.message, str)
    assert found.message
    assert found.code is None or isinstance(found.code, str)


@pytest.mark.parametrize(
    "message, kind",
    [
        ("prompt is too long: 210000 tokens > 200000 maximum", E.ContextLengthError),
        ("input length and `max_tokens` exceed context limit: 9 > 8", E.ContextLengthError),
        ("Output blocked by content filtering policy", E.ContentFilterError),
        ("This model does not support assistant message prefill", E.UnsupportedError),
        ("Your credit balance is too low", E.QuotaExhaustedError),
        ("You have reached your specified workspace API usage limits", E.QuotaExhaustedError),
        ("max_tokens: must be positive", E.InvalidRequestError),
    ],
)
def test_plain_400s_by_their_words(message: str, kind: type[E.OrchestratorError]) -> None:
    assert type(failed(400, said("invalid_request_error", message))) is kind


def test_a_filter_passes_its_reason_on() -> None:
    words = "Output blocked by content filtering policy"
    found = failed(400, said("invalid_request_error", words))
    assert isinstance(found, E.ContentFilterError)
    assert found.reason == words


@pytest.mark.parametrize("code", ["enforced_spend_limit_reached", "contract_spend_limit_reached"])
def test_spend_limits_are_hopeless(code: str) -> None:
    found = failed(429, said("rate_limit_error", details={"error_code": code}))
    assert type(found) is E.QuotaExhaustedError
    assert (found.code, found.retryable) == (code, False)


def test_other_429s_are_not() -> None:
    found = failed(
        429,
        said("rate_limit_error", details={"error_code": "ramp_limit_exceeded"}),
        retry_after="3",
    )
    assert type(found) is E.RateLimitError
    assert (found.code, found.retryable, found.retry_after) == ("ramp_limit_exceeded", True, 3.0)


@pytest.mark.parametrize("details", [None, "x", [], {"error_code": 7}, {"error_code": ["x"]}])
def test_details_of_other_shapes(details: Any) -> None:
    found = failed(429, said("rate_limit_error", details=details))
    assert type(found) is E.RateLimitError
    assert found.code is None or isinstance(found.code, str)


def test_the_request_id_of_the_body_counts_without_a_header() -> None:
    assert failed(500, said("api_error") | {"request_id": "req_2"}).request_id == "req_2"
    both = failed(500, said("api_error") | {"request_id": "req_2"}, request_id="req_1")
    assert both.request_id == "req_1"


def test_x_should_retry_wins() -> None:
    assert failed(500, said("api_error"), x_should_retry="false").retryable is False
    assert failed(400, said("invalid_request_error"), x_should_retry="true").retryable is True


# ------------------------------------------------------------------ models and counts


def test_model_lists_with_limits_and_pages() -> None:
    listed = {"id": "claude-x", "max_input_tokens": 200_000, "max_tokens": 64_000}
    body = json.dumps({"data": [listed, {"id": "y"}], "has_more": True, "last_id": "y"})
    found, page = anthropic.read_models(targets.reply(200, body), TARGET.provider)
    assert [(m.id, m.context, m.max_output) for m in found] == [
        ("claude-x", 200_000, 64_000),
        ("y", None, None),
    ]
    assert page == "y"
    last = json.dumps({"data": [], "has_more": False, "last_id": "y"})
    assert anthropic.read_models(targets.reply(200, last), TARGET.provider) == ([], None)


@pytest.mark.parametrize("body", ["{}", '{"data":[{}]}', "<html>", "[]"])
def test_broken_model_lists(body: str) -> None:
    with pytest.raises(E.BadReplyError):
        anthropic.read_models(targets.reply(200, body), TARGET.provider)


def test_the_next_page_cannot_break_the_address() -> None:
    """What names the page comes from outside."""
    call = anthropic.list_models(TARGET.provider, "a&b=c d\r\nX-Evil: 1/é?#")
    assert call.url == (
        "https://api.anthropic.com/v1/models?limit=1000"
        "&after_id=a%26b%3Dc%20d%0D%0AX-Evil%3A%201%2F%C3%A9%3F%23"
    )


def test_counts() -> None:
    assert anthropic.decode_count(targets.reply(200, '{"input_tokens":12}'), TARGET) == 12
    with pytest.raises(E.BadReplyError):
        anthropic.decode_count(targets.reply(200, "[]"), TARGET)


def test_there_are_no_embeddings() -> None:
    with pytest.raises(E.UnsupportedError, match="embeddings"):
        anthropic.encode_embeddings(["a"], TARGET, None)
    with pytest.raises(E.BadReplyError):
        anthropic.decode_embeddings(targets.reply(200, "{}"), TARGET)
