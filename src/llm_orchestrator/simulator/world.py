"""Everything a running simulator remembers, and the settings it was started with."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_orchestrator.simulator import catalogue, failover
from llm_orchestrator.simulator.batches.store import Batches
from llm_orchestrator.simulator.bill import Bill
from llm_orchestrator.simulator.caches import Cache
from llm_orchestrator.simulator.clock import Clock
from llm_orchestrator.simulator.draw import token
from llm_orchestrator.simulator.faults import FaultBook
from llm_orchestrator.simulator.latency import Latency, Pace
from llm_orchestrator.simulator.limits import Limits
from llm_orchestrator.simulator.models import Models
from llm_orchestrator.simulator.prices import Prices

_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Settings:
    """How a simulator behaves.

    `rpm`, `tpm` and `in_flight` are per account and model; empty `keys` take any key; `max_body`
    is in bytes; `mix` maps a fault, as in a model name, to its weight; `prices` maps a model to
    dollars a million tokens; `cache_minimum` is in tokens. `aws_secrets` maps an access key id to
    its secret; when it is empty, the secret of any id is `secret-of-<id>`. `batch` maps settings of
    `BatchSettings`, or `<provider>.<setting>`, to values.
    """

    seed: int = 1
    latency: str | Pace = "none"
    speed: float = 1.0
    fault_rate: float = 0.0
    mix: Mapping[str, int] | None = None
    timings: str | Mapping[str, float] = "full"
    rpm: int | None = None
    tpm: int | None = None
    in_flight: int | None = None
    keys: tuple[str, ...] = ()
    aws_secrets: Mapping[str, str] = field(default_factory=dict)
    prices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    price_file: Path | None = None
    ledger_file: Path | None = None
    cache_minimum: int = 1024
    max_body: int = 32 * 1024 * 1024
    batch: Mapping[str, Any] = field(default_factory=dict)


class World:
    """The state behind all wires of one simulator."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.seed = settings.seed
        self.clock = Clock(settings.speed)
        rows = catalogue.read(settings.price_file)
        self.models = Models(rows)
        self.bill = Bill(Prices(rows, settings.prices), self.clock, settings.ledger_file)
        mix = None if settings.mix is None else dict(settings.mix)
        self.faults = FaultBook(settings.seed, settings.fault_rate, mix)
        self.timings = failover.timings(settings.timings)
        self.latency = Latency(settings.latency, settings.seed)
        self.limits = Limits(self.clock, settings.rpm, settings.tpm, settings.in_flight)
        self.cache = Cache(self.clock, settings.cache_minimum)
        self.kept: dict[str, dict[str, Any]] = {}  # stored responses by id, oldest first
        self.batches = Batches(self, settings.batch)
        self.log: deque[dict[str, Any]] = deque(maxlen=200_000)
        self.started = self.clock.ticks()
        self._requests = 0

    def reset(self) -> None:
        """Back to the start: attempts, rules, caches, buckets and the log; the bill stays."""
        self.faults.reset()
        self.limits.reset()
        self.cache.reset()
        self.kept.clear()
        self.log.clear()
        self.started = self.clock.ticks()

    def number(self) -> int:
        """The number of the next request."""
        self._requests += 1
        return self._requests

    def id(self, prefix: str, length: int, *seeds: object) -> str:
        """A repeatable id for one request."""
        return prefix + token(length, self.seed, prefix, *seeds)

    def keep(self, name: str, value: dict[str, Any]) -> None:
        """Store a response; old ones go when there are too many."""
        self.kept[name] = value
        while len(self.kept) > _KEPT:
            self.kept.pop(next(iter(self.kept)))

    def takes(self, key: str) -> bool:
        """Whether an API key is valid."""
        if self.settings.keys:
            return key in self.settings.keys
        return bool(key.strip()) and not key.startswith("bad")

    def aws_secret(self, access_key: str) -> str | None:
        """The secret of an AWS access key id, or None when the id is not valid."""
        if self.settings.aws_secrets:
            return self.settings.aws_secrets.get(access_key)
        return f"secret-of-{access_key}" if self.takes(access_key) else None


def account_of(key: str) -> str:
    """The account behind an API key: a hash, and the last four characters of a long key."""
    if not key:
        return "none"
    digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:10]
    return f"{digest}-{key[-4:]}" if len(key) >= 16 else digest
