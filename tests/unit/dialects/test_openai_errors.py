"""Failures of Chat Completions: status and code to class, in all shapes of compatible servers."""

import json
from typing import Any

import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects import openai
from tests.unit.dialects import targets

TARGET = targets.openai()
E = errors


def error(status: int, body: Any, **headers: str) -> errors.OrchestratorError:
    data = body if isinstance(body, bytes) else json.dumps(body)
    return openai.error(targets.reply(status, data, **headers), TARGET)


def said(code: Any = None, type: str | None = None, message: str = "it failed") -> dict[str, Any]:
    return {"error": {"message": message, "type": type, "param": None, "code": code}}


BY_STATUS = {
    400: E.InvalidRequestError,
    401: E.AuthenticationError,
    402: E.QuotaExhaustedError,
    403: E.PermissionDeniedError,
    404: E.ModelNotFoundError,
    405: E.InvalidRequestError,
    408: E.ServerError,
    409: E.ServerError,
    413: E.ContextLengthError,
    415: E.InvalidRequestError,
    422: E.InvalidRequestError,
    425: E.ServerError,
    429: E.RateLimitError,
    498: E.OverloadedError,
    500: E.ServerError,
    501: E.ServerError,
    502: E.ServerError,
    503: E.OverloadedError,
    504: E.ServerError,
    520: E.ServerError,
    529: E.OverloadedError,
    599: E.ServerError,
}


@pytest.mark.parametrize("status", BY_STATUS)
@pytest.mark.parametrize("body", [said(), b"", b"<html>", b"{}", b"[1]", {"error": None}])
def test_by_status_when_nothing_more_is_known(status: int, body: Any) -> None:
    found = error(status, body, x_request_id="req_1")
    assert type(found) is BY_STATUS[status]
    assert (found.status_code, found.request_id) == (status, "req_1")
    assert (found.provider, found.model) == ("openai", "gpt-x")
    assert found.message


BY_CODE = [
    (400, "context_length_exceeded", None, E.ContextLengthError),
    (400, "string_above_max_length", "invalid_request_error", E.ContextLengthError),
    (400, "content_filter", None, E.ContentFilterError),
    (400, "content_policy_violation", None, E.ContentFilterError),
    (400, "invalid_prefill", None, E.UnsupportedError),
    (400, "model_not_found", "invalid_request_error", E.ModelNotFoundError),
    (404, "model_not_found", None, E.ModelNotFoundError),
    (400, None, "exceed_context_size_error", E.ContextLengthError),  # llama.cpp
    (403, "invalid_api_key", None, E.AuthenticationError),
    (429, "rate_limit_exceeded", "tokens", E.RateLimitError),
    (429, "insufficient_quota", "insufficient_quota", E.QuotaExhaustedError),
    (429, None, "insufficient_quota", E.QuotaExhaustedError),
    (429, "billing_hard_limit_reached", None, E.QuotaExhaustedError),
    (429, "billing_not_active", None, E.QuotaExhaustedError),
    (500, "server_error", None, E.ServerError),
    (503, "overloaded", None, E.OverloadedError),
    (502, None, "overloaded_error", E.OverloadedError),
    (503, None, "server_error", E.OverloadedError),
    (500, None, "server_error", E.ServerError),
    (400, "1500", "invalid_model", E.ModelNotFoundError),  # Mistral
    (500, "a_new_code", "a_new_type", E.ServerError),
    (418, "a_new_code", "a_new_type", E.InvalidRequestError),
]


@pytest.mark.parametrize("status, code, kind, expected", BY_CODE)
def test_by_code_before_status(
    status: int, code: str | None, kind: str | None, expected: type[E.OrchestratorError]
) -> None:
    found = error(status, said(code, kind))
    assert type(found) is expected
    assert found.code == (code or kind)
    assert found.message.startswith("it failed")


@pytest.mark.parametrize(
    "body, code, message",
    [
        ({"error": {"message": "m", "code": 429}}, "429", "m"),
        (
            {
                "error": {
                    "code": 400,
                    "message": "m",
                    "metadata": {"error_type": "context_length_exceeded"},
                }
            },
            "context_length_exceeded",
            "m",
        ),
        ({"error": "m"}, None, "m"),
        ({"message": "m", "type": "t", "code": "1800"}, "1800", "m"),
        ({"object": "error", "message": "m"}, None, "m"),
        ({"detail": "m"}, None, "m"),
        ({"detail": [{"loc": ["body", "x"], "msg": "bad"}]}, None, "body.x: bad"),
        ({"detail": ["odd"]}, None, '["odd"]'),
        ({"detail": {"error": "m"}}, None, "m"),
        ({"error": {"message": {"detail": "m"}}}, None, '{"detail":"m"}'),
        ({"error": {"message": None, "type": 3, "code": None, "metadata": "x"}}, None, None),
    ],
)
def test_shapes(body: Any, code: str | None, message: str | None) -> None:
    found = error(400, body)
    assert found.code == code
    if message is None:
        assert "application/json" in found.message
    else:
        assert found.message == message


def test_errors_of_googles_servers() -> None:
    """In an array, with the wait in the body."""
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7.5s"}]
    body = {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}
    found = error(429, [{"error": body | {"details": details}}])
    assert isinstance(found, E.RateLimitError)
    assert (found.message, found.retry_after) == ("slow down", 7.5)
    long = "The input token count (9) exceeds the maximum number of tokens allowed (8)."
    assert isinstance(error(400, said(message=long)), E.ContextLengthError)


def test_a_filter_that_only_words_tell_of() -> None:
    words = "Your request was rejected as a result of our safety system."
    found = error(400, said(message=words))
    assert isinstance(found, E.ContentFilterError)
    assert found.reason == words


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 8192 tokens",
        "input exceeds the context window",
        "Too many tokens in the prompt",
    ],
)
def test_a_context_that_only_words_tell(words: str) -> None:
    assert type(error(400, said(message=words))) is E.ContextLengthError
    assert type(error(500, said(message=words))) is E.ServerError


def test_a_filter_passes_its_reason_on() -> None:
    found = error(400, said("content_filter", message="blocked for violence"))
    assert isinstance(found, E.ContentFilterError)
    assert found.reason == "blocked for violence"


def test_a_page_is_told_by_its_beginning() -> None:
    found = error(502, b"<html><h1>Bad gateway</h1>" + b"x" * 500, Content_Type="text/html")
    assert found.message.startswith("a web page came instead of an answer ('<html><h1>Bad gateway")
    assert len(found.message) < 300


@pytest.mark.parametrize(
    "order, status, code, retryable",
    [
        ("true", 400, None, True),
        ("false", 500, None, False),
        ("maybe", 500, None, True),
        ("true", 429, "insufficient_quota", False),
    ],
)
def test_x_should_retry_wins(order: str, status: int, code: str, retryable: bool) -> None:
    assert error(status, said(code), x_should_retry=order).retryable is retryable
    assert E.ServerError.retryable is True
    assert E.InvalidRequestError.retryable is False
