"""Retry, next or stop: the one owner of both, without a wire and without a clock."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_orchestrator import errors as E  # noqa: N812 - the tests are about nothing else
from llm_orchestrator.config.schema import RetrySettings
from llm_orchestrator.pipeline.breaker import Breaker
from llm_orchestrator.pipeline.rescue import Rescue, Step, most_requests
from llm_orchestrator.types.provider import Candidate
from tests.unit.dialects import targets
from tests.unit.pipeline.outcomes import Clock, report

A, B, C = (targets.openai(id=name) for name in ("a", "b", "c"))
SETTINGS = RetrySettings()


def rescue(
    *candidates: Candidate,
    breaker: Breaker | None = None,
    past_filters: bool = False,
    jitter: float = 0.5,
    **settings: Any,
) -> Rescue:
    return Rescue(
        candidates or (A,),
        msgspec.structs.replace(SETTINGS, **settings),
        breaker or Breaker(5, 30.0),
        past_filters=past_filters,
        jitter=lambda: jitter,
    )


def shown(step: Step) -> tuple[str, str, float]:
    return step.action, step.candidate.model.id, round(step.delay, 3)


# ------------------------------------------------------------------ what follows which error

RETRIED = [
    E.RateLimitError("x"),
    E.ServerError("x"),
    E.OverloadedError("x"),
    E.APIConnectionError("x"),
    E.BadReplyError("x"),
    E.EmptyReplyError("x"),
    E.OutputError("x"),
    E.TruncatedError("x"),
]
NEXT = [
    E.BudgetError("x"),
    E.RateLimitError("refused by our own limiter", retry_after=0.1, unsent=True),
    E.QuotaExhaustedError("x"),
    E.PermissionDeniedError("x"),
    E.ModelNotFoundError("x"),
    E.ContextLengthError("x"),
    E.UnsupportedError("x"),
    E.APITimeoutError("x"),
]
STOPS = [
    E.InvalidRequestError("x"),
    E.SchemaError("x"),
    E.ContentFilterError("x"),
    E.ApprovalRequiredError("x"),
    E.StoreError("x"),
    E.ClosedError("x"),
    E.ConfigError("x"),
]


def test_every_error_has_its_row() -> None:
    kinds = {type(error) for error in (*RETRIED, *NEXT, *STOPS)} | {E.AuthenticationError}
    tree = {kind for kind in vars(E).values() if isinstance(kind, type)}
    assert kinds == {k for k in tree if issubclass(k, E.OrchestratorError)} - {E.OrchestratorError}


@pytest.mark.parametrize("error", RETRIED, ids=lambda error: type(error).__name__)
def test_retried_twice_then_the_next(error: E.OrchestratorError) -> None:
    one = rescue(A, B)
    steps = [one.after(error) for _ in range(6)]
    assert [(step.action, step.candidate) for step in steps] == [
        ("retry", A),
        ("retry", A),
        ("next", B),
        ("retry", B),
        ("retry", B),
        ("stop", B),
    ]
    assert steps[-1].error is error


@pytest.mark.parametrize("error", NEXT, ids=lambda error: type(error).__name__)
def test_not_retried_where_another_may_answer(error: E.OrchestratorError) -> None:
    one = rescue(A, B)
    assert shown(one.after(error)) == ("next", "b", 0)
    assert one.current is B


@pytest.mark.parametrize("error", NEXT, ids=lambda error: type(error).__name__)
def test_hopeless_where_there_is_nobody_else(error: E.OrchestratorError) -> None:
    assert rescue(A).after(error) == Step("stop", A, error=error)


@pytest.mark.parametrize("error", [E.TruncatedError("x"), E.ServerError("in the stream")])
def test_what_broke_off_is_retried_only_where_there_is_nobody_else(
    error: E.OrchestratorError,
) -> None:
    one = rescue(A, B)
    assert shown(one.after(error, broke_off=True)) == ("next", "b", 0)
    steps = [one.after(error, broke_off=True).action for _ in range(3)]
    assert steps == ["retry", "retry", "stop"]


def test_what_broke_off_for_good_goes_nowhere() -> None:
    error = E.InvalidRequestError("x")
    assert rescue(A, B).after(error, broke_off=True).action == "stop"


@pytest.mark.parametrize("error", STOPS, ids=lambda error: type(error).__name__)
def test_stops_at_once(error: E.OrchestratorError) -> None:
    assert rescue(A, B).after(error) == Step("stop", A, error=error)


def test_an_order_of_the_provider_wins() -> None:
    again = E.InvalidRequestError("x", retryable=True)
    assert rescue(A, B).after(again).action == "retry"
    never = E.ServerError("x", retryable=False)
    assert shown(rescue(A, B).after(never)) == ("next", "b", 0)


def test_a_request_that_only_a_fallback_refuses_goes_on() -> None:
    one = rescue(A, B, C)
    one.after(E.PermissionDeniedError("first"))
    assert shown(one.after(E.InvalidRequestError("no prefill"))) == ("next", "c", 0)


def test_the_first_candidates_error_is_raised_in_the_end() -> None:
    one = rescue(A, B, max_retries=1)
    first, second = E.ServerError("first"), E.OverloadedError("second")
    assert one.after(first).action == "retry"
    assert one.after(second).action == "next"
    one.after(E.RateLimitError("of the fallback"))
    step = one.after(E.RateLimitError("of the fallback"))
    assert (step.action, step.error) == ("stop", second)


def test_asked_afresh_counts_like_any_try() -> None:
    """A fallback that does not take the beginning of its turn is asked without it."""
    one = rescue(A, B, max_retries=1)
    one.after(E.TruncatedError("x"), broke_off=True)
    assert shown(one.afresh()) == ("retry", "b", 0)
    assert one.after(E.ServerError("x")).action == "stop"
    none = rescue(A, B, max_retries=0)
    assert shown(none.afresh()) == ("next", "b", 0)


# ------------------------------------------------------------------ content and context


def test_a_filter_is_not_routed_around_unasked() -> None:
    error = E.ContentFilterError("x", reason="violence", retryable=True)
    assert rescue(A, B).after(error) == Step("stop", A, error=error)
    assert shown(rescue(A, B, past_filters=True).after(error)) == ("next", "b", 0)


def test_the_filter_of_a_fallback_is_what_the_user_hears() -> None:
    """It is an answer to the request; that the first one was down is in the attempts."""
    one = rescue(A, B)
    one.after(E.PermissionDeniedError("first"))
    error = E.ContentFilterError("x", reason="violence")
    assert one.after(error) == Step("stop", B, error=error)


def test_a_context_that_is_too_long_goes_to_larger_models_only() -> None:
    small = targets.openai(id="small", context=8_000)
    same = targets.openai(id="same", context=16_000)
    large = targets.openai(id="large", context=32_000)
    unknown = targets.openai(id="unknown")
    first = targets.openai(id="first", context=16_000)
    one = rescue(first, small, same, unknown, large)
    assert shown(one.after(E.ContextLengthError("x"))) == ("next", "unknown", 0)
    assert shown(one.after(E.ContextLengthError("x"))) == ("next", "large", 0)
    assert one.after(E.ContextLengthError("x")).action == "stop"
    assert rescue(first, small).after(E.ContextLengthError("x")).action == "stop"


# ------------------------------------------------------------------ waiting


def test_a_key_that_was_refused_is_not_tried_with_another_model() -> None:
    elsewhere = targets.anthropic(id="d")
    step = rescue(A, B, elsewhere, C).after(E.AuthenticationError("x"))
    assert shown(step) == ("next", "d", 0.0)
    alone = rescue(A, B, C).after(E.AuthenticationError("x"))
    assert alone.action == "stop"
    assert isinstance(alone.error, E.AuthenticationError)


def test_waits_double_up_to_a_limit() -> None:
    one = rescue(A, max_retries=6, base_delay=0.5, max_delay=3.0)
    delays = [one.after(E.ServerError("x")).delay for _ in range(6)]
    assert delays == [0.5, 1.0, 2.0, 3.0, 3.0, 3.0]


@pytest.mark.parametrize("jitter, delay", [(0.0, 0.375), (1.0, 0.625)])
def test_waits_have_jitter(jitter: float, delay: float) -> None:
    assert rescue(A, jitter=jitter).after(E.ServerError("x")).delay == delay


@pytest.mark.parametrize(
    "candidates, retry_after, expected",
    [
        ((A,), 0.0, ("retry", "a", 0.05)),
        ((A,), 2.0, ("retry", "a", 2.05)),
        ((A,), 60.0, ("retry", "a", 60.05)),
        ((A,), 60.1, ("stop", "a", 0)),
        ((A, B), 10.0, ("retry", "a", 10.05)),
        ((A, B), 10.1, ("next", "b", 0)),
    ],
)
def test_retry_after(
    candidates: tuple[Candidate, ...], retry_after: float, expected: tuple[str, str, float]
) -> None:
    error = E.RateLimitError("x", retry_after=retry_after)
    assert shown(rescue(*candidates).after(error)) == expected


def test_never_earlier_than_asked_and_not_all_at_once() -> None:
    error = E.OverloadedError("x", retry_after=1.0)
    assert rescue(A, jitter=0.0).after(error).delay == 1.0
    assert 1.0 < rescue(A, jitter=1.0).after(error).delay <= 1.1


# ------------------------------------------------------------------ the breaker's candidates


def broken(*candidates: Candidate, clock: Clock) -> Breaker:
    breaker = Breaker(1, 30.0, clock)
    for candidate in candidates:
        report(breaker, candidate, E.ServerError("x"))
    return breaker


def test_open_candidates_come_last_and_are_not_forgotten() -> None:
    one = rescue(A, B, C, breaker=broken(A, B, clock=Clock()))
    order = [one.current]
    while (step := one.after(E.PermissionDeniedError("x"))).action == "next":
        order.append(step.candidate)
    assert order == [C, A, B]


def test_where_all_are_open_the_first_is_asked_all_the_same() -> None:
    one = rescue(A, B, breaker=broken(A, B, clock=Clock()))
    assert one.current is A


def test_a_candidate_that_opens_meanwhile_is_passed_over() -> None:
    breaker = Breaker(1, 30.0, Clock())
    one = rescue(A, B, C, breaker=breaker)
    report(breaker, B, E.ServerError("x"))
    assert shown(one.after(E.PermissionDeniedError("x"))) == ("next", "c", 0)
    assert shown(one.after(E.PermissionDeniedError("x"))) == ("next", "b", 0)


def test_a_probe_is_not_retried_where_another_may_answer() -> None:
    clock = Clock()
    breaker = broken(A, clock=clock)
    clock.pass_(60)
    one = rescue(A, B, breaker=breaker)
    assert one.current is A
    report(breaker, A, E.ServerError("x"))
    assert shown(one.after(E.ServerError("x"))) == ("next", "b", 0)


def test_only_candidates_that_are_asked_claim_their_probe() -> None:
    clock = Clock()
    breaker = broken(B, clock=clock)
    clock.pass_(60)
    rescue(A, B, breaker=breaker)  # A answers, B is never asked
    assert breaker.ready(B)


# ------------------------------------------------------------------ the upper bound

ERRORS = st.sampled_from([*RETRIED, *NEXT, *STOPS, E.RateLimitError("x", retry_after=99.0)])

STEPS = st.tuples(ERRORS, st.booleans(), st.booleans(), st.floats(0, 40))


@settings(deadline=None)
@given(
    st.integers(1, 5),
    st.integers(0, 4),
    st.booleans(),
    st.lists(STEPS, min_size=30, max_size=40),
)
def test_never_more_requests_than_announced(
    candidates: int, retries: int, past_filters: bool, story: list[Any]
) -> None:
    clock = Clock()
    breaker = Breaker(2, 30.0, clock)
    settings = msgspec.structs.replace(SETTINGS, max_retries=retries)
    some = [targets.openai(id=str(number)) for number in range(candidates)]
    one = Rescue(some, settings, breaker, past_filters=past_filters)
    asked = [one.current]
    for error, told, broke, passed in story:
        clock.pass_(passed)
        if told:
            report(breaker, one.current, error)
        step = one.after(error, broke_off=broke)
        if step.action == "stop":
            assert step.error is not None
            break
        assert step.delay <= max(settings.max_wait + 0.1, settings.max_delay * 1.25)
        asked.append(step.candidate)
    else:
        pytest.fail("it never stopped")
    assert len(asked) <= most_requests(candidates, settings)
    assert all(asked.count(candidate) <= 1 + retries for candidate in some)


def test_what_is_too_dear_is_no_candidate_but_the_last_one_says_so() -> None:
    budget = E.BudgetError("x")
    asked = rescue(A, B)
    assert shown(asked.after(budget)) == ("next", "b", 0.0)
    step = asked.after(E.BudgetError("y"))
    assert step.action == "stop"
    assert step.error is budget


def test_a_fresh_start_is_a_try_like_any_other() -> None:
    asked = rescue(A, max_retries=2)
    assert asked.after(E.TruncatedError("x")).action == "retry"
    assert asked.afresh().action == "retry"
    assert asked.after(E.TruncatedError("x")).action == "stop"
