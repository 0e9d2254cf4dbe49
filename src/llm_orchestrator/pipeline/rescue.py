"""The one owner of retries and fail-over: after each error it says what comes next. No I/O.

A request is sent at most ``most_requests`` times, whatever fails in whatever order.
"""

from collections.abc import Callable, Sequence
from random import random
from typing import Literal, TypeAlias

import msgspec

from llm_orchestrator.config.schema import RetrySettings
from llm_orchestrator.errors import (
    AuthenticationError,
    BudgetError,
    ContentFilterError,
    ContextLengthError,
    InvalidRequestError,
    OrchestratorError,
    RateLimitError,
)
from llm_orchestrator.pipeline.breaker import Breaker, misspelt
from llm_orchestrator.types.provider import Candidate

Action: TypeAlias = Literal["retry", "next", "stop"]


class Step(msgspec.Struct, frozen=True, gc=False):
    """What comes next: ask ``candidate`` after ``delay`` seconds, or stop and raise ``error``."""

    action: Action
    candidate: Candidate
    delay: float = 0.0
    error: OrchestratorError | None = None


def unless_over(step: Step) -> Step:
    """The step; when it is to stop, its error is raised."""
    if step.error is None:
        return step
    try:
        raise step.error from None
    finally:
        del step  # the error leads to this frame: no circle


class Rescue:
    """Walks through the candidates of one call.

    Candidates that the breaker holds back come last instead of never: an answer from a provider
    that may be down beats none.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        settings: RetrySettings,
        breaker: Breaker,
        *,
        past_filters: bool = False,
        jitter: Callable[[], float] = random,
    ) -> None:
        self._waiting = list(candidates)
        self._settings = settings
        self._breaker = breaker
        self._past_filters = past_filters
        self._jitter = jitter
        self._tries = 0
        self._first_error: OrchestratorError | None = None
        self._primary = candidates[0]
        self.current = self._take()

    @property
    def elsewhere(self) -> bool:
        """Whether there is another candidate to go to."""
        return bool(self._waiting)

    def after(self, error: OrchestratorError, *, broke_off: bool = False) -> Step:
        """What to do now that the current candidate has failed with ``error``.

        ``broke_off``: inside its answer, where another candidate may not.
        """
        if self._first_error is None or self.current is self._primary:
            self._first_error = error
        self._tries += 1
        if self.current is self._primary and misspelt(error, self.current):
            return self._stop(error)
        if isinstance(error, ContentFilterError):
            # A filter's verdict is an answer to the request: whoever gave it, it is raised.
            return self._next() if self._past_filters else Step("stop", self.current, error=error)
        if broke_off and self.elsewhere and error.failover:
            return self._next()
        if (delay := self._delay(error)) is not None:
            return Step("retry", self.current, delay)
        if isinstance(error, BudgetError) and self.elsewhere:
            return self._next()  # what is too dear or unpriced is no candidate under a cap
        if not error.failover and (
            self.current is self._primary or not isinstance(error, InvalidRequestError)
        ):
            return self._stop(error)
        if isinstance(error, ContextLengthError):
            self._drop_smaller()
        elif isinstance(error, AuthenticationError):
            refused = self.current.provider.name  # its key opens none of its models
            self._waiting = [one for one in self._waiting if one.provider.name != refused]
        return self._next()

    def answered(self) -> None:
        """The current candidate has answered one of several requests: its tries start anew."""
        self._tries = 0

    def afresh(self) -> Step:
        """The current candidate again, with the request as it was first; counted like any try."""
        self._tries += 1
        if self._tries <= self._settings.max_retries:
            return Step("retry", self.current)
        return self._next()

    def end(self) -> None:
        """The call is over. An error leads to its frames, which lead here: let it go."""
        self._first_error = None

    def _delay(self, error: OrchestratorError) -> float | None:
        """Seconds to wait before the same candidate is asked again; ``None``: it is not."""
        if not error.retryable or self._tries > self._settings.max_retries:
            return None
        if isinstance(error, RateLimitError) and error.unsent:
            return None  # it has waited in line as long as it may
        if self.elsewhere and self._breaker.probing(self.current):
            return None
        if error.retry_after is not None:
            longest = (
                self._settings.max_wait_with_fallback if self.elsewhere else self._settings.max_wait
            )
            # A little later than asked, and not all callers at once.
            wait = error.retry_after + 0.1 * self._jitter()
            return wait if error.retry_after <= longest else None
        doubled: float = self._settings.base_delay * 2 ** (self._tries - 1)
        return min(self._settings.max_delay, doubled) * (0.75 + 0.5 * self._jitter())

    def _drop_smaller(self) -> None:
        """Keep only candidates that may read more than the one that could not."""
        limit = self.current.model.context
        if limit is not None:
            self._waiting = [
                one
                for one in self._waiting
                if one.model.context is None or one.model.context > limit
            ]

    def _take(self) -> Candidate:
        """The next candidate. Only now is the breaker asked: that claims the probe of one."""
        if not self._breaker.calm:
            for place, one in enumerate(self._waiting):
                if self._breaker.ready(one):
                    return self._waiting.pop(place)
        return self._waiting.pop(0)

    def _next(self) -> Step:
        if not self._waiting:
            return Step("stop", self.current, error=self._first_error)
        self.current = self._take()
        self._tries = 0
        return Step("next", self.current)

    def _stop(self, error: OrchestratorError) -> Step:
        if self._first_error is not None and error is not self._first_error:
            error = self._first_error
        return Step("stop", self.current, error=error)


def most_requests(candidates: int, settings: RetrySettings) -> int:
    """The most wire requests that one call can cause."""
    return candidates * (1 + settings.max_retries)
