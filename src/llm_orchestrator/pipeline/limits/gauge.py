"""A limit as the provider's replies tell it."""

from math import inf

from llm_orchestrator.pipeline.limits.gates import UNITS, Gate, Stamp, quarter

PERIODS = (1.0, 60.0, 3600.0, 86400.0)
_NEAR = 0.15
"""A limit fills evenly over one of these when its reset is that near to what would follow."""
_BELIEVED_S = 300.0
"""A reading counts so long: then one request is sent to see."""


class Gauge(Gate):
    """What is left of a limit, by the last reply that told it and by what went out since.

    It fills evenly, as the large providers' limits do, or at once at a told time.
    """

    __slots__ = ("_full_at", "_period", "_read_at", "_touched", "fresh", "level", "out", "rate")

    def __init__(self, kind: int, limit: int, name: str, period: float, now: float) -> None:
        super().__init__(kind, limit, name)
        self.level = float(limit)
        self.rate = limit / period
        """How much comes back in a second."""
        self.out = 0
        """What requests under way have taken: the provider may have counted it, or not yet."""
        self.fresh = False
        """The shared count was not told yet what the last reading said."""
        self._period = period
        self._full_at = inf
        self._touched = now
        self._read_at = now

    @property
    def words(self) -> str:
        """The limit, for people."""
        return f"{self.limit} {UNITS[self.kind]}, says the provider"

    @property
    def low(self) -> bool:
        """Whether so much is gone that each reply should be read."""
        return self.level * 2 < self.limit

    def follow(self, limit: int, remaining: int, reset: float | None, now: float) -> None:
        """A reply told the limit, what is left of it, and in how many seconds it is whole again."""
        self.limit = max(limit, 1)
        used = limit - remaining
        self._full_at = inf
        self._read_at = now
        self.fresh = True
        if reset and used * 4 > limit:  # of less, nothing can be told
            whole = reset * limit / used
            period = next((one for one in PERIODS if abs(whole - one) <= _NEAR * one), None)
            if period is None:
                self.rate, self._full_at = 0.0, now + reset
            else:
                self._period = period
        if self._full_at == inf:
            self.rate = self.limit / self._period
        self._fill(now)
        self.level = min(max(self.level, remaining - self.out), float(remaining))

    def alone(self) -> None:
        """What is under way is not ours."""
        super().alone()
        self.out = 0

    def spare(self, amount: int, now: float) -> int:
        """Of what is left."""
        self._fill(now)
        return quarter(self.level, self.limit, amount)

    def hold_back(self, amount: int, left: int, now: float) -> None:
        """Of what is ``left``, leave this amount to requests that are not counted."""
        self._fill(now)
        self.level = float(min(left, self.limit) - amount - self.out)

    def wait(self, amount: int, now: float, share: float = 1.0) -> float:
        """Seconds until it has filled up that far."""
        del share  # what the provider tells holds for all processes together
        if now - self._read_at >= _BELIEVED_S and self.level < amount:
            self._read_at, self.level = now, max(self.level, float(min(amount, self.limit)))
        return self._until(amount, now)

    def take(self, amount: int, now: float) -> None:
        """Count it."""
        del now
        self.level -= amount
        self.out += amount

    def end(self, stamp: Stamp | None, took: int, used: int, seconds: float | None) -> None:
        """The request has ended: it counts as under way no more."""
        del stamp, seconds
        self.out -= took
        self.level += took - used

    def _fill(self, now: float) -> None:
        if now >= self._full_at:
            self.level, self._full_at = float(self.limit), inf
            self.rate = self.limit / self._period
        elif self.rate:
            self.level = min(float(self.limit), self.level + (now - self._touched) * self.rate)
        self._touched = now

    def _until(self, amount: int, now: float) -> float:
        self._fill(now)
        missing = min(amount, self.limit) - self.level
        if missing <= 0:
            return 0.0
        fills = missing / self.rate if self.rate else inf
        return min(fills, self._full_at - now, max(0.0, self._read_at + _BELIEVED_S - now))

    def _after(self, amount: int, now: float) -> float:
        more = max(0, amount - self.limit)
        return self._until(amount, now) + more * self._period / self.limit
