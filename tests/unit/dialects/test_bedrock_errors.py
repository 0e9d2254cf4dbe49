"""Failures on Bedrock: which error each is, whether to ask again, and what it says to do."""

import json
from email.utils import formatdate
from time import time
from typing import Any

import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects import bedrock
from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.provider import Candidate
from tests.unit.dialects.bedrock_samples import bedrock as target_of
from tests.unit.dialects.targets import reply

BASE = target_of(id="anthropic.claude-x-v1:0")
CORAL = ":http://internal.amazon.com/coral/com.amazon.bedrock/"
ON_DEMAND = (
    "Invocation of model ID anthropic.claude-x-v1:0 with on-demand throughput isn’t supported. "
    "Retry your request with the ID or ARN of an inference profile that contains this model."
)


def failed(
    status: int, name: str, message: str, target: Candidate = BASE, **headers: str
) -> errors.OrchestratorError:
    answer = reply(
        status,
        json.dumps({"message": message}),
        x_amzn_ErrorType=name + CORAL,
        x_amzn_RequestId="r-1",
        **headers,
    )
    error = bedrock.error(answer, target)
    assert error.code == name
    assert (error.status_code, error.request_id) == (status, "r-1")
    assert (error.provider, error.model) == ("bedrock", target.model.id)
    assert error.message.startswith(message.rstrip(". "))
    return error


# ------------------------------------------------------------------ by name


@pytest.mark.parametrize(
    "status, name, kind, again",
    [
        (400, "ValidationException", errors.InvalidRequestError, False),
        (403, "AccessDeniedException", errors.PermissionDeniedError, False),
        (404, "ResourceNotFoundException", errors.ModelNotFoundError, False),
        (408, "ModelTimeoutException", errors.ServerError, True),
        (424, "ModelErrorException", errors.ServerError, False),
        (424, "ModelStreamErrorException", errors.ServerError, True),
        (429, "ThrottlingException", errors.RateLimitError, True),
        (429, "ModelNotReadyException", errors.OverloadedError, True),
        (400, "ServiceQuotaExceededException", errors.QuotaExhaustedError, False),
        (500, "InternalServerException", errors.ServerError, True),
        (503, "ServiceUnavailableException", errors.OverloadedError, True),
        (403, "OptInRequired", errors.PermissionDeniedError, False),
        # Names that are not known: the status decides.
        (418, "TeapotException", errors.InvalidRequestError, False),
        (424, "OtherException", errors.ServerError, False),
        (502, "OtherException", errors.ServerError, True),
    ],
)
def test_exceptions_by_their_name(
    status: int, name: str, kind: type[errors.OrchestratorError], again: bool
) -> None:
    error = failed(status, name, "It broke.")
    assert type(error) is kind
    assert error.retryable is again


def test_the_name_may_stand_in_the_body() -> None:
    for field in ("__type", "code"):
        body = json.dumps({field: "com.amazon.coral#ThrottlingException", "Message": "Slower."})
        error = bedrock.error(reply(400, body), BASE)
        assert type(error) is errors.RateLimitError
        assert (error.code, error.message) == ("ThrottlingException", "Slower.")


def test_waiting_times_are_read() -> None:
    error = failed(429, "ThrottlingException", "Too many requests", Retry_After="3")
    assert error.retry_after == 3


def test_the_quota_of_a_day_is_hopeless() -> None:
    words = "Too many tokens per day, please wait before trying again."
    error = failed(429, "ThrottlingException", words)
    assert type(error) is errors.QuotaExhaustedError
    assert not error.retryable


# ------------------------------------------------------------------ by words


@pytest.mark.parametrize(
    "message, kind",
    [
        ("Input is too long for requested model.", errors.ContextLengthError),
        (
            "The model returned the following errors: prompt is too long: 250000 tokens > 200000",
            errors.ContextLengthError,
        ),
        (
            "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
            errors.ContextLengthError,
        ),
        ("The provided model identifier is invalid.", errors.ModelNotFoundError),
        ("This model version has reached the end of its life.", errors.ModelNotFoundError),
        ("This model doesn't support tool use.", errors.UnsupportedError),
        ("This model does not support assistant message prefill.", errors.UnsupportedError),
        ("Output blocked by content filtering policy", errors.ContentFilterError),
        ("Operation not allowed", errors.PermissionDeniedError),
        ("Malformed input request, please reformat your input", errors.InvalidRequestError),
    ],
)
def test_what_a_validation_exception_means(
    message: str, kind: type[errors.OrchestratorError]
) -> None:
    error = failed(400, "ValidationException", message)
    assert type(error) is kind
    if isinstance(error, errors.ContentFilterError):
        assert error.reason == message


