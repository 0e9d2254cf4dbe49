"""How much a model thinks: one word of ours, five ways of asking for it."""

from typing import Any

from llm_orchestrator.dialects.base import Notices
from llm_orchestrator.dialects.bedrock.families import Family
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request

_WORDS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384}
_MOST = 32768
_LEAST = 1024
"""The smallest thinking budget of Claude; it must also be below ``maxTokens``."""
_ANSWER = 4096
"""Tokens left for the answer where nothing says how long it may be."""


def think(
    body: dict[str, Any], request: Request, target: Candidate, family: Family, notices: Notices
) -> bool:
    """Put the effort that is asked for into the body; whether sampling is then refused."""
    effort = request.effort
    if effort is None:
        return False
    if not target.can("reasoning"):
        if effort != "none":
            notices.drop("effort", "is not supported by this model")
        return False
    if family.thinking == "budget":
        return _claude(body, effort, request, target, notices)
    if not family.thinking:
        why = "has no known field for this model: pass one in additionalModelRequestFields"
        notices.drop("effort", why)
        return False
    if effort == "none" and "none" not in family.efforts:
        if family.thinking == "nova":
            more(body)["reasoningConfig"] = {"type": "disabled"}
        else:
            notices.drop(
                "effort none", "cannot be asked for: the model thinks as it does by itself"
            )
        return False
    word = _nearest(effort, family.efforts, notices)
    if family.thinking == "nova":
        more(body)["reasoningConfig"] = _nova(word, request, notices)
    elif family.thinking == "nested":
        more(body)["reasoning"] = {"effort": word}
    else:
        more(body)["reasoning_effort" if family.thinking == "flat" else "reasoning_config"] = word
    return False


def more(body: dict[str, Any]) -> dict[str, Any]:
    """The part of the body that goes to the model as it is."""
    fields: dict[str, Any] = body.setdefault("additionalModelRequestFields", {})
    return fields


def _nearest(effort: str, words: tuple[str, ...], notices: Notices) -> str:
    """The word of the family that is nearest, the weaker one of two."""
    if effort in words:
        return effort
    at = _WORDS.index(effort)
    word = min(words, key=lambda one: abs(_WORDS.index(one) - at))
    notices.drop(f"effort {effort}", f"was set to {word}, the nearest that this model takes")
    return word


def _nova(word: str, request: Request, notices: Notices) -> dict[str, Any]:
    limits = (request.max_tokens, request.temperature, request.top_p, request.top_k)
    if word == "high" and any(limit is not None for limit in limits):
        # Better less thinking than an answer without the limit that was asked for.
        why = "was lowered to medium: high cannot be combined with max_tokens or sampling here"
        notices.drop("effort high", why)
        word = "medium"
    return {"type": "enabled", "maxReasoningEffort": word}


def _claude(
    body: dict[str, Any], effort: str, request: Request, target: Candidate, notices: Notices
) -> bool:
    if effort == "none":
        more(body)["thinking"] = {"type": "disabled"}
        return False
    if target.can("effort"):
        word = "low" if effort == "minimal" else effort
        body["outputConfig"] = body.get("outputConfig", {}) | {"effort": word}
    if target.can("adaptive_thinking"):
        # Without `display`, newer models return thoughts without their text.
        more(body)["thinking"] = {"type": "adaptive", "display": "summarized"}
        return True
    budget = _BUDGETS.get(effort, _MOST)
    most = request.max_tokens or target.model.max_output or budget + _ANSWER
    budget = min(budget, most - 1)
    if budget < _LEAST:
        notices.drop("effort", f"needs max_tokens above {_LEAST} on this model")
        return False
    body["inferenceConfig"] = body.get("inferenceConfig", {}) | {"maxTokens": most}
    more(body)["thinking"] = {"type": "enabled", "budget_tokens": budget}
    return True
