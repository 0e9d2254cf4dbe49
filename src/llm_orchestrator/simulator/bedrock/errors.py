"""Errors of Amazon Bedrock: a message in the body, the kind in a header."""

from __future__ import annotations

from typing import Final

from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.refusal import Refusal

KINDS: Final = {
    400: "ValidationException",
    401: "AccessDeniedException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    405: "UnknownOperationException",
    408: "ModelTimeoutException",
    413: "RequestEntityTooLargeException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    502: "ServiceUnavailableException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
}
"""The kind of an error by its status, unless it has one of its own."""


def kind(refusal: Refusal) -> str:
    """The kind for the header; limits of the simulator bring words of their own."""
    if refusal.type.endswith("Exception"):
        return refusal.type
    return KINDS.get(refusal.status, "InternalServerException")


def invalid(message: str) -> Refusal:
    """A 400 for a request that makes no sense."""
    return Refusal(400, message, type="ValidationException")


def constraint(value: object, where: str, rule: str) -> Refusal:
    """A 400 for a value that its shape does not allow."""
    return invalid(
        f"1 validation error detected: Value '{value}' at '{where}' failed to satisfy constraint: "
        f"Member must {rule}"
    )


def model_said(message: str) -> Refusal:
    """A 400 that the model behind the service gave."""
    return invalid(f"The model returned the following errors: {message}")


def too_long(tokens: int, context: int) -> Refusal:
    """A 400 for a prompt that does not fit."""
    refusal = model_said(f"prompt is too long: {tokens} tokens > {context} maximum")
    refusal.outcome = "400 context_length_exceeded"
    return refusal


def prefill() -> Refusal:
    """A 400 for a conversation that ends with the assistant where that is not supported."""
    return model_said(
        "This model does not support assistant message prefill. The conversation must end with a "
        "user message."
    )


def for_fault(fault: Fault, context: int) -> Refusal:
    """The refusal that a fault stands for."""
    if fault.name in {"rate-limit", "rate-limit-bare"}:
        return Refusal(429, "Too many requests, please wait before trying again.")
    if fault.name == "quota":
        message = "Too many tokens per day, please wait before trying again."
        return Refusal(429, message, outcome="429 quota")
    if fault.name == "overloaded":
        return Refusal(503, "Too many connections, please wait before trying again.")
    if fault.name in {"unavailable", "down"}:
        return Refusal(503, "Bedrock is unable to process your request.")
    if fault.name == "context-length":
        return too_long(context + 1234, context)
    if fault.name == "content-filter":
        refusal = model_said("Output blocked by content filtering policy")
        refusal.outcome = "400 content_policy_violation"
        return refusal
    if fault.name == "prefill-refused":
        return prefill()
    message = (
        "The system encountered an unexpected error during processing. Try your request again."
    )
    return Refusal(fault.status or 500, message)
