"""How long an attempt may take, by what is asked and whether somebody else could answer."""

from functools import lru_cache

from llm_orchestrator.config.schema import Config, Timeouts
from llm_orchestrator.pipeline.speed import Speed
from llm_orchestrator.pipeline.thinking import thinks
from llm_orchestrator.transport.base import Limits
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request

_FIRST_TOKEN_S = 10.0
_TIMES_P95 = 4
_WHOLE_ANSWER_S = 120.0
"""The least patience with a whole answer: one that is given up may be billed all the same.

A number for the first token says that it is worth that.
"""
_SLOWEST_TOKENS_PER_S = 10
"""An answer of n tokens that takes longer than n/10 s is not coming any more."""


def limits(
    config: Config, speed: Speed, request: Request, target: Candidate, *, elsewhere: bool
) -> Limits:
    """The time limits of one attempt.

    Before an answer begins, patience is limited only where there is somewhere to go: to the
    first-token limit for streams; for whole replies to the time that the longest answer takes,
    and to two minutes at least where nothing else was asked for.
    """
    settings = config.timeouts_for(target.provider.name)
    line = _line(config, elsewhere=elsewhere)
    if not elsewhere:
        return _patient(settings, line)
    first = settings.total
    if not thinks(request, target):
        if not request.stream:
            first = _whole_answer(settings, request)
        elif settings.first_token == "auto":
            p95 = speed.first_token_p95(target)
            first = max(_FIRST_TOKEN_S, _TIMES_P95 * p95) if p95 else _FIRST_TOKEN_S
        elif settings.first_token != "off":
            first = settings.first_token
    return Limits(settings.connect, min(first, settings.total), settings.idle, settings.total, line)


def _line(config: Config, *, elsewhere: bool) -> float:
    """How long it may wait in line: not at all, as long as for a `Retry-After`, or its own time."""
    settings = config.rate_limits
    if not settings.queue:
        return 0.0
    if elsewhere:
        return min(settings.max_wait, config.retry.max_wait_with_fallback)
    return settings.max_wait


def _whole_answer(settings: Timeouts, request: Request) -> float:
    if settings.first_token == "off":
        return settings.total
    least = _WHOLE_ANSWER_S
    if request.max_tokens is None:
        return least if settings.first_token == "auto" else max(least, settings.first_token)
    if settings.first_token != "auto":
        least = settings.first_token
    return max(least, settings.idle + request.max_tokens / _SLOWEST_TOKENS_PER_S)


@lru_cache(maxsize=64)
def _patient(settings: Timeouts, line: float) -> Limits:
    return Limits(settings.connect, settings.total, settings.idle, settings.total, line)
