"""How much a model thinks, in the several ways that its generations take it."""

from typing import Any

from llm_orchestrator.dialects.base import Notices
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request

_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384}
_MOST = 32768
_LEAST = 1024
"""The smallest thinking budget that the wire takes; it must also be below ``max_tokens``."""


def thinking(body: dict[str, Any], request: Request, target: Candidate, notices: Notices) -> bool:
    """Put the effort that is asked for into the body; whether the model will think."""
    effort = request.effort
    if effort is None:
        return False
    if not target.can("reasoning"):
        if effort != "none":
            notices.drop("effort", "is not supported by this model")
        return False
    if effort == "none":
        body["thinking"] = {"type": "disabled"}
        return False
    if target.can("effort"):
        word = "low" if effort == "minimal" else effort
        body["output_config"] = body.get("output_config", {}) | {"effort": word}
    if target.can("adaptive_thinking"):
        body["thinking"] = {"type": "adaptive"}
        return True
    budget = min(_BUDGETS.get(effort, _MOST), body["max_tokens"] - 1)
    if budget < _LEAST:
        notices.drop("effort", f"needs max_tokens above {_LEAST} on this model")
        return False
    body["thinking"] = {"type": "enabled", "budget_tokens": budget}
    return True