@pytest.mark.parametrize(
    "region, prefix",
    [
        ("us-west-2", "us"),
        ("eu-central-1", "eu"),
        ("ap-northeast-1", "apac"),
        ("us-gov-west-1", "us-gov"),
    ],
)
@pytest.mark.parametrize("apostrophe", ["’", "'"])
def test_a_model_that_needs_a_profile_names_one(region: str, prefix: str, apostrophe: str) -> None:
    target = target_of(id="anthropic.claude-x-v1:0", region=region)
    error = failed(400, "ValidationException", ON_DEMAND.replace("’", apostrophe), target)
    assert isinstance(error, errors.ModelNotFoundError)
    assert error.suggestions[0] == f"{prefix}.anthropic.claude-x-v1:0"
    assert f"such as {prefix}.anthropic.claude-x-v1:0" in error.message


def test_a_model_of_another_region_says_so() -> None:
    error = failed(400, "ValidationException", "The provided model identifier is invalid.")
    assert "us-east-1" in error.message
    assert "AWS_REGION" in error.message


def test_a_form_that_was_not_sent_is_no_missing_model() -> None:
    words = "Model use case details have not been submitted for this account."
    error = failed(404, "ResourceNotFoundException", words)
    assert type(error) is errors.PermissionDeniedError
    assert "console" in error.message


def test_a_model_that_is_no_longer_offered() -> None:
    words = "Access denied. This Model is marked by provider as Legacy"
    error = failed(404, "ResourceNotFoundException", words)
    assert type(error) is errors.ModelNotFoundError
    assert "newer" in error.message


# ------------------------------------------------------------------ access


@pytest.mark.parametrize(
    "message, advice",
    [
        (
            "You don't have access to the model with the specified model ID.",
            "console for us-east-1",
        ),
        (
            "User: arn:aws:iam::1:user/a is not authorized to perform: bedrock:InvokeModel",
            "IAM",
        ),
    ],
)
def test_who_may_ask_which_model(message: str, advice: str) -> None:
    error = failed(403, "AccessDeniedException", message)
    assert type(error) is errors.PermissionDeniedError
    assert advice in error.message


@pytest.mark.parametrize(
    "name, message, advice",
    [
        (
            "ExpiredTokenException",
            "The security token included in the request is expired",
            "aws sso login",
        ),
        (
            "AccessDeniedException",
            "The security token included in the request is expired",
            "have expired",
        ),
        (
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            "AWS_SESSION_TOKEN",
        ),
        (
            "AccessDeniedException",
            "Authentication failed: Please make sure your API Key is valid.",
            "new Bedrock API key",
        ),
        (
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided.",
            "secret access key",
        ),
        (
            "InvalidSignatureException",
            "Credential should be scoped to a valid region.",
            "AWS_REGION",
        ),
        (
            "InvalidSignatureException",
            "Signature expired: 20260102T030405Z is now earlier than 20260102T031000Z",
            "clock is wrong",
        ),
        ("MissingAuthenticationTokenException", "Missing Authentication Token", "unsigned"),
    ],
)
def test_credentials_that_are_refused_say_what_to_do(name: str, message: str, advice: str) -> None:
    error = failed(403, name, message)
    assert type(error) is errors.AuthenticationError
    assert advice in error.message


@pytest.mark.parametrize("ahead, word", [(-900, "fast"), (900, "slow")])
def test_a_clock_that_is_off_is_measured(ahead: int, word: str) -> None:
    """The service's own date tells how far: it is behind a clock that is fast."""
    date = formatdate(time() + ahead, usegmt=True)
    error = failed(403, "InvalidSignatureException", "Signature not yet current", Date=date)
    assert f"s {word}" in error.message
    assert any(f"{seconds} s" in error.message for seconds in range(890, 960))


def test_a_clock_that_is_right_is_not_blamed() -> None:
    date = formatdate(time(), usegmt=True)
    error = failed(403, "InvalidSignatureException", "The signature does not match", Date=date)
    assert "clock" not in error.message


# ------------------------------------------------------------------ bodies of other kinds


@pytest.mark.parametrize(
    "body, words",
    [
        (b"<html>a proxy</html>", "a web page came instead of an answer ('<html>a proxy</html>')"),
        (b"", "status 503 and no message"),
        (b"\xff\xfe", "without a readable message"),
        (b'{"message": 7}', "without a readable message"),
        (b'["message"]', "without a readable message"),
    ],
)
def test_bodies_that_say_nothing_are_shown(body: bytes, words: str) -> None:
    error = bedrock.error(HTTPReply(503, {}, body), BASE)
    assert type(error) is errors.OverloadedError
    assert words in error.message
    assert error.code is None


def test_advice_is_added_to_what_the_service_said_and_nothing_is_lost() -> None:
    fields: dict[str, Any] = {"x_amzn_ErrorType": "FTUFormNotFilled"}
    error = bedrock.error(reply(404, '{"message": "Not filled."}', **fields), BASE)
    assert str(error).startswith("bedrock/anthropic.claude-x-v1:0: Not filled: send the form")
