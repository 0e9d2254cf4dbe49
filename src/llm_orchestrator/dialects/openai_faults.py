"""What error objects mean, as OpenAI's APIs and the many that imitate them send them.

Classified by status and code, by words only at last.
"""

import re
from typing import Any

import msgspec

from llm_orchestrator import errors
from llm_orchestrator.dialects import pages
from llm_orchestrator.dialects.base import UNREADABLE, where
from llm_orchestrator.dialects.faults import by_status, retry_after, retry_delay, should_retry
from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.provider import Candidate

REQUEST_ID = "x-request-id"
_STATUS = re.compile(r"[45][0-9][0-9]")
_OF_REQUEST = re.compile(r"invalid_|image_|empty_image|unsupported_image|failed_to_download_image")
"""Codes that say what was wrong with the request, where no status does."""
_TOO_LONG = re.compile(
    r"context (length|window)|too many tokens|exceeds the maximum number of tokens"
)
_DAILY = re.compile(r"\bper[ -]day\b", re.IGNORECASE)

_BY_CODE: dict[str, type[errors.OrchestratorError]] = {
    "context_length_exceeded": errors.ContextLengthError,
    "string_above_max_length": errors.ContextLengthError,
    "model_not_found": errors.ModelNotFoundError,
    "model_not_available": errors.ModelNotFoundError,
    "model_decommissioned": errors.ModelNotFoundError,
    "DeploymentNotFound": errors.ModelNotFoundError,
    "incorrect_hostname": errors.PermissionDeniedError,
    "invalid_api_key": errors.AuthenticationError,
    "insufficient_quota": errors.QuotaExhaustedError,
    "billing_hard_limit_reached": errors.QuotaExhaustedError,
    "billing_not_active": errors.QuotaExhaustedError,
    "rate_limit_exceeded": errors.RateLimitError,
    "credit_limit": errors.QuotaExhaustedError,
    "content_filter": errors.ContentFilterError,
    "content_policy_violation": errors.ContentFilterError,
    "invalid_prefill": errors.UnsupportedError,
    # What the model wrote was not what it was asked for: it may be at another try.
    "tool_use_failed": errors.BadReplyError,
    "json_validate_failed": errors.BadReplyError,
    "server_error": errors.ServerError,
    "overloaded": errors.OverloadedError,
    "provider_overloaded": errors.OverloadedError,
    "provider_unavailable": errors.ServerError,
}
_ADVICE = {
    "incorrect_hostname": "set base_url to the address of the region that the project is in",
    "unsupported_country_region_territory": "this API is not offered where you are: another "
    "provider may serve the same model",
    "DeploymentNotFound": "the model to ask for is the name of a deployment in the resource "
    "that base_url names",
    "billing_not_active": "add a payment method on the provider's billing page",
}
"""What to do, where the words do not say it themselves."""
_BY_TYPE: dict[str, type[errors.OrchestratorError]] = {
    "rate_limit_error": errors.RateLimitError,
    "insufficient_quota": errors.QuotaExhaustedError,
    "credit_limit": errors.QuotaExhaustedError,
    "authentication_error": errors.AuthenticationError,
    "server_error": errors.ServerError,
    "overloaded_error": errors.OverloadedError,
    "exceed_context_size_error": errors.ContextLengthError,
    "invalid_model": errors.ModelNotFoundError,
}


def error(reply: HTTPReply, target: Candidate) -> errors.OrchestratorError:
    """The error of a failure status, from the body where it is readable."""
    try:
        body = msgspec.json.decode(reply.body)
    except UNREADABLE:
        body = None
    return from_body(body, target, reply)


def from_body(body: Any, target: Candidate, reply: HTTPReply | None) -> errors.OrchestratorError:
    """The error that an ``error`` object means, in a failure, a 200 or a stream."""
    if isinstance(body, list) and body:  # Google's servers may put it into an array
        body = body[0]
    fields = where(target, reply, REQUEST_ID)
    message, code, kind_word = _words(body)
    status = fields["status_code"]
    if status is None or status < 400:  # in a success only the code can be a status
        status = int(code) if code and _STATUS.fullmatch(code) else 500
        if code and _OF_REQUEST.match(code):
            status = 400
    kind = _BY_CODE.get(code or "") or _BY_TYPE.get(kind_word or "") or by_status(status)
    if kind is errors.InvalidRequestError:
        kind = _by_words(message.lower())
    elif kind is errors.ServerError and issubclass(by_status(status), kind):
        kind = by_status(status)  # which may know more: it is overloaded
    elif kind is errors.RateLimitError and _for_today(message, reply, target):
        kind = errors.QuotaExhaustedError
    elif kind is errors.PermissionDeniedError and _moderated(body):
        kind = errors.ContentFilterError
    if not message:
        message = pages.unexplained(reply)
    if advice := _ADVICE.get(code or ""):
        message = f"{message.rstrip('. ')}; {advice}"
    found = kind(message, code=code or kind_word, retry_after=_wait(body, reply), **fields)
    if kind is errors.ContentFilterError:
        found.reason = message  # type: ignore[attr-defined]
    if (order := should_retry(reply)) is not None and not isinstance(
        found, errors.QuotaExhaustedError
    ):
        found.retryable = order  # type: ignore[misc]
    return found


def _wait(body: Any, reply: HTTPReply | None) -> float | None:
    """Seconds to wait, by the header or, from Google's servers, by the body."""
    found = body.get("error") if isinstance(body, dict) else None
    told = retry_delay(found.get("details")) if isinstance(found, dict) else None
    return retry_after(reply) if told is None else told


def _words(body: Any) -> tuple[str, str | None, str | None]:
    """Message, code and type, from the several shapes that compatible servers use."""
    if not isinstance(body, dict):
        return "", None, None
    found = body.get("error", body)
    if isinstance(found, str):
        return found, None, None
    if not isinstance(found, dict):
        return "", None, None
    detail = found.get("message") or found.get("detail") or ""
    if isinstance(detail, dict) and isinstance(detail.get("error"), str):
        detail = detail["error"]
    if isinstance(detail, list):
        detail = _complaints(detail)
    code = found.get("code")
    metadata = found.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("error_type"), str):
        code = metadata["error_type"]
    kind = found.get("type")
    return (
        detail if isinstance(detail, str) else msgspec.json.encode(detail).decode(),
        None if code is None else str(code),
        kind if isinstance(kind, str) else None,
    )


def _complaints(details: list[Any]) -> Any:
    """What a validator says of each field, on one line; as it came when it has another shape."""
    try:
        return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in details)
    except (TypeError, KeyError):
        return details


def _for_today(message: str, reply: HTTPReply | None, target: Candidate) -> bool:
    """Whether all of a day's requests or tokens are used up."""
    left = reply.header("X-RateLimit-Remaining-Requests") if reply else None
    return (target.provider.quirks.daily_requests and left == "0") or bool(_DAILY.search(message))


def _moderated(body: Any) -> bool:
    """Whether a refusal comes from a filter, which says what it has found."""
    found = body.get("error") if isinstance(body, dict) else None
    metadata = found.get("metadata") if isinstance(found, dict) else None
    return isinstance(metadata, dict) and ("reasons" in metadata or "flagged_input" in metadata)


def _by_words(low: str) -> type[errors.OrchestratorError]:
    """What a wrong request was, where only the words of the message say it."""
    if _TOO_LONG.search(low):
        return errors.ContextLengthError
    if "safety system" in low or "content policy" in low or "content management policy" in low:
        return errors.ContentFilterError
    return errors.InvalidRequestError
