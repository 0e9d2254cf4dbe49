"""A limiter, and attempts that pass it and come back, for its tests."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.config.rate_limits import LimitSettings, RateLimitSettings
from llm_orchestrator.pipeline.attempt import Attempt
from llm_orchestrator.pipeline.limiter import Limiter
from llm_orchestrator.pipeline.limits.rules import Rules
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.secret import Secret
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects import targets
from tests.unit.pipeline.outcomes import Clock, attempt

NEED = (1, 65, 1, 64)
"""What `attempt` takes of a new limiter."""
A, B = targets.openai(id="a"), targets.openai(id="b")


def behind_another_key(model: str) -> Candidate:
    target = targets.openai(id=model)
    row = msgspec.structs.replace(target.provider, key=Secret("sk-another-one-0123456789"))
    return Candidate(row, target.model)


def limits(clock: Clock, *, learn: bool = True, **settings: Any) -> Limiter:
    return Limiter(Rules(RateLimitSettings(**settings)), learn=learn, clock=clock)


def rpm(clock: Clock, number: int) -> Limiter:
    return limits(clock, models={"a": LimitSettings(rpm=number)})


async def go(
    limiter: Limiter, target: Candidate = A, patience: float = 0.0, priority: int = 5
) -> Attempt:
    """Let one through."""
    one = attempt(target)
    one.patience = patience
    one.call.priority = priority
    await limiter.enter(one)
    return one


def back(
    limiter: Limiter,
    one: Attempt,
    error: E.OrchestratorError | None = None,
    usage: Usage | None = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Its reply."""
    one.usage = usage
    one.headers = headers or {}
    if error is None:
        one.status, one.status_code = "ok", 200
    else:
        one.failed(error)
    limiter.leave(one)


def left(requests: int, of: int = 100, reset: str = "") -> dict[str, str]:
    found = {
        "x-ratelimit-limit-requests": str(of),
        "x-ratelimit-remaining-requests": str(requests),
    }
    return found | ({"x-ratelimit-reset-requests": reset} if reset else {})


async def in_line(task: "asyncio.Task[Any]") -> None:
    """Give it the time to stand in line."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert not task.done()


def serve(limiter: Limiter) -> None:
    for line in limiter.lines:
        limiter.keeper.serve(line.queue)
