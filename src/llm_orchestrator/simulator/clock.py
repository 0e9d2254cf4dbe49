"""Time as the simulator sees it: the one place that reads a clock or sleeps."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime


class Clock:
    """Real time, and a virtual one that batches live by.

    `speed` 10 makes simulated latency and the virtual clock pass ten times faster; faults keep
    their real seconds.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._check(speed)
        self.speed = speed
        self._real, self._virtual = self.ticks(), self.now()

    @staticmethod
    def _check(speed: float) -> None:
        if not 0 < speed < float("inf"):
            raise ValueError("speed must be above 0")

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def ticks(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def virtual(self) -> float:
        """Seconds since 1970 on the virtual clock, which never goes back."""
        return self._virtual + (self.ticks() - self._real) * self.speed

    def advance(self, seconds: float) -> None:
        """Let the virtual clock jump ahead; ValueError for a step back."""
        if not 0 <= seconds < float("inf"):
            raise ValueError("the clock only goes forward")
        self._virtual += seconds

    def hasten(self, speed: float) -> None:
        """From now on let time pass this many times faster; ValueError unless above 0."""
        self._check(speed)
        self._virtual, self._real = self.virtual(), self.ticks()
        self.speed = speed

    def today(self) -> str:
        """The date in UTC, as YYYY-MM-DD."""
        return datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%d")

    def scaled(self, latency: float) -> float:
        """The real seconds that a latency takes."""
        return latency / self.speed

    async def wait(self, seconds: float) -> None:
        """Sleep for real seconds."""
        if seconds > 0:
            await asyncio.sleep(seconds)


def rfc3339(moment: float) -> str:
    """A moment (seconds since 1970) as RFC 3339 text in UTC with whole seconds."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
