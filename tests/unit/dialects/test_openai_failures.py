"""Failures that compatible servers tell in their own words: days used up, filters, codes."""

import json
from typing import Any

import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects import openai
from llm_orchestrator.types.provider import Candidate
from tests.unit.dialects import targets


def failed(status: int, error: Any, target: Candidate | None = None, **headers: str) -> Exception:
    body = json.dumps({"error": error})
    return openai.error(targets.reply(status, body, **headers), target or targets.openai())


@pytest.mark.parametrize(
    "message",
    [
        "Rate limit reached for model x on requests per day (RPD): Limit 1000, Used 1000.",
        "Rate limit exceeded: free-models-per-day",
    ],
)
def test_a_day_used_up(message: str) -> None:
    found = failed(429, {"message": message, "code": "rate_limit_exceeded"})
    assert type(found) is errors.QuotaExhaustedError
    assert type(failed(429, {"message": "x per minute"})) is errors.RateLimitError


def test_a_day_used_up_that_only_a_header_tells() -> None:
    error = {"message": "slow down", "code": "rate_limit_exceeded"}
    left: dict[str, Any] = {"X_RateLimit_Remaining_Requests": "0", "Retry_After": "7000"}
    daily = targets.openai(daily_requests=True)
    found = failed(429, error, daily, **left)
    assert isinstance(found, errors.QuotaExhaustedError)
    assert found.retry_after == 7000
    assert type(failed(429, error, **left)) is errors.RateLimitError
    left["X_RateLimit_Remaining_Requests"] = "12"
    assert type(failed(429, error, daily, **left)) is errors.RateLimitError


def test_a_refusal_by_moderation() -> None:
    metadata = {"reasons": ["violence"], "flagged_input": "..."}
    found = failed(403, {"message": "flagged", "code": 403, "metadata": metadata})
    assert isinstance(found, errors.ContentFilterError)
    assert found.reason == "flagged"
    found = failed(403, {"message": "no access", "code": 403, "metadata": {}})
    assert type(found) is errors.PermissionDeniedError


@pytest.mark.parametrize(
    "status, error, kind",
    [
        (402, {"message": "Insufficient credits", "code": 402}, errors.QuotaExhaustedError),
        (403, {"message": "m", "type": "credit_limit"}, errors.QuotaExhaustedError),
        (401, {"message": "m", "type": "insufficient_quota"}, errors.QuotaExhaustedError),
        (498, {"message": "m", "code": "capacity_exceeded"}, errors.OverloadedError),
        (400, {"message": "m", "code": "model_decommissioned"}, errors.ModelNotFoundError),
        (400, {"message": "m", "code": "tool_use_failed"}, errors.BadReplyError),
        (400, {"message": "m", "code": "json_validate_failed"}, errors.BadReplyError),
        (404, {"message": "m", "code": "DeploymentNotFound"}, errors.ModelNotFoundError),
        (400, {"message": "m", "code": "content_filter"}, errors.ContentFilterError),
    ],
)
def test_codes_of_compatible_servers(
    status: int, error: Any, kind: type[errors.OrchestratorError]
) -> None:
    assert type(failed(status, error)) is kind
