"""What the failures of this wire mean: their bodies hold words only, so the status counts."""

from typing import Any

import msgspec

from llm_orchestrator import errors
from llm_orchestrator.dialects import pages
from llm_orchestrator.dialects.base import UNREADABLE, where
from llm_orchestrator.dialects.faults import by_status, retry_after, should_retry
from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.provider import Candidate

REQUEST_ID = ("x-request-id", "x-debug-trace-id")

_OWN_STATUS: dict[int, type[errors.OrchestratorError]] = {
    498: errors.AuthenticationError,  # an invalid token
    499: errors.ServerError,  # it gave up on the request
}


def error(reply: HTTPReply, target: Candidate) -> errors.OrchestratorError:
    """The error of a failure status."""
    try:
        body = msgspec.json.decode(reply.body)
    except UNREADABLE:
        body = None
    return from_body(body, target, reply)


def from_body(body: Any, target: Candidate, reply: HTTPReply) -> errors.OrchestratorError:
    """The error that a body with a ``message`` means."""
    fields = where(target, reply, *REQUEST_ID)
    found = body if isinstance(body, dict) else {}
    message = found.get("message")
    if fields["request_id"] is None and isinstance(found.get("id"), str):
        fields["request_id"] = found["id"]
    if not isinstance(message, str) or not message:
        message = pages.unexplained(reply)
    kind = _kind(reply.status, message.lower())
    out = kind(message, retry_after=retry_after(reply), **fields)
    if isinstance(out, errors.ContentFilterError):
        out.reason = message
    if (order := should_retry(reply)) is not None and kind is not errors.QuotaExhaustedError:
        out.retryable = order  # type: ignore[misc]
    return out


def broken_off(reason: str, message: str | None, target: Candidate) -> errors.ServerError:
    """The error of an answer that ended with one of the finish reasons of a failure."""
    return errors.ServerError(
        message or f"the provider broke its answer off: {reason}",
        code=reason.lower(),
        **(where(target, None) | {"status_code": 200}),
    )


def _kind(status: int, words: str) -> type[errors.OrchestratorError]:
    kind = _OWN_STATUS.get(status) or by_status(status)
    if kind is errors.RateLimitError and "month" in words:  # the quota of a trial key
        return errors.QuotaExhaustedError
    if kind is not errors.InvalidRequestError:
        return kind
    if "too many tokens" in words or "context length" in words or "token limit" in words:
        return errors.ContextLengthError
    if "blocked" in words and any(word in words for word in ("input", "output", "content")):
        return errors.ContentFilterError
    return kind
