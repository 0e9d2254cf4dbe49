"""Errors as Google's APIs write them, and the words for each fault."""

from __future__ import annotations

from typing import Any, Final

from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.refusal import Refusal

STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_RPC: Final = "type.googleapis.com/google.rpc."
_QUOTAS: Final = {
    "requests": "GenerateRequestsPerMinutePerProjectPerModel",
    "tokens": "GenerateContentInputTokensPerModelPerMinute",
    "concurrency": "GenerateConcurrentRequestsPerProjectPerModel",
    "day": "GenerateRequestsPerDayPerProjectPerModel",
}


def body(refusal: Refusal) -> dict[str, Any]:
    """The body of an error reply, with what google.rpc adds to it."""
    details = list((refusal.details or {}).get("details", []))
    if refusal.status == 429:
        quota = _QUOTAS.get(refusal.type, _QUOTAS["requests"])
        metric = "generativelanguage.googleapis.com/generate_content_requests"
        violation = {"quotaMetric": metric, "quotaId": quota}
        details.append({"@type": f"{_RPC}QuotaFailure", "violations": [violation]})
    if refusal.retry_after is not None:
        delay = f"{refusal.retry_after:.9f}".rstrip("0").rstrip(".")
        details.append({"@type": f"{_RPC}RetryInfo", "retryDelay": f"{delay}s"})
    error: dict[str, Any] = {
        "code": refusal.status,
        "message": refusal.message,
        "status": STATUSES.get(refusal.status, "UNKNOWN"),
    }
    return {"error": error | ({"details": details} if details else {})}


def invalid(message: str, field: str = "") -> Refusal:
    """A 400 for a request that makes no sense; `field` is its path in snake_case."""
    if not field:
        return Refusal(400, message)
    violation = {"field": field, "description": message}
    detail = {"@type": f"{_RPC}BadRequest", "fieldViolations": [violation]}
    return Refusal(400, message, details={"details": [detail]})


def reason(status: int, message: str, why: str, service: str) -> Refusal:
    """A refusal with an ErrorInfo that names its reason."""
    info = {
        "@type": f"{_RPC}ErrorInfo",
        "reason": why,
        "domain": "googleapis.com",
        "metadata": {"service": service},
    }
    return Refusal(status, message, details={"details": [info]}, outcome=f"{status} {why}")


RPC: Final = {
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "ABORTED": 10,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "UNAUTHENTICATED": 16,
}
"""Numbers of google.rpc.Code."""


def status(refusal: Refusal) -> dict[str, Any]:
    """A google.rpc.Status, as long-running operations carry errors."""
    name = STATUSES.get(refusal.status, "UNKNOWN")
    return {"code": RPC[name], "message": refusal.message}


def gone(name: str) -> Refusal:
    """A 404 for a resource that is not there."""
    message = f"Requested entity was not found: {name}."
    return Refusal(404, message, outcome="404 not found")


def too_long(tokens: int, context: int) -> Refusal:
    """A 400 for a prompt that does not fit."""
    message = (
        f"The input token count ({tokens}) exceeds the maximum number of tokens allowed "
        f"({context})."
    )
    return Refusal(400, message, outcome="400 context_length_exceeded")


def prefill() -> Refusal:
    """A 400 for a conversation that ends with the model where that is not supported."""
    return invalid(
        "Please ensure that multiturn requests end with a user role or a function response."
    )


def for_fault(fault: Fault, context: int) -> Refusal:
    """The refusal that a fault stands for."""
    if fault.name in {"rate-limit", "rate-limit-bare"}:
        return Refusal(429, "Resource has been exhausted (e.g. check quota).", type="requests")
    if fault.name == "quota":
        message = (
            "You exceeded your current quota, please check your plan and billing details. "
            "* Quota exceeded for metric: "
            "generativelanguage.googleapis.com/generate_content_requests, limit: 250"
        )
        return Refusal(429, message, type="day", outcome="429 quota")
    if fault.name in {"unavailable", "overloaded", "down"}:
        return Refusal(503, "The model is overloaded. Please try again later.")
    if fault.name == "context-length":
        return too_long(context + 1234, context)
    if fault.name == "prefill-refused":
        return prefill()
    message = "An internal error has occurred. Please retry or report in the developer forum."
    return Refusal(fault.status or 500, message)
