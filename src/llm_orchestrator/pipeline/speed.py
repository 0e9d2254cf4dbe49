"""How fast candidates answer, as measured here."""

from collections import deque

from llm_orchestrator.pipeline.attempt import Attempt
from llm_orchestrator.pipeline.guard import Guard
from llm_orchestrator.types.provider import Candidate

_KEPT = 100
_ENOUGH = 20
"""Fewer measurements than this say nothing of a 95th percentile."""


class Speed(Guard):
    """Keeps the last times to the first token of each candidate, in seconds."""

    def __init__(self) -> None:
        self._first: dict[str, deque[float]] = {}

    def leave(self, attempt: Attempt) -> None:
        """Keep the time of an answer that began."""
        if attempt.first_token is None:
            return
        name = attempt.candidate.name
        times = self._first.get(name)
        if times is None:
            times = self._first[name] = deque(maxlen=_KEPT)
        times.append(attempt.first_token)

    def first_token_p95(self, candidate: Candidate) -> float | None:
        """The 95th percentile; ``None`` before enough was measured."""
        times = self._first.get(candidate.name)
        if times is None or len(times) < _ENOUGH:
            return None
        return sorted(times)[int(len(times) * 0.95)]
