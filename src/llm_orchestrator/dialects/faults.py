"""From an HTTP status to an error class, and from headers to a waiting time; the same for all."""

import re
from email.utils import parsedate_to_datetime
from math import inf
from time import time
from typing import Any

from llm_orchestrator import errors
from llm_orchestrator.types.http import HTTPReply

_BY_STATUS: dict[int, type[errors.OrchestratorError]] = {
    400: errors.InvalidRequestError,
    401: errors.AuthenticationError,
    402: errors.QuotaExhaustedError,
    403: errors.PermissionDeniedError,
    404: errors.ModelNotFoundError,
    407: errors.PermissionDeniedError,
    408: errors.ServerError,
    409: errors.ServerError,
    413: errors.ContextLengthError,
    422: errors.InvalidRequestError,
    425: errors.ServerError,
    429: errors.RateLimitError,
    498: errors.OverloadedError,
    503: errors.OverloadedError,
    511: errors.PermissionDeniedError,
    529: errors.OverloadedError,
}
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


def by_status(status: int) -> type[errors.OrchestratorError]:
    """The error class of a status that nothing more is known of."""
    found = _BY_STATUS.get(status)
    if found is None:
        found = errors.ServerError if status >= 500 else errors.InvalidRequestError
    return found


def retry_after(reply: HTTPReply | None) -> float | None:
    """Seconds to wait as the headers say: ``retry-after-ms``, ``retry-after`` (number or date)."""
    if reply is None:
        return None
    if (millis := _number(reply.header("Retry-After-Ms"))) is not None:
        return millis / 1000
    if (value := reply.header("Retry-After")) is None:
        return None
    if (seconds := _number(value)) is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (ValueError, TypeError, OverflowError):
        return None  # a header that says nothing readable says nothing


def retry_delay(details: Any) -> float | None:
    """Seconds that a ``RetryInfo`` asks to wait, among the details that Google gives of errors."""
    for one in details if isinstance(details, list) else ():
        text = one.get("retryDelay") if isinstance(one, dict) else None
        if isinstance(text, str) and (found := _SECONDS.fullmatch(text)):
            return float(found[1])
    return None


def _number(text: str | None) -> float | None:
    """A finite number from 0; ``None`` for anything else."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < inf else None


def should_retry(reply: HTTPReply | None) -> bool | None:
    """What ``x-should-retry`` orders; ``None`` when it is absent."""
    value = reply.header("X-Should-Retry") if reply else None
    return {"true": True, "false": False}.get(value or "")
