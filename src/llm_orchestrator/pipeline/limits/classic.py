"""The limiter by itself, for code that calls models in its own way."""

from collections.abc import Callable, Mapping
from math import inf
from time import monotonic
from types import TracebackType
from typing import Any, Self, TypeAlias

import msgspec

from llm_orchestrator.config.rate_limits import LimitSettings, RateLimitSettings
from llm_orchestrator.errors import ConfigError, InvalidRequestError
from llm_orchestrator.pipeline.limits.gates import Need
from llm_orchestrator.pipeline.limits.keeper import Keeper
from llm_orchestrator.pipeline.limits.line import Line, Take
from llm_orchestrator.pipeline.limits.rules import Rules
from llm_orchestrator.types.priority import PriorityWord, read_priority

Limits: TypeAlias = int | Mapping[str, int] | LimitSettings


class Permit:
    """One call that was let through. Leaving it, by ``with`` or `release`, ends the call."""

    def __init__(self, keeper: Keeper, take: Take, waited: float) -> None:
        self.waited = waited
        """Seconds in line."""
        self._keeper = keeper
        self._take: Take | None = take
        self._tokens: int | None = None
        self._began = keeper.clock()

    def used(self, tokens: int) -> None:
        """How many tokens it really used, to be counted instead of what was announced."""
        self._tokens = tokens

    def release(self) -> None:
        """The call has ended: it is in flight no more. Needed once; more often does no harm."""
        take, self._take = self._take, None
        if take is not None:
            tokens = take.need[1] if self._tokens is None else self._tokens
            used = (1, tokens, tokens, 0)
            self._keeper.settle(take, used, self._keeper.clock() - self._began)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class RateLimiter:
    """Rate limits by model, for threads and coroutines of one process.

    ``limits`` maps a model to requests a minute, or to ``rpm``, ``tpm`` and ``in_flight``; left
    out, it is the classic table. ``default`` holds for each model that is not named; without it
    such a model is not limited. An orchestrator keeps to its limits by itself and needs none of
    this.
    """

    def __init__(
        self,
        limits: Mapping[str, Limits] | None = None,
        *,
        default: Limits | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._default = None if default is None else _settings("default", default)
        if limits is None:
            self._rules = Rules(RateLimitSettings(preset="classic"))
        else:
            models = {model: _settings(model, one) for model, one in limits.items()}
            self._rules = Rules(RateLimitSettings(models=models))
        self._keeper = Keeper(clock)
        self._lines: dict[str, Line] = {}

    def can_proceed(self, model: str, *, tokens: int = 0) -> bool:
        """Whether a call could go now. Counts nothing."""
        return self.wait_time(model, tokens=tokens) == 0

    def wait_time(
        self, model: str, *, tokens: int = 0, priority: int | PriorityWord | None = None
    ) -> float:
        """Seconds that a call would wait now. Counts nothing."""
        return self._keeper.foresee(self._line(model), _need(tokens), read_priority(priority))

    def check(self, model: str, *, tokens: int = 0) -> Permit:
        """Count a call that goes now; raises `RateLimitError` with the wait if it may not."""
        return self.acquire(model, tokens=tokens, max_wait=0)

    def acquire(
        self,
        model: str,
        *,
        tokens: int = 0,
        priority: int | PriorityWord | None = None,
        max_wait: float | None = None,
    ) -> Permit:
        """Wait until a call may go, and count it; blocks this thread.

        Raises `RateLimitError` when that would take more than ``max_wait`` seconds.
        """
        line, need, longest = self._line(model), _need(tokens), _longest(max_wait)
        began = self._keeper.clock()
        take = self._keeper.take(line, need)
        if take is None:
            take = self._keeper.wait_here(line, need, read_priority(priority), longest)
        return Permit(self._keeper, take, self._keeper.clock() - began)

    async def aacquire(
        self,
        model: str,
        *,
        tokens: int = 0,
        priority: int | PriorityWord | None = None,
        max_wait: float | None = None,
    ) -> Permit:
        """`acquire` for coroutines."""
        line, need, longest = self._line(model), _need(tokens), _longest(max_wait)
        began = self._keeper.clock()
        take = self._keeper.take(line, need)
        if take is None:
            take = await self._keeper.wait(line, need, read_priority(priority), longest)
        return Permit(self._keeper, take, self._keeper.clock() - began)

    def _line(self, model: str) -> Line:
        line = self._lines.get(model)
        if line is None:
            gates = self._rules.gates("", "", model)
            if not gates and self._default is not None:
                rules = Rules(RateLimitSettings(models={model: self._default}))
                gates = rules.gates("", "", model)
            line = self._keeper.line("", model, model, gates, learns=False)
            line = self._lines.setdefault(model, line)  # another thread may have been first
        return line


def _settings(name: str, limits: Any) -> LimitSettings:
    """Raises `ConfigError` for what is no limit."""
    if isinstance(limits, LimitSettings):
        return limits
    given = {"rpm": limits} if isinstance(limits, int) else limits
    try:
        return msgspec.convert(given, LimitSettings)
    except (msgspec.ValidationError, TypeError) as error:
        raise ConfigError(
            f"the limits of {name}: expected requests a minute, or rpm, tpm and in_flight, each "
            f"from 1: {error}"
        ) from None


def _need(tokens: int) -> Need:
    if tokens < 0:
        raise InvalidRequestError(f"tokens: expected a whole number from 0, got {tokens}")
    return 1, tokens, tokens, 0


def _longest(seconds: float | None) -> float:
    if seconds is None:
        return inf
    if not seconds >= 0:
        raise InvalidRequestError(f"max_wait: expected seconds from 0, got {seconds}")
    return seconds
