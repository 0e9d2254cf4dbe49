"""Error bodies of Anthropic, and the words for each fault."""

from __future__ import annotations

from typing import Any, Final

from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.refusal import Refusal

TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def body(refusal: Refusal, request_id: str) -> dict[str, Any]:
    """The body of an error reply; the type follows from the status."""
    error: dict[str, Any] = {
        "type": TYPES.get(refusal.status, "api_error"),
        "message": refusal.message,
    }
    if refusal.details:
        error["details"] = refusal.details
    return {"type": "error", "error": error, "request_id": request_id}


def invalid(message: str) -> Refusal:
    """A 400 for a request that makes no sense."""
    return Refusal(400, message, type="invalid_request_error")


def prefill() -> Refusal:
    """A 400 for a conversation that ends with the assistant where that is not supported."""
    return invalid(
        "This model does not support assistant message prefill. "
        "The conversation must end with a user message."
    )


def for_fault(fault: Fault, model: str, context: int) -> Refusal:
    """The refusal that a fault stands for."""
    if fault.name in {"rate-limit", "rate-limit-bare"}:
        message = f"Number of requests has exceeded your per-minute rate limit for {model}."
        return Refusal(429, message, type="rate_limit_error")
    if fault.name == "quota":
        return Refusal(
            429,
            "Your organization has reached its enforced spend limit.",
            type="rate_limit_error",
            details={"error_code": "enforced_spend_limit_reached"},
            outcome="429 enforced_spend_limit_reached",
        )
    if fault.name in {"overloaded", "down"}:
        return Refusal(fault.status, "Overloaded", type=TYPES[fault.status])
    if fault.name == "context-length":
        return invalid(f"prompt is too long: {context + 1234} tokens > {context} maximum")
    if fault.name == "content-filter":
        return Refusal(
            400,
            "Output blocked by content filtering policy",
            type="invalid_request_error",
            outcome="400 content_policy_violation",
        )
    if fault.name == "prefill-refused":
        return prefill()
    status = fault.status or 500
    return Refusal(status, "Internal server error", type=TYPES.get(status, "api_error"))
