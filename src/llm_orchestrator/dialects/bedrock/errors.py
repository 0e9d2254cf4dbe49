"""What the failures of this wire mean, by the name of the exception first, and what to do then.

The name comes in a header, in the body, or in the headers of a frame. Only where one name stands
for many things (ValidationException, AccessDeniedException) do the words decide.
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

import msgspec

from llm_orchestrator import errors
from llm_orchestrator.dialects import pages
from llm_orchestrator.dialects.base import UNREADABLE, where
from llm_orchestrator.dialects.bedrock.families import without_region
from llm_orchestrator.dialects.faults import by_status, retry_after
from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.provider import Candidate

REQUEST_ID = "x-amzn-RequestId"
MALFORMED_STOPS = frozenset(("malformed_model_output", "malformed_tool_use"))
"""Stop reasons that say that the model's own output could not be read."""

Kind = type[errors.OrchestratorError]

_CLOCK_TOLERANCE_S = 240
_KEYS = "check the access key and its secret; temporary keys also need AWS_SESSION_TOKEN"
_RENEW = "get new ones (aws sso login, or whatever issued them)"
_OTHER_REGION = "or set AWS_REGION to a region that has it"

_BY_NAME: dict[str, tuple[Kind, str]] = {
    "AccessDeniedException": (errors.PermissionDeniedError, ""),
    "BadCScoreException": (errors.PermissionDeniedError, "this account needs help of AWS Support"),
    "ExpiredToken": (errors.AuthenticationError, f"the credentials have expired: {_RENEW}"),
    "ExpiredTokenException": (
        errors.AuthenticationError,
        f"the credentials have expired: {_RENEW}",
    ),
    "FTUFormNotFilled": (
        errors.PermissionDeniedError,
        "send the form on the use case once, in the model catalog of the Bedrock console",
    ),
    "IncompleteSignature": (errors.AuthenticationError, _KEYS),
    "IncompleteSignatureException": (errors.AuthenticationError, _KEYS),
    "InternalFailure": (errors.ServerError, ""),
    "InternalServerException": (errors.ServerError, ""),
    "InvalidClientTokenId": (errors.AuthenticationError, _KEYS),
    "InvalidSignatureException": (errors.AuthenticationError, ""),
    "MissingAuthenticationToken": (errors.AuthenticationError, "the request came unsigned"),
    "MissingAuthenticationTokenException": (
        errors.AuthenticationError,
        "the request came unsigned: does a proxy drop the Authorization header?",
    ),
    "ModelErrorException": (errors.ServerError, ""),
    "ModelNotReadyException": (errors.OverloadedError, ""),
    "ModelStreamErrorException": (errors.ServerError, ""),
    "ModelTimeoutException": (errors.ServerError, ""),
    "NotAuthorized": (errors.PermissionDeniedError, ""),
    "OptInRequired": (errors.PermissionDeniedError, "subscribe the account to Amazon Bedrock"),
    "RequestExpired": (errors.AuthenticationError, "is this machine's clock right?"),
    "ResourceNotFoundException": (errors.ModelNotFoundError, ""),
    "ServiceQuotaExceededException": (
        errors.QuotaExhaustedError,
        "ask for a higher one in Service Quotas",
    ),
    "ServiceUnavailable": (errors.OverloadedError, ""),
    "ServiceUnavailableException": (errors.OverloadedError, ""),
    "SignatureDoesNotMatch": (errors.AuthenticationError, ""),
    "ThrottlingException": (errors.RateLimitError, ""),
    "UnknownOperationException": (
        errors.InvalidRequestError,
        "is base_url right, and is Bedrock offered in this region?",
    ),
    "UnrecognizedClientException": (errors.AuthenticationError, _KEYS),
    "ValidationException": (errors.InvalidRequestError, ""),
}
_STATUSES: dict[int, Kind] = {424: errors.ServerError}
_HOPELESS = frozenset(("ModelErrorException",))
"""The model failed on this very request: asking again costs and does not help."""

