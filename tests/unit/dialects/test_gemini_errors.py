"""Failures of Google's APIs: classes by status, reason, quota and, at last, words."""

import json
from typing import Any

import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects import gemini
from llm_orchestrator.types.provider import Candidate
from tests.unit.dialects import targets

ANY = targets.gemini()


def failed(
    status: int, word: str, message: str = "m", *details: Any, target: Candidate = ANY
) -> errors.OrchestratorError:
    body = {"error": {"code": status, "message": message, "status": word, "details": details}}
    reply = targets.reply(status, json.dumps(body))
    one = gemini.error(reply, target)
    listed = gemini.error(targets.reply(status, json.dumps([body])), target)
    assert (type(listed), listed.message, listed.code) == (type(one), one.message, one.code)
    assert one.status_code == status
    return one


def reason(word: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": word}


@pytest.mark.parametrize(
    "status,word,kind",
    [
        (400, "INVALID_ARGUMENT", errors.InvalidRequestError),
        (400, "FAILED_PRECONDITION", errors.PermissionDeniedError),
        (401, "UNAUTHENTICATED", errors.AuthenticationError),
        (403, "PERMISSION_DENIED", errors.PermissionDeniedError),
        (404, "NOT_FOUND", errors.ModelNotFoundError),
        (429, "RESOURCE_EXHAUSTED", errors.RateLimitError),
        (499, "CANCELLED", errors.ServerError),
        (500, "INTERNAL", errors.ServerError),
        (501, "UNIMPLEMENTED", errors.UnsupportedError),
        (503, "UNAVAILABLE", errors.OverloadedError),
        (504, "DEADLINE_EXCEEDED", errors.ServerError),
        (502, "SOMETHING_NEW", errors.ServerError),
    ],
)
def test_by_status(status: int, word: str, kind: type[errors.OrchestratorError]) -> None:
    found = failed(status, word)
    assert type(found) is kind
    assert (found.message, found.code) == ("m", word)
    assert (found.provider, found.model) == ("gemini", "gemini-x")


@pytest.mark.parametrize(
    "status,word,kind",
    [
        (400, "API_KEY_INVALID", errors.AuthenticationError),
        (401, "ACCESS_TOKEN_EXPIRED", errors.AuthenticationError),
        (403, "BILLING_DISABLED", errors.QuotaExhaustedError),
        (403, "SERVICE_DISABLED", errors.PermissionDeniedError),
        (403, "API_KEY_SERVICE_BLOCKED", errors.PermissionDeniedError),
    ],
)
def test_by_reason(status: int, word: str, kind: type[errors.OrchestratorError]) -> None:
    general = "INVALID_ARGUMENT" if status == 400 else "PERMISSION_DENIED"
    found = failed(status, general, "m", {"@type": "x"}, reason(word))
    assert (type(found), found.code) == (kind, word)


def test_details_that_repeat_the_key_are_not_told() -> None:
    debug = {"@type": "type.googleapis.com/google.rpc.DebugInfo", "detail": "Invalid: AIza-key"}
    found = failed(400, "INVALID_ARGUMENT", "API key not valid.", reason("API_KEY_INVALID"), debug)
    assert "AIza" not in repr(found.__dict__)


def test_waiting_as_it_asks() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17.25s"}
    found = failed(429, "RESOURCE_EXHAUSTED", "quota", info)
    assert (found.retry_after, found.retryable) == (17.25, True)


@pytest.mark.parametrize("delay", ["", "s", "-1s", "1e9s", "17", 17, None, "9" * 40 + "s"])
def test_a_delay_that_says_nothing(delay: Any) -> None:
    assert failed(429, "RESOURCE_EXHAUSTED", "quota", {"retryDelay": delay}).retry_after is None


def test_the_header_is_read_where_there_is_no_delay() -> None:
    body = '{"error":{"status":"RESOURCE_EXHAUSTED","message":"m"}}'
    assert gemini.error(targets.reply(429, body, Retry_After="3"), ANY).retry_after == 3


def violation(quota: str) -> dict[str, Any]:
    kind = "type.googleapis.com/google.rpc.QuotaFailure"
    return {"@type": kind, "violations": [{"quotaId": quota, "quotaValue": "50"}]}


def test_a_quota_of_the_day_is_exhausted_and_one_of_the_minute_is_not() -> None:
    message = "You exceeded your current quota, please check your plan and billing details."
    minute = violation("GenerateRequestsPerMinutePerProjectPerModel")
    day = violation("GenerateRequestsPerDayPerProjectPerModel-FreeTier")
    delay = {"retryDelay": "30s"}
    assert type(failed(429, "RESOURCE_EXHAUSTED", message, minute, delay)) is errors.RateLimitError
    found = failed(429, "RESOURCE_EXHAUSTED", message, delay, minute, day)
    assert type(found) is errors.QuotaExhaustedError
    assert not found.retryable


@pytest.mark.parametrize(
    "status,word,message,kind",
    [
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count (12) exceeds the maximum number of tokens allowed (10).",
            errors.ContextLengthError,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "Please ensure that multiturn requests end with a user role or a function response.",
            errors.UnsupportedError,
        ),
        (
            429,
            "RESOURCE_EXHAUSTED",
            "Your prepayment credits are depleted. Please go to AI Studio.",
            errors.QuotaExhaustedError,
        ),
        (
            403,
            "PERMISSION_DENIED",
            "Your API key was reported as leaked. Please use another API key.",
            errors.AuthenticationError,
        ),
        (
            403,
            "PERMISSION_DENIED",
            "Method doesn't allow unregistered callers (callers without established identity).",
            errors.AuthenticationError,
        ),
    ],
)
def test_by_words(status: int, word: str, message: str, kind: type[Exception]) -> None:
    assert type(failed(status, word, message)) is kind


def test_a_model_that_is_served_elsewhere() -> None:
    there = targets.gemini()
    provider = type(there.provider)(
        name="v", dialect="gemini", base_url="x", values={"location": "eu"}
    )
    found = failed(404, "NOT_FOUND", "no model", target=Candidate(provider, there.model))
    assert "not every model is served in eu" in found.message
    assert "providers.v.variables.location" in found.message
    assert failed(404, "NOT_FOUND", "no model").message == "no model"


@pytest.mark.parametrize(
    "body,words",
    [
        (b"", "status 502 and no message"),
        (b"<html>Bad Gateway", "a web page came instead of an answer ('<html>Bad Gateway')"),
        (b"[]", "[]"),
        (b'{"error": "x"}', '{"error": "x"}'),
        (b"\xff\xfe", "application/json"),
    ],
)
def test_bodies_that_are_none(body: bytes, words: str) -> None:
    found = gemini.error(targets.reply(502, body), ANY)
    assert type(found) is errors.ServerError
    assert words in found.message
