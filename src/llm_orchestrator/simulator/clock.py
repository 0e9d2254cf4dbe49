"""Time as the simulator sees it: the one place that reads a clock or sleeps."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime


class Clock:
    """Real time. `speed` 10 makes simulated latency pass ten times faster; faults keep theirs."""

    def __init__(self, speed: float = 1.0) -> None:
        if speed <= 0:
            raise ValueError("speed must be above 0")
        self.speed = speed

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def ticks(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

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
