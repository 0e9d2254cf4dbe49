"""How much a model thinks, on the wire of Messages, for all kinds of models."""

import json
from typing import Any

import pytest

from llm_orchestrator.dialects import anthropic
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Message, OutputSchema, Request
from tests.unit.dialects import targets

HI = (Message("user", "Hi"),)
SCHEMA = OutputSchema("out", {"type": "object", "properties": {"x": {"type": "string"}}})
ANY = targets.anthropic()


def asked(**fields: Any) -> Request:
    everything: dict[str, Any] = {"messages": HI, "max_tokens": 64} | fields
    return Request(**everything)


def sent(request: Request, target: Candidate = ANY) -> tuple[dict[str, Any], list[str]]:
    """The body and the notices; encoding twice must give the same."""
    call = anthropic.encode(request, target)
    assert anthropic.encode(request, target) == call
    return json.loads(call.body), list(call.notices)


def body(request: Request, target: Candidate = ANY) -> dict[str, Any]:
    found, notices = sent(request, target)
    assert notices == []
    return found


BUDGET = targets.anthropic("reasoning")
ADAPTIVE = targets.anthropic("reasoning adaptive_thinking effort")
EFFORT = targets.anthropic("reasoning effort")
THINKING = [
    (ANY, "low", 4096, {"type": "adaptive"}, "low"),
    (ADAPTIVE, "minimal", 64, {"type": "adaptive"}, "low"),
    (ADAPTIVE, "max", 64, {"type": "adaptive"}, "max"),
    (ADAPTIVE, "none", 64, {"type": "disabled"}, None),
    (BUDGET, "minimal", 4096, {"type": "enabled", "budget_tokens": 1024}, None),
    (BUDGET, "low", 4096, {"type": "enabled", "budget_tokens": 2048}, None),
    (BUDGET, "medium", 64_000, {"type": "enabled", "budget_tokens": 8192}, None),
    (BUDGET, "high", 64_000, {"type": "enabled", "budget_tokens": 16_384}, None),
    (BUDGET, "max", 64_000, {"type": "enabled", "budget_tokens": 32_768}, None),
    (BUDGET, "high", 2000, {"type": "enabled", "budget_tokens": 1999}, None),
    (BUDGET, "none", 4096, {"type": "disabled"}, None),
    (EFFORT, "high", 64_000, {"type": "enabled", "budget_tokens": 16_384}, "high"),
]


@pytest.mark.parametrize("target, effort, limit, thinking, word", THINKING)
def test_effort_on_all_kinds_of_models(
    target: Candidate, effort: str, limit: int, thinking: Any, word: str | None
) -> None:
    found = body(asked(effort=effort, max_tokens=limit), target)
    assert found["thinking"] == thinking
    assert found.get("output_config", {}).get("effort") == word


def test_a_model_that_does_not_think() -> None:
    target = targets.anthropic("tools")
    found, notices = sent(asked(effort="low"), target)
    assert not found.keys() & {"thinking", "output_config"}
    assert notices == ["effort is not supported by this model"]
    assert "thinking" not in body(asked(effort="none"), target)


def test_a_limit_too_small_to_think_in() -> None:
    found, notices = sent(asked(effort="high", max_tokens=1024), BUDGET)
    assert "thinking" not in found
    assert len(notices) == 1
    assert "max_tokens" in notices[0]


def test_effort_and_schema_share_their_place() -> None:
    found = body(asked(effort="low", schema=SCHEMA), targets.anthropic())
    assert found["output_config"] == {
        "format": {"type": "json_schema", "schema": SCHEMA.schema},
        "effort": "low",
    }
