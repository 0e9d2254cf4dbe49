"""A candidate that keeps failing is left alone for a while, then probed by one request."""

from collections.abc import Callable
from time import monotonic

from llm_orchestrator.errors import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    BadReplyError,
    ModelNotFoundError,
    OrchestratorError,
    PermissionDeniedError,
    QuotaExhaustedError,
    RateLimitError,
    ServerError,
)
from llm_orchestrator.pipeline.attempt import Attempt
from llm_orchestrator.pipeline.guard import Guard
from llm_orchestrator.types.provider import Candidate

_FAULTS = (ServerError, APIConnectionError, APITimeoutError, BadReplyError)
_LASTING = (
    AuthenticationError,
    PermissionDeniedError,
    ModelNotFoundError,
    QuotaExhaustedError,
)
"""Asking again soon gives the same: one of them is enough."""
_FIRST_COOLDOWN_S = 2.0
_LONGEST_REST_S = 300.0
"""A ``Retry-After`` is believed so far: some mean an hour of a limit that is soon raised."""


def misspelt(error: OrchestratorError, target: Candidate) -> bool:
    """Whether the asked model is unknown to everybody: a typo is not rescued but told."""
    return isinstance(error, ModelNotFoundError) and not target.model.known


class _State:
    __slots__ = ("cooldown", "failures", "opened", "probing", "until")

    def __init__(self) -> None:
        self.failures = 0
        self.until = 0.0
        """Until when it is left alone, on the monotonic clock."""
        self.cooldown = _FIRST_COOLDOWN_S
        self.opened = False
        self.probing = False


class Breaker(Guard):
    """Knows of each candidate whether it should be asked now.

    Opens after ``failures`` faults in a row, for a time that doubles up to ``cooldown`` seconds
    while probes keep failing. A ``Retry-After`` cools a candidate down, for five minutes at most,
    without opening it.
    It orders candidates and never refuses: where all are open, the first is asked all the same.
    """

    def __init__(
        self, failures: int, cooldown: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._failures = failures
        self._longest = cooldown
        self._clock = clock
        self._states: dict[str, _State] = {}

    @property
    def calm(self) -> bool:
        """Whether nothing is wrong with any candidate."""
        return not self._states

    def ready(self, candidate: Candidate) -> bool:
        """Whether it may be asked now; claims the probe when its time has come."""
        state = self._states.get(candidate.name)
        if state is None or state.until == 0:
            return True
        now = self._clock()
        if now < state.until:
            return False
        if state.opened:
            # Nobody else asks it meanwhile; a probe that never reports leaves room for the next.
            state.until = now + min(self._longest, state.cooldown)
            state.probing = True
        return True

    def probing(self, candidate: Candidate) -> bool:
        """Whether a single probe is all it gets for now."""
        state = self._states.get(candidate.name)
        return state is not None and state.opened

    def is_open(self, candidate: Candidate) -> bool:
        """Whether it is left alone now; claims nothing."""
        state = self._states.get(candidate.name)
        return state is not None and state.until > self._clock()

    def leave(self, attempt: Attempt) -> None:
        """Learn from the outcome."""
        name = attempt.candidate.name
        state = self._states.get(name)
        if attempt.status == "ok":
            self._states.pop(name, None)  # another thread may have been first
            return
        error = attempt.error
        tells = isinstance(error, (*_FAULTS, *_LASTING, RateLimitError))
        if error is None or not tells or misspelt(error, attempt.candidate):
            if state is not None and state.probing:
                state.probing = False  # it told nothing of its health: probe again
                state.until = self._clock()
            return
        if state is None:
            state = self._states[name] = _State()
        self._learn(state, error)

    def _learn(self, state: _State, error: OrchestratorError) -> None:
        now = self._clock()
        if isinstance(error, RateLimitError) and not isinstance(error, QuotaExhaustedError):
            state.probing = False
            if error.retry_after is not None:
                state.until = max(state.until, now + min(error.retry_after, _LONGEST_REST_S))
            return
        state.failures += 1
        if state.opened or state.failures >= self._failures or isinstance(error, _LASTING):
            if state.opened and state.probing:
                state.cooldown = min(self._longest, state.cooldown * 2)
            if isinstance(error, _LASTING):
                state.cooldown = self._longest
            state.opened = True
            state.probing = False
            state.until = now + min(self._longest, state.cooldown)
