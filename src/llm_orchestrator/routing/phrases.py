"""The classic word lists, and what they are good for: refusals and answers that broke off.

As a measure of confidence they lose against a coin: phrases such as "I think" are about as frequent
in right answers as in wrong ones (`docs/concepts/routing.md`).
"""

import re

from llm_orchestrator.routing.base import Answer, Offer
from llm_orchestrator.routing.signals import Case, Judgement, Stage

LOW = (
    "not sure", "uncertain", "might be", "possibly", "I think", "seems like", "appears to",
    "need more context", "would need to",
)  # fmt: skip
"""Phrases of low confidence."""
HIGH = ("definitely", "certainly", "clearly", "proven", "established", "confirmed")
"""Phrases of high confidence."""
_BASE = 0.7
_SHORT, _LONG = 20, 100
_LOW = tuple(re.compile(rf"\b{phrase}\b", re.IGNORECASE) for phrase in LOW)
_HIGH = tuple(re.compile(rf"\b{phrase}\b", re.IGNORECASE) for phrase in HIGH)
_REFUSAL = re.compile(
    r"\A\W*(?:I(?:'m| am) (?:very |so |really )?sorry\b"
    r"|(?:sorry|unfortunately|apologies|as an AI\b)"
    r"[^.!?\n]{0,40}\bI\b)?[^.!?\n]{0,60}"
    r"\bI (?:can(?:no|')t|can not|am (?:unable|not able) to|won't|will not|must decline)\b"
    r"[^.!?\n]{0,30}\b(?:assist|help|answer|provide|comply|do that|fulfil+|discuss|respond"
    r"|continue|generate|create|determine|complete)",
    re.IGNORECASE,
)
_GIVEN_UP = re.compile(
    r"\b(?:I|we) (?:can(?:no|')t|can not|am (?:unable|not able) to) "
    r"(?:provide|give|determine|offer) (?:an?|the|any) (?:\w+ )?answer\b"
    r"|\bI (?:don't|do not) know\b[^.]{0,40}\.?\s*\Z",
    re.IGNORECASE,
)
_END = re.compile(r"[.!?…:;)\]}>\"'`*|\u3002\uff01\uff1f\u300d\u300f\u3011\d]\s*\Z")
_NO_END = re.compile(
    r"(?:\b(?:and|or|the|a|an|of|to|in|with|is|are|that|which|for|because)|[,(=+/-])\s*\Z"
)


class ConfidenceDetector:
    """Tells how sure a text sounds, and whether it is an answer at all.

    ``threshold`` is what counts as sure, from 0 to 1.
    """

    def __init__(self, threshold: float = 0.6) -> None:
        self._threshold = threshold

    def detect(self, response: str) -> float:
        """From 0 to 1: 0.7, less 0.15 for each phrase of doubt, and so on; refusals are 0."""
        if not response.strip() or self.is_refusal(response):
            return 0.0
        words = len(response.split())
        score = _BASE
        score -= 0.15 * sum(pattern.search(response) is not None for pattern in _LOW)
        score += 0.05 * sum(pattern.search(response) is not None for pattern in _HIGH)
        score -= 0.2 * (words < _SHORT)
        score += 0.1 * (words > _LONG)
        return round(min(max(score, 0.0), 1.0), 6)

    def detect_confidence(self, response: str) -> float:
        """See `detect`."""
        return self.detect(response)

    def is_confident(self, response: str, threshold: float | None = None) -> bool:
        """Whether a text sounds at least as sure as the threshold, or as the detector's own."""
        return self.detect(response) >= (self._threshold if threshold is None else threshold)

    def is_refusal(self, response: str) -> bool:
        """Whether the model says that it will not or cannot answer."""
        head = response.strip()[:400].replace("’", "'")
        if _REFUSAL.match(head):
            return True
        return bool(_GIVEN_UP.search(response.replace("’", "'")[-400:]))

    def is_truncated(self, response: str) -> bool:
        """Whether a text breaks off in the middle of a sentence or of a block of code."""
        text = response.rstrip()
        if not text:
            return False
        if text.count("```") % 2:
            return True
        if _NO_END.search(text[-20:]):
            return True
        # Short answers and lists need no full stop.
        last = text.rsplit("\n", 1)[-1]
        return len(last.split()) > 12 and _END.search(text[-3:]) is None


_DETECTOR = ConfidenceDetector()


def fault(answer: Answer) -> str:
    """Why an answer is none, whatever it says: empty, refused or cut; ``""`` when it is one."""
    response = answer.response
    if response.finish_reason == "tool_calls":
        return ""
    if not response.text.strip():
        return "it is empty"
    if response.finish_reason == "content_filter":
        return "the provider cut it"
    if _DETECTOR.is_refusal(response.text):
        return "it is a refusal"
    return ""


class Phrases:
    """The classic signal: how sure an answer sounds."""

    name = "phrases"

    async def __call__(self, case: Case) -> Judgement:
        """Costs nothing."""
        text = case.answer.text
        if why := fault(case.answer):
            return Judgement(confidence=0.0, why=why)
        if case.answer.response.finish_reason == "length" or _DETECTOR.is_truncated(text):
            return Judgement(confidence=0.1, why="it breaks off")
        sure = _DETECTOR.detect(text)
        return Judgement(confidence=sure, why="by how it sounds")

    def needs(self, stage: Stage) -> tuple[Offer, ...]:
        """Nobody."""
        del stage
        return ()
