"""Errors of Cohere: a message and an id."""

from __future__ import annotations

from typing import Any

from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.refusal import Refusal


def body(refusal: Refusal, request_id: str) -> dict[str, Any]:
    """The body of an error reply."""
    return {"id": request_id, "message": refusal.message}


def invalid(message: str) -> Refusal:
    """A 400 for a request that makes no sense."""
    return Refusal(400, f"invalid request: {message}")


def no_model(name: str) -> Refusal:
    """A 404 for a model that does not exist."""
    message = f"model '{name}' not found, make sure the correct model ID was used and that you have"
    return Refusal(404, f"{message} access to the model.", outcome="404 no model")


def too_long(tokens: int, context: int) -> Refusal:
    """A 400 for a prompt that does not fit."""
    message = (
        f"too many tokens: size limit exceeded by {tokens - context} tokens. Try using shorter or "
        f"fewer inputs. The limit for this model is {context} tokens."
    )
    return Refusal(400, message, outcome="400 context_length_exceeded")


def prefill() -> Refusal:
    """A 400 for a conversation that ends with the assistant."""
    return invalid("the last message must be from a user or a tool.")


def for_fault(fault: Fault, context: int) -> Refusal:
    """The refusal that a fault stands for."""
    if fault.name in {"rate-limit", "rate-limit-bare"}:
        message = "Please wait and try again later. You are past the rate limit of this endpoint."
        return Refusal(429, message)
    if fault.name == "quota":
        message = "Your account has no payment method left. Add one to go on using the API."
        return Refusal(402, message, outcome="402 quota")
    if fault.name in {"unavailable", "overloaded", "down"}:
        return Refusal(503, "The service is overloaded. Try again later.")
    if fault.name == "context-length":
        return too_long(context + 1234, context)
    if fault.name == "content-filter":
        message = "your request was blocked by a content filter."
        return Refusal(400, f"invalid request: {message}", outcome="400 content_policy_violation")
    if fault.name == "prefill-refused":
        return prefill()
    known = {498: "invalid token", 499: "client closed request", 501: "not implemented"}
    status = fault.status or 500
    return Refusal(status, known.get(status, "internal server error, this has been reported."))
