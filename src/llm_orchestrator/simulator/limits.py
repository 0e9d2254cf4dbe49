"""Rate limits of an account on a model: requests and tokens a minute, requests in flight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llm_orchestrator.simulator.clock import Clock

ADVERTISED_RPM: Final = 30_000
ADVERTISED_TPM: Final = 150_000_000


@dataclass(slots=True)
class Bucket:
    """A bucket that fills evenly within a minute. Amounts may go below zero by late charges."""

    limit: int
    level: float
    touched: float

    def refill(self, now: float) -> None:
        """Add what flowed in since the last look."""
        self.level = min(self.limit, self.level + (now - self.touched) * self.limit / 60)
        self.touched = now

    def wait(self, amount: float) -> float:
        """Seconds until this amount is there."""
        return max(0.0, (amount - self.level) * 60 / self.limit)

    @property
    def full_in(self) -> float:
        """Seconds until the bucket is full again: what the reset headers say."""
        return max(0.0, (self.limit - self.level) * 60 / self.limit)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the rate-limit headers of one reply say."""

    limit: int
    remaining: int
    reset: float


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a request is over the limit: `what` is requests, tokens or concurrency."""

    what: str
    limit: int
    wait: float


class Limits:
    """All buckets. Without limits the headers show generous ones that are never reached."""

    def __init__(
        self,
        clock: Clock,
        rpm: int | None = None,
        tpm: int | None = None,
        in_flight: int | None = None,
    ) -> None:
        self._clock = clock
        self._rpm, self._tpm, self._most = rpm, tpm, in_flight
        self._buckets: dict[tuple[str, str, str], Bucket] = {}
        self._running: dict[tuple[str, str], int] = {}

    def reset(self) -> None:
        """Fill all buckets."""
        self._buckets.clear()

    def _bucket(self, account: str, model: str, what: str) -> Bucket | None:
        limit = self._rpm if what == "requests" else self._tpm
        if limit is None:
            return None
        now = self._clock.ticks()
        key = (account, model, what)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(limit, limit, now)
        bucket.refill(now)
        return bucket

    def enter(self, account: str, model: str, tokens: int) -> Blocked | None:
        """Take a request and its input tokens, or say what is missing. Pair with `leave`."""
        running = self._running.get((account, model), 0)
        if self._most is not None and running >= self._most:
            return Blocked("concurrency", self._most, 1.0)
        requests = self._bucket(account, model, "requests")
        budget = self._bucket(account, model, "tokens")
        if requests and requests.level < 1:
            return Blocked("requests", requests.limit, requests.wait(1))
        if budget and budget.level < min(tokens, budget.limit):
            return Blocked("tokens", budget.limit, budget.wait(min(tokens, budget.limit)))
        if requests:
            requests.level -= 1
        if budget:
            budget.level -= tokens
        self._running[(account, model)] = running + 1
        return None

    def leave(self, account: str, model: str, tokens: int) -> None:
        """The request is over; its output tokens are charged late."""
        self._running[(account, model)] = max(0, self._running.get((account, model), 1) - 1)
        budget = self._bucket(account, model, "tokens")
        if budget:
            budget.level -= tokens

    def reading(self, account: str, model: str, what: str) -> Reading:
        """The figures for the headers; `what` is requests or tokens."""
        bucket = self._bucket(account, model, what)
        if bucket is None:
            limit = ADVERTISED_RPM if what == "requests" else ADVERTISED_TPM
            return Reading(limit, limit - 1, 0.001)
        return Reading(bucket.limit, max(0, int(bucket.level)), bucket.full_in)


def go_duration(seconds: float) -> str:
    """A duration as Go prints it: 12ms, 1.5s, 6m0s, 1h0m0s."""
    millis = round(seconds * 1000)
    if millis < 1000:
        return f"{millis}ms"
    whole, rest = divmod(millis, 1000)
    hours, minutes, left = whole // 3600, whole // 60 % 60, whole % 60
    tail = f"{left}.{rest:03d}".rstrip("0").rstrip(".") if rest else str(left)
    if hours:
        return f"{hours}h{minutes}m{tail}s"
    return f"{minutes}m{tail}s" if minutes else f"{tail}s"
