"""Gates that the configuration sets: so many in any period, and so many at once."""

from collections import deque
from math import inf, isinf
from typing import TypeAlias

REQUESTS, TOKENS, INPUT, OUTPUT = range(4)
"""Places in a `Need`, and what a gate counts."""

UNITS = ("requests", "tokens", "input tokens", "output tokens")

Need: TypeAlias = tuple[int, int, int, int]
"""What one request takes: 1, its tokens, those of its input, those of its output."""

Stamp: TypeAlias = list[int]
"""Where a window has counted something: a part's number and its amount."""

PARTS = 60
"""A window forgets in so many steps; it counts up to one step too long, never too short."""
HIGHEST = 10
"""Priorities go from 1 to this."""
STEP_S = 1.0
"""What a minute's window forgets at once."""
_USUAL_S = 1.0
"""How long an answer takes, before one was seen."""


class Gate:
    """What every gate has: what it counts, its limit, and what stands in line before it."""

    __slots__ = ("kind", "limit", "name", "queued")

    def __init__(self, kind: int, limit: int, name: str) -> None:
        self.kind = kind
        self.limit = limit
        self.name = name
        """What it is called in the shared count."""
        self.queued = [0] * (HIGHEST + 1)
        """How much the waiting callers need, by their priority."""

    def wait(self, amount: int, now: float, share: float = 1.0) -> float:
        """Seconds until there is room, 0 if there is; infinite when nobody knows.

        What is larger than the whole limit has room when all is free. ``share`` is the part of the
        limit that may be used.
        """
        raise NotImplementedError

    def take(self, amount: int, now: float) -> Stamp | None:
        """Count it; what comes back is for `end`."""
        raise NotImplementedError

    def end(self, stamp: Stamp | None, took: int, used: int, seconds: float | None) -> None:
        """What took so much has ended, and used that much; ``None``: nobody knows how long."""
        raise NotImplementedError

    def alone(self) -> None:
        """Nobody waits, and nothing is under way: that is in another process."""
        self.queued = [0] * (HIGHEST + 1)

    def spare(self, amount: int, now: float) -> int:
        """How many that need so much would fit into a quarter of what is left.

        None, when less than half of the limit is left.
        """
        raise NotImplementedError

    @property
    def words(self) -> str:
        """The limit, for people."""
        raise NotImplementedError

    def ahead(self, amount: int, priority: int, now: float) -> float:
        """The same for one who comes last among those of this priority."""
        return self._after(sum(self.queued[priority:]) + amount, now)

    def _after(self, amount: int, now: float) -> float:
        raise NotImplementedError


class Window(Gate):
    """At most ``limit`` within any ``period`` seconds, whenever they begin.

    Only what was counted too low beforehand can pass it; what comes next then waits longer.
    """

    __slots__ = ("_parts", "_step", "period", "preset", "used")

    def __init__(
        self, kind: int, limit: int, name: str, *, period: float = 60.0, preset: bool = False
    ) -> None:
        super().__init__(kind, limit, name)
        self.period = period
        self.preset = preset
        """Whether it only holds until the provider tells its own limit."""
        self.used = 0
        self._step = period / PARTS
        self._parts: deque[Stamp] = deque()

    def wait(self, amount: int, now: float, share: float = 1.0) -> float:
        """Seconds until enough of what was taken is a period old."""
        parts, last = self._parts, int(now / self._step) - PARTS
        while parts and parts[0][0] < last:
            old = parts.popleft()
            self.used -= old[1]
            old[0] = -1  # corrections come too late for it
        limit = self.limit if share == 1 else max(1, int(self.limit * share))
        missing = self.used + min(amount, limit) - limit
        if missing <= 0:
            return 0.0
        for part, had in parts:
            missing -= had
            if missing <= 0:
                return (part + PARTS + 1) * self._step - now
        return self.period

    @property
    def words(self) -> str:
        """The limit, for people."""
        per = "a minute" if self.period == 60 else f"in {self.period:g} s"
        return f"{self.limit} {UNITS[self.kind]} {per}"

    def take(self, amount: int, now: float) -> Stamp:
        """Count it in the part that is now."""
        part, parts = int(now / self._step), self._parts
        self.used += amount
        if parts and parts[-1][0] == part:
            stamp = parts[-1]
            stamp[1] += amount
        else:
            stamp = [part, amount]
            parts.append(stamp)
        return stamp

    def spare(self, amount: int, now: float) -> int:
        """Of what is not used."""
        self.wait(1, now)  # which forgets
        return quarter(self.limit - self.used, self.limit, amount)

    def end(self, stamp: Stamp | None, took: int, used: int, seconds: float | None) -> None:
        """Correct what was counted then."""
        del seconds
        if took != used and stamp is not None and stamp[0] >= 0:
            stamp[1] += used - took
            self.used += used - took

    def _after(self, amount: int, now: float) -> float:
        turns, rest = divmod(max(1, amount) - 1, self.limit)
        return self.wait(rest + 1, now) + turns * self.period


class Slots(Gate):
    """At most ``limit`` requests that have no whole answer yet."""

    __slots__ = ("_seconds", "taken")

    def __init__(self, limit: int, name: str) -> None:
        super().__init__(REQUESTS, limit, name)
        self.taken = 0
        self._seconds = _USUAL_S

    def wait(self, amount: int, now: float, share: float = 1.0) -> float:
        """Infinite when it is full: one comes free when an answer ends."""
        del amount, now
        limit = self.limit if share == 1 else max(1, int(self.limit * share))
        return inf if self.taken >= limit else 0.0

    @property
    def words(self) -> str:
        """The limit, for people."""
        return f"{self.limit} requests in flight"

    def take(self, amount: int, now: float) -> None:
        """So many more."""
        del now
        self.taken += amount

    def alone(self) -> None:
        """All are free."""
        super().alone()
        self.taken = 0

    def spare(self, amount: int, now: float) -> int:
        """Of those that are free."""
        del now
        return quarter(self.limit - self.taken, self.limit, amount)

    def end(self, stamp: Stamp | None, took: int, used: int, seconds: float | None) -> None:
        """So many less."""
        del stamp, used
        self.taken = max(0, self.taken - took)  # a parent's, in a forked process
        if seconds is not None:
            self._seconds += 0.1 * (seconds - self._seconds)

    def _after(self, amount: int, now: float) -> float:
        if not isinf(self.wait(amount, now)) and amount <= self.limit - self.taken:
            return 0.0
        return self._seconds * amount / self.limit


def quarter(left: float, limit: int, amount: int) -> int:
    """How often the amount fits into a quarter of what is left; never into less than half."""
    return int(left) // (4 * amount) if left * 2 >= limit else 0
