"""When a candidate that was down is asked again, and by whom."""

import pytest

from llm_orchestrator.config.schema import BreakerSettings, RetrySettings
from llm_orchestrator.errors import InvalidRequestError, OverloadedError
from llm_orchestrator.pipeline.attempt import Attempt, Call
from llm_orchestrator.pipeline.breaker import Breaker
from llm_orchestrator.pipeline.rescue import Rescue
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.request import Message, Request

ROW = Provider(name="p", dialect="openai", base_url="http://127.0.0.1:1")


def candidate(name: str) -> Candidate:
    return Candidate(ROW, Model(provider="p", id=name))


A, B = candidate("a"), candidate("b")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def report(breaker: Breaker, target: Candidate, outcome: Exception | None) -> None:
    call = Call(Request(messages=(Message("user", "x"),)), session_id="s")
    attempt = Attempt(call, target, 1)
    attempt.status = "ok" if outcome is None else "error"
    attempt.error = outcome  # type: ignore[assignment]
    breaker.leave(attempt)


def opened(clock: Clock, cooldown: float = 20.0) -> Breaker:
    breaker = Breaker(1, cooldown, clock)
    report(breaker, A, OverloadedError("down"))
    assert not breaker.ready(A)
    return breaker


def rescue(breaker: Breaker) -> Rescue:
    return Rescue((A, B), RetrySettings(), breaker)


def test_one_call_probes_and_the_others_go_elsewhere() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 2.1
    assert [rescue(breaker).current for _ in range(3)] == [A, B, B]
    report(breaker, A, None)
    assert rescue(breaker).current is A


def test_a_probe_that_never_reports_does_not_shut_it_out() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 2.1
    assert breaker.ready(A)
    assert not breaker.ready(A)
    clock.now += 20.1
    assert breaker.ready(A)


def test_a_probe_that_tells_nothing_is_repeated_at_once() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 2.1
    assert breaker.ready(A)
    report(breaker, A, InvalidRequestError("a mistake of the caller"))
    assert breaker.ready(A)


def test_a_fallback_that_is_not_needed_keeps_its_probe() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 2.1
    first = Rescue((B, A), RetrySettings(), breaker)
    assert first.current is B  # and answers, so that nobody asks A
    second = Rescue((B, A), RetrySettings(max_retries=0), breaker)
    step = second.after(OverloadedError("down"))
    assert (step.action, step.candidate) == ("next", A)


@pytest.mark.parametrize("every", [1.0, 4.0])
def test_after_an_outage_the_way_back_takes_less_than_thirty_seconds(every: float) -> None:
    for length in range(5, 180, 5):
        clock = Clock()
        breaker = Breaker(5, BreakerSettings().cooldown, clock)
        up = clock.now + length
        while True:
            if breaker.ready(A):
                if clock.now >= up:
                    break
                report(breaker, A, OverloadedError("down"))
            clock.now += every
            assert clock.now < up + 30
