"""The classic synthesis: 50 % confidence, 30 % level of the model, 20 % length, and consensus.

Measured, it loses up to 12 points against the best single model: it is here by name, for those who
know it (`docs/concepts/routing.md`).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.routing.base import Answer
from llm_orchestrator.routing.complexity import LEVELS
from llm_orchestrator.routing.levels import level_of
from llm_orchestrator.routing.phrases import ConfidenceDetector

_FULL_LENGTH = 200
"""Words from which an answer counts as complete."""
_CONSENSUS = 0.1
"""The most that sharing key points with the others adds."""
_WORD = re.compile(r"[^\W\d_]{4,}|\d+(?:\.\d+)?")
_DETECTOR = ConfidenceDetector()


class Entry(msgspec.Struct, frozen=True):
    """An answer to be scored."""

    text: str
    model: str = ""
    level: int = 2
    confidence: float | None = None
    """As known from elsewhere; ``None``: by how it sounds."""


class Score(msgspec.Struct, frozen=True):
    """A score and its parts, each from 0 to 1."""

    total: float
    confidence: float
    level: float
    length: float
    consensus: float


def entry(answer: Answer, level: int | None = None) -> Entry:
    """An answer of ours, as it is scored."""
    known = level_of(answer.candidate.model) if level is None else level
    return Entry(answer.text, answer.name, known)


def scores(entries: Sequence[Entry]) -> list[Score]:
    """The score of each answer, with its consensus with the others."""
    points = [set(map(str.casefold, _WORD.findall(each.text))) for each in entries]
    found: list[Score] = []
    for at, each in enumerate(entries):
        others = [other for place, other in enumerate(points) if place != at]
        shared = [
            len(points[at] & other) / len(points[at] | other) if points[at] | other else 0.0
            for other in others
        ]
        consensus = sum(shared) / len(shared) if shared else 0.0
        sure = each.confidence if each.confidence is not None else _DETECTOR.detect(each.text)
        level = min(max(each.level, 1), len(LEVELS)) / len(LEVELS)
        length = min(1.0, len(each.text.split()) / _FULL_LENGTH)
        total = 0.5 * sure + 0.3 * level + 0.2 * length + _CONSENSUS * consensus
        found.append(Score(total, sure, level, length, consensus))
    return found


def synthesize_responses(responses: Sequence[Mapping[str, Any] | Any]) -> dict[str, Any]:
    """The classic synthesis of answers that are there.

    Each is a dict or an object with ``response`` (or ``content``, ``text``) and, where known,
    ``model`` (or ``model_used``), ``confidence``, ``level`` (1 to 4) and ``cost``. Gives the best
    one's ``response``, ``model`` and ``confidence``, with ``score``, ``consensus``, ``models``,
    ``all_confidences``, ``all_scores`` and ``ensemble_size``. Raises `InvalidRequestError` when
    there is none.
    """
    entries = [_read(each) for each in responses]
    if not entries:
        raise InvalidRequestError("responses: there is nothing to synthesize")
    rated = scores(entries)
    best = max(range(len(rated)), key=lambda at: rated[at].total)
    return {
        "response": entries[best].text,
        "model": entries[best].model,
        "confidence": rated[best].confidence,
        "score": rated[best].total,
        "consensus": rated[best].consensus,
        "models": [each.model for each in entries],
        "all_confidences": [each.confidence for each in rated],
        "all_scores": [each.total for each in rated],
        "ensemble_size": len(entries),
    }


def _read(given: Mapping[str, Any] | Any) -> Entry:
    def field(*names: str) -> Any:
        for name in names:
            value = given.get(name) if isinstance(given, Mapping) else getattr(given, name, None)
            if value is not None:
                return value
        return None

    text = given if isinstance(given, str) else field("response", "content", "text")
    if not isinstance(text, str):
        raise InvalidRequestError("responses: expected texts, or dicts with a response")
    if isinstance(given, str):
        return Entry(text)
    level = field("level", "capability", "capability_level")
    if isinstance(level, str):
        names = [*map(str, LEVELS)]
        level = names.index(level.lower()) + 1 if level.lower() in names else None
    return Entry(text, str(field("model", "model_used") or ""), level or 2, field("confidence"))
