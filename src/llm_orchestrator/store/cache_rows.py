"""What a cache keeps and tells, and what is asked of a place that keeps it.

Times are unix microseconds, money is in 10**-12 USD.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from llm_orchestrator.types.money import Pico


class Found(msgspec.Struct, frozen=True, gc=False):
    """A kept answer."""

    body: bytes
    created_at: int
    expires_at: int

    def counts(self, now_us: int, ttl_s: float) -> bool:
        """Whether it may still be given to somebody who takes answers of this age."""
        return now_us < self.expires_at and now_us - self.created_at <= ttl_s * 1e6


class CacheRow(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An answer to be kept. ``body`` is JSON."""

    key: str
    body: bytes
    created_at: int
    expires_at: int
    tenant: str = ""
    provider: str | None = None
    model: str | None = None
    cost_pico: Pico | None = None
    """What it has cost; ``None`` is unknown."""


class CacheTotals(msgspec.Struct, kw_only=True):
    """What lies in a cache."""

    entries: int = 0
    """Answers that still count."""
    expired: int = 0
    """Answers whose time has run out and that were not swept yet."""
    bytes: int = 0
    """The size of all bodies."""
    tenants: int = 0
    hits: int = 0
    """How often they were given again, as far as they still lie there."""
    saved_pico: Pico = 0
    """What that would have cost, where the cost is known."""
    oldest: int | None = None
    newest: int | None = None

    def add(self, other: "CacheTotals") -> None:
        """Take others in; tenants are not added, as they may be the same."""
        self.entries += other.entries
        self.expired += other.expired
        self.bytes += other.bytes
        self.hits += other.hits
        self.saved_pico += other.saved_pico
        times = [time for time in (self.oldest, other.oldest) if time is not None]
        self.oldest = min(times, default=None)
        times = [time for time in (self.newest, other.newest) if time is not None]
        self.newest = max(times, default=None)


class Shelf(Protocol):
    """A place that keeps answers, used by one thread at a time. Opens itself when needed."""

    @property
    def shown(self) -> str:
        """Where it is, without passwords."""

    @property
    def data_errors(self) -> tuple[type[Exception], ...]:
        """What is raised for rows that it will never take; all else is its own fault."""

    def reason(self, error: Exception) -> str:
        """What went wrong in one line, without passwords."""

    def find(self, keys: Sequence[str], now_us: int) -> Mapping[str, Found]:
        """Those of the keys that are there and have not run out."""

    def put(self, rows: Sequence[CacheRow]) -> None:
        """Keep answers, in place of older ones with the same key."""

    def hit(self, hits: Mapping[str, int], now_us: int) -> None:
        """Count how often answers were given again."""

    def sweep(self, now_us: int, most: int) -> int:
        """Remove at most so many whose time has run out; how many there were."""

    def clear(self, *, before_us: int | None = None, tenant: str | None = None) -> int:
        """Remove all, or those made before a time, or of one tenant; how many there were."""

    def totals(self, now_us: int) -> CacheTotals:
        """What lies in it."""

    def close(self) -> None:
        """Disconnect."""