# Words of a ValidationException, in lower case, and what they mean; the first that is found.
_WORDS: tuple[tuple[tuple[str, ...], Kind], ...] = (
    (
        (
            "input is too long",
            "prompt is too long",
            "context limit",
            "context length",
            "context window",
            "too many input tokens",
            "maximum tokens you requested exceeds",
            "expected maxlength",
        ),
        errors.ContextLengthError,
    ),
    (("model identifier is invalid", "end of its life"), errors.ModelNotFoundError),
    (("content filter", "content policy", "blocked by"), errors.ContentFilterError),
    (
        ("prefill", "doesn't support", "does not support", "isn't supported", "is not supported"),
        errors.UnsupportedError,
    ),
    (
        ("operation not allowed", "not authorized", "unsupported countries"),
        errors.PermissionDeniedError,
    ),
)


def error(reply: HTTPReply, target: Candidate) -> errors.OrchestratorError:
    """The error of a failure status, from header and body where they are readable."""
    try:
        body = msgspec.json.decode(reply.body)
    except UNREADABLE:
        body = None
    body = body if isinstance(body, dict) else {}
    message = _text(body, "message", "Message")
    if not message and pages.is_page(reply):
        fields = where(target, reply, REQUEST_ID)
        wait = retry_after(reply)
        return by_status(reply.status)(pages.unexplained(reply), retry_after=wait, **fields)
    message = message or pages.unexplained(reply)
    name = reply.header("x-amzn-ErrorType") or _text(body, "__type", "code", "Code")
    return _named(_plain(name), message, target, reply)


def thrown(
    headers: Mapping[str, str], payload: bytes, target: Candidate
) -> errors.OrchestratorError:
    """The error that an exception frame of a stream means."""
    try:
        body = msgspec.json.decode(payload)
    except UNREADABLE:
        body = None
    body = body if isinstance(body, dict) else {}
    name = _plain(headers.get(":exception-type") or headers.get(":error-code") or "")
    message = _text(body, "message", "Message") or headers.get(":error-message", "")
    if original := _text(body, "originalMessage"):
        message = f"{message} ({original})"
    message = message or "the provider broke the stream off without a message"
    return _named(name[:1].upper() + name[1:], message, target, None)


def malformed(
    stop_reason: str | None, target: Candidate, reply: HTTPReply | None
) -> errors.BadReplyError:
    """The error for an answer that the service itself could not read."""
    what = "tool call" if stop_reason == "malformed_tool_use" else "output"
    return errors.BadReplyError(
        f"the model wrote a malformed {what}", code=stop_reason, **where(target, reply, REQUEST_ID)
    )


def damaged(why: str, target: Candidate) -> errors.BadReplyError:
    """The error for bytes that are no frames, or were changed on the way."""
    return errors.BadReplyError(
        f"the stream is damaged: {why}; does a proxy rewrite bodies?",
        code="damaged_frame",
        **where(target, None),
    )


def _plain(name: str) -> str:
    """The bare name of an exception: ``aws.x#NameException:http://...`` is ``NameException``."""
    return name.partition(":")[0].rpartition("#")[2].strip()


def _text(body: dict[str, Any], *names: str) -> str:
    return next((text for name in names if isinstance(text := body.get(name), str) and text), "")


def _named(
    name: str, message: str, target: Candidate, reply: HTTPReply | None
) -> errors.OrchestratorError:
    """The error of that name, with what to do where that is known."""
    status = reply.status if reply else 500
    found = _BY_NAME.get(name)
    kind, advice = found or (_STATUSES.get(status) or by_status(status), "")
    details: dict[str, Any] = {}
    low = message.lower().replace("’", "'")  # this service writes both apostrophes
    if kind is errors.InvalidRequestError or kind is errors.ModelNotFoundError:
        kind, advice, details = _validation(low, kind, advice, target)
    elif kind is errors.PermissionDeniedError:
        kind, advice = _denied(low, advice, target)
    elif kind is errors.AuthenticationError:
        advice = advice or _signature(low, reply)
    elif kind is errors.RateLimitError and ("per day" in low or "daily" in low):
        kind, advice = errors.QuotaExhaustedError, "the day's quota of this account is used up"
    if kind is errors.ContentFilterError:
        details["reason"] = message
    if name in _HOPELESS or (not found and status == 424):
        details["retryable"] = False
    text = f"{message.rstrip('. ')}: {advice}" if advice else message
    fields = where(target, reply, REQUEST_ID)
    return kind(text, code=name or None, retry_after=retry_after(reply), **details, **fields)


