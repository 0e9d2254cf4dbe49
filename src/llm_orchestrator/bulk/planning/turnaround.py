"""How long the providers' batches take: by what was seen here, and by rule until then."""

import math
from collections.abc import Iterable, Mapping

_H = 3600.0
TYPICAL: Mapping[str, tuple[float, ...]] = {
    "anthropic": (0.1 * _H, 0.25 * _H, 0.5 * _H, 1 * _H, 3 * _H),
    "openai": (0.2 * _H, 0.5 * _H, 1 * _H, 4 * _H, 12 * _H),
    "azure": (0.2 * _H, 0.5 * _H, 1 * _H, 4 * _H, 12 * _H),
    "gemini": (0.2 * _H, 0.5 * _H, 1 * _H, 4 * _H, 12 * _H),
    "groq": (0.1 * _H, 0.25 * _H, 1 * _H, 4 * _H, 12 * _H),
    "mistral": (0.1 * _H, 0.25 * _H, 1 * _H, 4 * _H, 12 * _H),
    "together": (0.5 * _H, 1 * _H, 4 * _H, 12 * _H, 48 * _H),
}
"""Five batches as they may go, in seconds: guesses from what the providers say ("most within an
hour", "best effort"), which own batches replace."""
UNKNOWN = (0.25 * _H, 0.5 * _H, 2 * _H, 6 * _H, 20 * _H)
"""The same guesses for all other providers."""
ENOUGH = 8
"""From so many batches of our own on, the guesses count no more."""
SLOW = 0.8
"""The part of batches that are back in the time that is planned with."""
_SOON_S = 600.0


class Turnarounds:
    """Times of batches by provider, in seconds; ``seen`` are those of one's own."""

    def __init__(self, seen: Mapping[str, Iterable[float]] | None = None) -> None:
        self._times: dict[str, list[float]] = {
            provider: sorted(times) for provider, times in (seen or {}).items()
        }
        self.seen = {provider: len(times) for provider, times in self._times.items()}
        """How many batches are known of each provider."""
        for provider, times in self._times.items():
            if len(times) < ENOUGH:
                self._times[provider] = sorted((*times, *TYPICAL.get(provider, UNKNOWN)))

    def quantile(self, provider: str, part: float = SLOW) -> float:
        """The time in which that part of its batches is back."""
        return _quantile(self._of(provider), part)

    def left(self, provider: str, passed: float, part: float = 0.5) -> float:
        """How much longer a batch probably takes that is not back after so many seconds.

        Of one that is older than all that were seen, nothing is known but its age: half of that.
        """
        longer = [time - passed for time in self._of(provider) if time > passed]
        if longer:
            return _quantile(longer, part)
        return max(_SOON_S, passed / 2)

    def in_time(self, provider: str, passed: float, left: float) -> float:
        """How probable it is that such a batch is back within ``left`` seconds, from 0 to 1."""
        longer = [time - passed for time in self._of(provider) if time > passed]
        if not longer:
            return 0.5 if left >= self.left(provider, passed) else 0.0
        return sum(time <= left for time in longer) / len(longer)

    def _of(self, provider: str) -> list[float]:
        return self._times.get(provider) or sorted(TYPICAL.get(provider, UNKNOWN))


def _quantile(times: list[float], part: float) -> float:
    """The smallest of the sorted times that so large a part of them does not pass."""
    return times[max(0, math.ceil(part * len(times)) - 1)]
