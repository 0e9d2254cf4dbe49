"""What the failures of this wire mean, by ``error.type`` first: a stream fails with status 200."""

from typing import Any

import msgspec

from llm_orchestrator import errors
from llm_orchestrator.dialects import pages
from llm_orchestrator.dialects.base import UNREADABLE, where
from llm_orchestrator.dialects.faults import by_status, retry_after, should_retry
from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.provider import Candidate

REQUEST_ID = "request-id"

_BY_TYPE: dict[str, type[errors.OrchestratorError]] = {
    "invalid_request_error": errors.InvalidRequestError,
    "authentication_error": errors.AuthenticationError,
    "billing_error": errors.QuotaExhaustedError,
    "permission_error": errors.PermissionDeniedError,
    "not_found_error": errors.ModelNotFoundError,
    "request_too_large": errors.ContextLengthError,
    "rate_limit_error": errors.RateLimitError,
    "api_error": errors.ServerError,
    "timeout_error": errors.ServerError,
    "overloaded_error": errors.OverloadedError,
}
_SPEND_LIMITS = frozenset(("enforced_spend_limit_reached", "contract_spend_limit_reached"))


def error(reply: HTTPReply, target: Candidate) -> errors.OrchestratorError:
    """The error of a failure status, from the body where it is readable."""
    try:
        body = msgspec.json.decode(reply.body)
    except UNREADABLE:
        body = None
    return from_body(body, target, reply)


def from_body(body: Any, target: Candidate, reply: HTTPReply | None) -> errors.OrchestratorError:
    """The error that an ``error`` object means, in a failure or in a stream."""
    fields = where(target, reply, REQUEST_ID)
    found = body.get("error") if isinstance(body, dict) else None
    if not isinstance(found, dict):
        found = {}
    if isinstance(body, dict) and isinstance(body.get("request_id"), str):
        fields["request_id"] = fields["request_id"] or body["request_id"]
    word, message = _text(found.get("type")), _text(found.get("message")) or ""
    details = found.get("details")
    code = _text(details.get("error_code")) if isinstance(details, dict) else None
    status = fields["status_code"]
    if status is None or status < 400:  # an error inside a success
        status = 500
    kind = _kind(word, message, code, status)
    message = message or pages.unexplained(reply)
    if word == "forbidden":
        message = f"{message.rstrip('. ')}; this API refuses the country or network that you are in"
    out = kind(message, code=code or word, retry_after=retry_after(reply), **fields)
    if isinstance(out, errors.ContentFilterError):
        out.reason = message
    if (order := should_retry(reply)) is not None and kind is not errors.QuotaExhaustedError:
        out.retryable = order  # type: ignore[misc]
    return out


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _kind(
    word: str | None, message: str, code: str | None, status: int
) -> type[errors.OrchestratorError]:
    if code in _SPEND_LIMITS:
        return errors.QuotaExhaustedError
    kind = _BY_TYPE.get(word or "") or by_status(status)
    if kind is errors.ServerError and issubclass(by_status(status), kind):
        return by_status(status)  # which may know more: it is overloaded
    if kind is not errors.InvalidRequestError:
        return kind
    # These come as plain 400s: only their words tell them apart.
    low = message.lower()
    if "prompt is too long" in low or "context window" in low or "exceed context limit" in low:
        return errors.ContextLengthError
    if "content filtering" in low:
        return errors.ContentFilterError
    if "prefill" in low:
        return errors.UnsupportedError
    if "credit balance" in low or "spend limit" in low or "usage limit" in low:
        return errors.QuotaExhaustedError
    return kind
