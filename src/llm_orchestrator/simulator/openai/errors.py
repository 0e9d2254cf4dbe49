"""Error bodies of OpenAI, and the words for each fault."""

from __future__ import annotations

from typing import Any

from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.refusal import Refusal

_TYPES = {
    429: "requests",
    500: "server_error",
    502: "server_error",
    503: "server_error",
    504: "server_error",
}


def body(refusal: Refusal) -> dict[str, Any]:
    """The body of an error reply."""
    return {
        "error": {
            "message": refusal.message,
            "type": refusal.type or _TYPES.get(refusal.status, "invalid_request_error"),
            "param": refusal.param,
            "code": refusal.code,
        }
    }


def invalid(message: str, param: str | None = None, code: str | None = None) -> Refusal:
    """A 400 for a request that makes no sense."""
    return Refusal(400, message, type="invalid_request_error", param=param, code=code)


def no_model(name: str) -> Refusal:
    """A 404 for a model that does not exist."""
    message = f"The model `{name}` does not exist or you do not have access to it."
    return Refusal(404, message, type="invalid_request_error", code="model_not_found")


def too_long(context: int, tokens: int) -> Refusal:
    """A 400 for a prompt that does not fit."""
    message = (
        f"This model's maximum context length is {context} tokens. However, your messages "
        f"resulted in {tokens} tokens. Please reduce the length of the messages."
    )
    return invalid(message, "messages", "context_length_exceeded")


def for_fault(fault: Fault, model: str, context: int) -> Refusal:
    """The refusal that a fault stands for."""
    server = "The server had an error while processing your request. Sorry about that!"
    if fault.name in {"rate-limit", "rate-limit-bare"}:
        message = f"Rate limit reached for {model} on requests per minute. Please try again later."
        return Refusal(429, message, type="requests", code="rate_limit_exceeded")
    if fault.name == "quota":
        message = "You exceeded your current quota, please check your plan and billing details."
        return Refusal(429, message, type="insufficient_quota", code="insufficient_quota")
    if fault.name in {"unavailable", "overloaded", "down"}:
        message = "The engine is currently overloaded, please try again later"
        return Refusal(503, message, type="server_error", code="overloaded")
    if fault.name == "context-length":
        return too_long(context, context + 1234)
    if fault.name == "content-filter":
        message = "Your request was rejected by our safety system."
        return invalid(message, None, "content_policy_violation")
    if fault.name == "prefill-refused":
        message = (
            "This model does not support assistant message prefill. "
            "The conversation must end with a user message."
        )
        return invalid(message, "messages", "invalid_prefill")
    if fault.status == 401:
        message = "Incorrect API key provided."
        return Refusal(401, message, type="invalid_request_error", code="invalid_api_key")
    if fault.status == 403:
        message = f"Your project may not use the model {model}."
        return Refusal(403, message, type="invalid_request_error")
    if fault.status == 404:
        return no_model(model)
    return Refusal(fault.status or 500, server, type="server_error")
