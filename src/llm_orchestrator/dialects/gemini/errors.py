"""What the failures of this wire mean: by ``status``, and by the reasons that ``details`` give."""

import re
from typing import Any

import msgspec

from llm_orchestrator import errors
from llm_orchestrator.dialects import pages
from llm_orchestrator.dialects.base import UNREADABLE, where
from llm_orchestrator.dialects.faults import by_status, retry_after, retry_delay
from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.provider import Candidate

_BY_STATUS: dict[str, type[errors.OrchestratorError]] = {
    "INVALID_ARGUMENT": errors.InvalidRequestError,
    "OUT_OF_RANGE": errors.InvalidRequestError,
    # Mostly a place or a project that may not use this: another provider may.
    "FAILED_PRECONDITION": errors.PermissionDeniedError,
    "UNAUTHENTICATED": errors.AuthenticationError,
    "PERMISSION_DENIED": errors.PermissionDeniedError,
    "NOT_FOUND": errors.ModelNotFoundError,
    "RESOURCE_EXHAUSTED": errors.RateLimitError,
    "CANCELLED": errors.ServerError,
    "ABORTED": errors.ServerError,
    "UNKNOWN": errors.ServerError,
    "INTERNAL": errors.ServerError,
    "UNAVAILABLE": errors.OverloadedError,
    "DEADLINE_EXCEEDED": errors.ServerError,
    "UNIMPLEMENTED": errors.UnsupportedError,
}
_BY_REASON: dict[str, type[errors.OrchestratorError]] = {
    "API_KEY_INVALID": errors.AuthenticationError,
    "API_KEY_EXPIRED": errors.AuthenticationError,
    "ACCESS_TOKEN_EXPIRED": errors.AuthenticationError,
    "ACCESS_TOKEN_TYPE_UNSUPPORTED": errors.AuthenticationError,
    "CREDENTIALS_MISSING": errors.AuthenticationError,
    "ACCOUNT_STATE_INVALID": errors.AuthenticationError,
    "BILLING_DISABLED": errors.QuotaExhaustedError,
}
_BY_HAND = {
    "IAM_PERMISSION_DENIED": "grant the account the role Vertex AI User (roles/aiplatform.user)",
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "its token needs the scope cloud-platform",
}
"""What to do, by reason."""
_TOO_LONG = re.compile(r"token count.*exceeds|exceeds the maximum number of tokens|too many tokens")
_LEAKED = ("reported as leaked", "unregistered callers")
_NO_CREDIT = re.compile(r"credits? (are|is) depleted|spend(ing)? (cap|limit)|monthly .*(cap|limit)")


def error(reply: HTTPReply, target: Candidate) -> errors.OrchestratorError:
    """The error of a failure status, from the body where it is readable."""
    try:
        body = msgspec.json.decode(reply.body)
    except UNREADABLE:
        body = None
    return from_body(body, target, reply)


def from_body(body: Any, target: Candidate, reply: HTTPReply | None) -> errors.OrchestratorError:
    """The error that an ``error`` object means, in a failure or in a stream.

    Streaming endpoints put it into an array.
    """
    if isinstance(body, list) and body:
        body = body[0]
    found = body.get("error") if isinstance(body, dict) else None
    if not isinstance(found, dict):
        found = {}
    fields = where(target, reply)
    status = fields["status_code"]
    if status is None or status < 400:  # an error inside a success
        code = found.get("code")
        status = code if type(code) is int and 400 <= code < 600 else 500
    word = _text(found.get("status"))
    message = _text(found.get("message")) or pages.unexplained(reply)
    details = [one for one in _list(found.get("details")) if isinstance(one, dict)]
    reason = next((text for one in details if (text := _text(one.get("reason")))), None)
    kind = _kind(word, reason, message, details, status)
    if advice := _advice(kind, reason, message, target):
        message = f"{message.rstrip('. ')}; {advice}"
    wait = retry_delay(details)
    return kind(
        message,
        code=reason or word,
        retry_after=retry_after(reply) if wait is None else wait,
        **fields,
    )


def _kind(
    word: str | None, reason: str | None, message: str, details: list[Any], status: int
) -> type[errors.OrchestratorError]:
    if reason in _BY_REASON:
        return _BY_REASON[reason]
    kind = _BY_STATUS.get(word or "") or by_status(status)
    low = message.lower()
    if kind is errors.RateLimitError and (_per_day(details) or _NO_CREDIT.search(low)):
        return errors.QuotaExhaustedError
    if kind is errors.InvalidRequestError:
        if _TOO_LONG.search(low):
            return errors.ContextLengthError
        if "requests end with a user" in low:  # it does not go on from its own words
            return errors.UnsupportedError
    if kind is errors.PermissionDeniedError and any(words in low for words in _LEAKED):
        return errors.AuthenticationError
    return kind


def _advice(
    kind: type[errors.OrchestratorError], reason: str | None, message: str, target: Candidate
) -> str:
    """What to do, where the words do not say it themselves."""
    name, location = target.provider.name, target.provider.values.get("location")
    if kind is errors.ModelNotFoundError and location:
        return (
            f"not every model is served in {location}: providers.{name}.variables.location may be "
            "global, us, eu or a region"
        )
    if "location is not supported" in message.lower():
        return "this API is not offered where you are: another provider may serve the same model"
    if reason == "ACCESS_TOKEN_EXPIRED" and target.provider.key is not None:
        return (
            "the access token that was given as a key has expired: `gcloud auth "
            "print-access-token` prints a new one; GOOGLE_APPLICATION_CREDENTIALS, with no key "
            "set, renews itself"
        )
    return _BY_HAND.get(reason or "", "")


def _per_day(details: list[Any]) -> bool:
    """Whether a quota of the whole day is used up: waiting seconds does not help."""
    return any(
        "perday" in (_text(violation.get("quotaId")) or "").lower()
        for one in details
        for violation in _list(one.get("violations"))
        if isinstance(violation, dict)
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