def _validation(
    low: str, kind: Kind, advice: str, target: Candidate
) -> tuple[Kind, str, dict[str, Any]]:
    """What is wrong with a request or a model, by the words."""
    base = without_region(target.model.id)
    if "throughput" in low and "on-demand" in low:
        profiles = tuple(f"{prefix}.{base}" for prefix in _prefixes(target))
        advice = f"use an inference profile that contains it, such as {' or '.join(profiles)}"
        return errors.ModelNotFoundError, advice, {"suggestions": profiles}
    if "use case details" in low:
        return errors.PermissionDeniedError, _BY_NAME["FTUFormNotFilled"][1], {}
    if "marked by provider as legacy" in low:
        return errors.ModelNotFoundError, "it is no longer offered: use a newer model", {}
    for words, meant in _WORDS:
        if any(word in low for word in words):
            kind = meant
            break
    if kind is errors.ModelNotFoundError and not advice:
        advice = f"see `llmo models` for what {_region(target)} has, {_OTHER_REGION}"
    if kind is errors.PermissionDeniedError:
        kind, advice = _denied(low, advice, target)
    return kind, advice, {}


def _denied(low: str, advice: str, target: Candidate) -> tuple[Kind, str]:
    """Access: of the model, of the action, or of credentials that nobody knows."""
    if "security token" in low and "expired" in low:
        return _BY_NAME["ExpiredToken"]
    if "security token" in low and "invalid" in low:
        return errors.AuthenticationError, _KEYS
    if "api key" in low or "bearer token" in low:
        return errors.AuthenticationError, "make a new Bedrock API key, of this region"
    if "don't have access to the model" in low:
        where_ = _region(target)
        return (
            errors.PermissionDeniedError,
            f"ask for access in the Bedrock console for {where_}, {_OTHER_REGION}",
        )
    if "payment_instrument" in low or "payment instrument" in low:
        pay = "add a valid payment method in the AWS billing console, and wait some minutes"
        return errors.QuotaExhaustedError, pay
    if "unsupported countries" in low:
        place = "the maker does not serve this country: use another maker's model"
        return errors.PermissionDeniedError, place
    if "not authorized to perform" in low:
        allow = "allow the action in IAM, for the model and for its inference profile"
        return errors.PermissionDeniedError, allow
    if "operation not allowed" in low:
        closed = "Bedrock is not open to this account yet: ask AWS Support"
        return errors.PermissionDeniedError, closed
    return errors.PermissionDeniedError, advice


def _signature(low: str, reply: HTTPReply | None) -> str:
    """Why a signature was refused: the clock, the region, the secret, or a proxy."""
    if "scoped to a valid region" in low or "credential should be scoped" in low:
        return "is AWS_REGION the region of base_url?"
    skew = _skew(reply)
    if skew is not None and abs(skew) > _CLOCK_TOLERANCE_S:
        way = "fast" if skew > 0 else "slow"
        return f"this machine's clock is {abs(skew):.0f} s {way}: set it"
    if "signature expired" in low or "not yet current" in low:
        return "this machine's clock is wrong: set it"
    if "security token" in low:
        return _KEYS
    return "is the secret access key right, and does no proxy change requests?"


def _skew(reply: HTTPReply | None) -> float | None:
    """Seconds that our clock is ahead of the service's."""
    try:
        return time() - parsedate_to_datetime((reply and reply.header("Date")) or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _region(target: Candidate) -> str:
    return target.provider.values.get("region") or "this region"


def _prefixes(target: Candidate) -> tuple[str, ...]:
    """What the inference profiles of the region begin with, the nearest first."""
    area = _region(target).partition("-")[0]
    if _region(target).startswith("us-gov"):
        return ("us-gov",)
    near = {"us": "us", "eu": "eu", "ca": "us", "sa": "us"}.get(area, "apac")
    return near, "global"
