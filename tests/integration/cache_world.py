"""Configurations that keep answers, and how many requests went out."""

from typing import Any

import pytest

from llm_orchestrator.simulator import Simulator
from tests.integration.world import configuration

PLACES = [
    "memory",
    "sqlite",
    pytest.param("postgres", marks=pytest.mark.postgres),
    pytest.param("redis", marks=pytest.mark.redis),
]


def cached(sim: Simulator, **settings: Any) -> dict[str, Any]:
    return configuration(sim, cache={"enabled": True, **settings})


def sent(sim: Simulator) -> int:
    """How many requests the provider has billed."""
    return len(sim.ledger()["rows"])


def at(place: str, sim: Simulator, request: pytest.FixtureRequest) -> dict[str, Any]:
    """A configuration that keeps answers there."""
    if place == "memory":
        return cached(sim, backend="memory")
    if place == "redis":
        return cached(sim, backend="redis", redis_url=request.getfixturevalue("redis_url"))
    if place == "postgres":
        return cached(sim) | {"store": {"url": request.getfixturevalue("postgres_url")}}
    return cached(sim)
