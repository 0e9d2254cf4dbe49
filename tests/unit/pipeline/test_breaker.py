"""The breaker by an injected clock: opening, cooling down, one probe, closing."""

import pytest

from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.pipeline.breaker import Breaker
from tests.unit.dialects import targets
from tests.unit.pipeline.outcomes import Clock, attempt, report

A, B = targets.openai(id="a"), targets.openai(id="b")
FAULT = E.ServerError("x")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(3, 30.0, clock)


def break_(breaker: Breaker, times: int = 3, error: E.OrchestratorError = FAULT) -> None:
    for _ in range(times):
        report(breaker, A, error)


def cooldown(breaker: Breaker, clock: Clock) -> float:
    """Seconds until it is ready; claims the probe."""
    start = clock.now
    while not breaker.ready(A):
        clock.pass_(0.5)
    return clock.now - start


def test_it_opens_after_faults_in_a_row(breaker: Breaker) -> None:
    break_(breaker, 2)
    assert breaker.ready(A)
    assert not breaker.is_open(A)
    break_(breaker, 1)
    assert not breaker.ready(A)
    assert breaker.is_open(A)
    assert breaker.ready(B)


def test_a_success_between_them_counts_anew(breaker: Breaker) -> None:
    break_(breaker, 2)
    report(breaker, A)
    assert breaker.calm
    break_(breaker, 2)
    assert breaker.ready(A)


@pytest.mark.parametrize(
    "error", [FAULT, E.APIConnectionError("x"), E.APITimeoutError("x"), E.TruncatedError("x")]
)
def test_what_counts_as_a_fault(breaker: Breaker, error: E.OrchestratorError) -> None:
    break_(breaker, error=error)
    assert breaker.is_open(A)


@pytest.mark.parametrize(
    "error",
    [
        E.InvalidRequestError("x"),
        E.ContextLengthError("x"),
        E.ContentFilterError("x"),
        E.UnsupportedError("x"),
        E.BudgetError("x"),
        E.RateLimitError("x"),
    ],
)
def test_what_tells_nothing_of_its_health(breaker: Breaker, error: E.OrchestratorError) -> None:
    break_(breaker, 9, error)
    assert breaker.ready(A)
    assert not breaker.is_open(A)


@pytest.mark.parametrize(
    "error",
    [
        E.AuthenticationError("x"),
        E.PermissionDeniedError("x"),
        E.ModelNotFoundError("x"),
        E.QuotaExhaustedError("x"),
    ],
)
def test_what_lasts_opens_it_at_once_for_the_whole_time(
    breaker: Breaker, clock: Clock, error: E.OrchestratorError
) -> None:
    report(breaker, A, error)
    assert breaker.is_open(A)
    assert cooldown(breaker, clock) == 30


def test_a_rate_limit_cools_down_as_long_as_asked(breaker: Breaker, clock: Clock) -> None:
    report(breaker, A, E.RateLimitError("x", retry_after=5.0))
    assert breaker.is_open(A)
    assert cooldown(breaker, clock) == 5
    assert breaker.ready(A), "it was not opened: there is no single probe"


def test_it_is_not_left_alone_for_as_long_as_anybody_says(breaker: Breaker, clock: Clock) -> None:
    report(breaker, A, E.RateLimitError("x", retry_after=31_536_000))
    assert cooldown(breaker, clock) == 300


def test_one_probe_at_a_time(breaker: Breaker, clock: Clock) -> None:
    break_(breaker)
    clock.pass_(2)
    assert [breaker.ready(A) for _ in range(5)] == [True, False, False, False, False]
    report(breaker, A)
    assert [breaker.ready(A) for _ in range(5)] == [True] * 5


def test_waits_double_while_probes_fail(breaker: Breaker, clock: Clock) -> None:
    break_(breaker)
    waits = []
    for _ in range(6):
        waits.append(cooldown(breaker, clock))
        report(breaker, A, FAULT)
    assert waits == [2, 4, 8, 16, 30, 30]


def test_after_it_closed_it_begins_again(breaker: Breaker, clock: Clock) -> None:
    break_(breaker)
    cooldown(breaker, clock)
    report(breaker, A, FAULT)
    cooldown(breaker, clock)
    report(breaker, A)
    break_(breaker)
    assert cooldown(breaker, clock) == 2


def test_faults_of_requests_that_were_out_already_do_not_lengthen_it(
    breaker: Breaker, clock: Clock
) -> None:
    break_(breaker, 12)
    assert cooldown(breaker, clock) == 2


def test_a_cancelled_probe_leaves_room_for_the_next(breaker: Breaker, clock: Clock) -> None:
    break_(breaker)
    cooldown(breaker, clock)
    breaker.leave(attempt(A))  # its status is still cancelled
    assert cooldown(breaker, clock) <= 2


def test_a_lost_probe_leaves_room_for_the_next(breaker: Breaker, clock: Clock) -> None:
    break_(breaker)
    cooldown(breaker, clock)
    assert 0 < cooldown(breaker, clock) <= 30


def test_a_probe_that_says_nothing_of_its_health(breaker: Breaker, clock: Clock) -> None:
    break_(breaker)
    cooldown(breaker, clock)
    report(breaker, A, E.InvalidRequestError("x"))
    assert cooldown(breaker, clock) <= 2


def test_a_short_cooldown_is_never_passed(clock: Clock) -> None:
    breaker = Breaker(1, 0.5, clock)
    for _ in range(5):
        report(breaker, A, FAULT)
        assert cooldown(breaker, clock) <= 0.5


def test_asking_whether_it_is_open_claims_nothing(breaker: Breaker, clock: Clock) -> None:
    break_(breaker)
    clock.pass_(2)
    assert not breaker.is_open(A)
    assert breaker.ready(A)
