"""How much a model thinks: a budget of tokens up to Gemini 2.5, one of a few levels from 3 on."""

import re
from typing import Any

from llm_orchestrator.dialects.base import Notices
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Effort, Request

_VERSION = re.compile(r"gemini-(\d+(?:\.\d+)?)")
_NEWEST = 99.0
"""Of names without a number (``gemini-flash-latest``): they move on with the generations."""

_BUDGETS = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24576}
_MOST = 24576
_PRO_LEAST, _PRO_MOST = 128, 32768

_LEVELS = {"low": "LOW", "medium": "MEDIUM"}


def generation(model: str) -> float:
    """The number in a model's name, such as 2.5; 0 for models that are no Gemini."""
    if found := _VERSION.match(model):
        return float(found[1])
    return _NEWEST if model.startswith("gemini-") else 0.0


def thinking(config: dict[str, Any], request: Request, target: Candidate, notices: Notices) -> None:
    """Put the effort that is asked for into ``generationConfig``."""
    effort = request.effort
    if effort is None:
        return
    if not target.can("reasoning"):
        if effort != "none":
            notices.drop("effort", "is not supported by this model")
        return
    model = target.model.id
    by_budget = generation(model) < 3 or "robotics-er-1" in model
    wanted = _budget(model, effort) if by_budget else _level(model, effort)
    if effort == "none":
        if wanted != {"thinkingBudget": 0}:
            notices.drop('effort "none"', "is the least that this model thinks: it always does")
    else:
        wanted["includeThoughts"] = True
    config["thinkingConfig"] = wanted


def _budget(model: str, effort: Effort) -> dict[str, Any]:
    pro = "-pro" in model
    tokens = _BUDGETS.get(effort, _PRO_MOST if pro else _MOST)
    return {"thinkingBudget": max(tokens, _PRO_LEAST) if pro else tokens}


def _level(model: str, effort: Effort) -> dict[str, Any]:
    if effort in {"none", "minimal"}:
        # The larger ones do not go lower than LOW, nor do the flash models since 3.7.
        small = "lite" in model or ("flash" in model and generation(model) < 3.7)
        return {"thinkingLevel": "MINIMAL" if small else "LOW"}
    if effort == "medium" and model.startswith("gemini-3-pro"):
        return {"thinkingLevel": "HIGH"}  # it knows only two
    return {"thinkingLevel": _LEVELS.get(effort, "HIGH")}
