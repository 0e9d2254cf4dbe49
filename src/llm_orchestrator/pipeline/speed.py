"""How fast candidates answer, as measured here."""

from collections import deque
from collections.abc import Callable
from time import monotonic

from llm_orchestrator.pipeline.attempt import Attempt
from llm_orchestrator.pipeline.guard import Guard
from llm_orchestrator.types.provider import Candidate

_KEPT = 100
_ENOUGH = 20
"""Fewer measurements than this say nothing of a 95th percentile."""
_HALF_LIFE_S = 300.0
"""A measurement counts half as much five minutes later."""
_FORGOTTEN = 0.01


class _Mean:
    """A mean in which old values fade."""

    __slots__ = ("at", "total", "weight")

    def __init__(self) -> None:
        self.total = self.weight = self.at = 0.0

    def add(self, value: float, now: float) -> None:
        fade = 0.5 ** ((now - self.at) / _HALF_LIFE_S)
        self.total = self.total * fade + value
        self.weight = self.weight * fade + 1
        self.at = now

    def value(self, now: float) -> float | None:
        """``None`` without measurements, or with none but very old ones."""
        if not self.weight or self.weight * 0.5 ** ((now - self.at) / _HALF_LIFE_S) < _FORGOTTEN:
            return None
        return self.total / self.weight


class _Measured:
    __slots__ = ("first", "first_mean", "per_token", "whole")

    def __init__(self) -> None:
        self.first: deque[float] = deque(maxlen=_KEPT)
        self.first_mean = _Mean()
        self.per_token = _Mean()
        """Seconds for each token after the first, of streams."""
        self.whole = _Mean()
        """Seconds for each token of whole answers, the wait before them included."""


class Speed(Guard):
    """Keeps how long each candidate takes to begin an answer, and to write it; in seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._measured: dict[str, _Measured] = {}
        self._clock = clock

    def leave(self, attempt: Attempt) -> None:
        """Keep the times of an answer that began."""
        first, usage = attempt.first_token, attempt.usage
        whole = first is None and attempt.status == "ok"
        if first is None and not whole:
            return
        name = attempt.candidate.name
        kept = self._measured.get(name)
        if kept is None:
            kept = self._measured[name] = _Measured()
        now = self._clock()
        tokens = usage.output_tokens if usage is not None else 0
        if first is not None:
            kept.first.append(first)
            kept.first_mean.add(first, now)
            if attempt.status == "ok" and tokens > 1:
                kept.per_token.add((attempt.latency - first) / (tokens - 1), now)
        elif tokens:
            kept.whole.add(attempt.latency / tokens, now)

    def first_token_p95(self, candidate: Candidate) -> float | None:
        """The 95th percentile; ``None`` before enough was measured."""
        kept = self._measured.get(candidate.name)
        if kept is None or len(kept.first) < _ENOUGH:
            return None
        return sorted(kept.first)[int(len(kept.first) * 0.95)]

    def measured(self, candidate: Candidate) -> tuple[float, float] | None:
        """Seconds to the first token, and tokens a second after it; ``None`` is not measured.

        Of whole answers only their length is known: they count as beginning at once.
        """
        kept = self._measured.get(candidate.name)
        if kept is None:
            return None
        now = self._clock()
        first, each, whole = (
            mean.value(now) for mean in (kept.first_mean, kept.per_token, kept.whole)
        )
        if first is not None and each is not None:
            return first, 1 / max(each, 1e-6)
        return None if whole is None else (0.0, 1 / max(whole, 1e-6))
