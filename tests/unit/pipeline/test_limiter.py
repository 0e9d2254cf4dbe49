"""The limiter as a guard, by an injected clock: in line, refused, learned, corrected."""

import asyncio
import gc
import weakref
from random import Random

import pytest

from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.config.rate_limits import LimitSettings
from llm_orchestrator.pipeline.attempt import Attempt
from llm_orchestrator.types.usage import Usage
from tests.unit.pipeline.limiting import (
    A,
    B,
    back,
    behind_another_key,
    go,
    in_line,
    limits,
    rpm,
    serve,
)
from tests.unit.pipeline.outcomes import Clock, attempt


@pytest.fixture
def clock() -> Clock:
    return Clock()


# ------------------------------------------------------------------ refused


async def test_who_does_not_queue_is_told_the_wait(clock: Clock) -> None:
    limiter = rpm(clock, 2)
    await go(limiter)
    await go(limiter)
    with pytest.raises(E.RateLimitError) as caught:
        await go(limiter)
    error = caught.value
    assert error.message.startswith("Rate limit exceeded for model a: 2 requests a minute; ")
    assert (error.provider, error.model, error.unsent) == ("openai", "a", True)
    assert error.retry_after == pytest.approx(60, abs=1)
    clock.pass_(error.retry_after or 0)
    await go(limiter)


async def test_a_wait_that_is_foreseen_to_be_too_long_is_refused_at_once(clock: Clock) -> None:
    limiter = rpm(clock, 1)
    await go(limiter)
    with pytest.raises(E.RateLimitError):
        await go(limiter, patience=30)
    first = asyncio.create_task(go(limiter, patience=90))
    await in_line(first)
    with pytest.raises(E.RateLimitError) as caught:
        await go(limiter, patience=90)
    assert caught.value.retry_after == pytest.approx(120, abs=1), "there is one before it"
    first.cancel()


async def test_other_models_and_keys_are_not_concerned(clock: Clock) -> None:
    limiter = rpm(clock, 1)
    await go(limiter)
    await go(limiter, B)
    await go(limiter, behind_another_key("a"))
    with pytest.raises(E.RateLimitError):
        await go(limiter)


async def test_a_limit_of_the_provider_is_for_all_its_models_and_keys(clock: Clock) -> None:
    limiter = limits(clock, providers={"openai": LimitSettings(rpm=2)})
    await go(limiter, A)
    await go(limiter, behind_another_key("a"))
    with pytest.raises(E.RateLimitError):
        await go(limiter, B)


async def test_a_limit_of_keys_is_for_each_of_them(clock: Clock) -> None:
    limiter = limits(clock, keys={"openai": LimitSettings(rpm=1)})
    await go(limiter, A)
    with pytest.raises(E.RateLimitError):
        await go(limiter, B)
    await go(limiter, behind_another_key("b"))


async def test_in_flight(clock: Clock) -> None:
    limiter = limits(clock, models={"openai/a": LimitSettings(in_flight=1)})
    one = await go(limiter)
    with pytest.raises(E.RateLimitError):
        await go(limiter)
    back(limiter, one, E.ServerError("x"))
    one = await go(limiter)
    waiting = asyncio.create_task(go(limiter, patience=90))
    await in_line(waiting)
    back(limiter, one)
    await waiting


# ------------------------------------------------------------------ in line


async def test_they_go_by_priority_and_when_there_is_room(clock: Clock) -> None:
    limiter = rpm(clock, 1)
    await go(limiter)
    went: list[int] = []

    async def one(priority: int) -> None:
        await go(limiter, patience=900, priority=priority)
        went.append(priority)

    tasks = [asyncio.create_task(one(priority)) for priority in (1, 5, 10, 7)]
    await in_line(tasks[0])
    while len(went) < 4:
        clock.pass_(61)
        serve(limiter)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert went == [10, 7, 5, 1]


async def test_the_time_in_line_is_not_the_providers(clock: Clock) -> None:
    limiter = rpm(clock, 1)
    await go(limiter)
    one = attempt(A)
    one.patience = 90
    began, started = one.began, one.started_at
    task = asyncio.create_task(limiter.enter(one))
    await in_line(task)
    await asyncio.sleep(0.01)
    clock.pass_(61)
    serve(limiter)
    await task
    assert one.began >= began + 0.01
    assert one.started_at > started


async def test_who_is_cancelled_leaves_the_line_and_takes_nothing(clock: Clock) -> None:
    limiter = rpm(clock, 1)
    await go(limiter)
    first = asyncio.create_task(go(limiter, patience=90))
    await in_line(first)
    second = asyncio.create_task(go(limiter, patience=190))
    await in_line(second)
    first.cancel()
    await asyncio.wait([first])
    assert limiter.keeper.waiting() == {"openai": 1}
    clock.pass_(61)
    serve(limiter)
    await second
    assert limiter.keeper.waiting() == {"openai": 0}


async def test_who_is_cancelled_when_let_through_gives_it_back(clock: Clock) -> None:
    limiter = rpm(clock, 1)
    await go(limiter)
    first = asyncio.create_task(go(limiter, patience=90))
    await in_line(first)
    second = asyncio.create_task(go(limiter, patience=190))
    await in_line(second)
    clock.pass_(61)
    serve(limiter)  # it may go now, and has not noticed
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await asyncio.wait_for(second, 20)


async def test_who_has_waited_long_enough_is_told(clock: Clock) -> None:
    """Those of higher priority came before it, which nobody foresaw."""
    limiter = rpm(clock, 1)
    await go(limiter)
    clock.pass_(60.99)
    task = asyncio.create_task(go(limiter, patience=0.5, priority=1))
    await in_line(task)
    clock.now = 1060.5  # time stands still, as far as the window knows
    with pytest.raises(E.RateLimitError) as caught:
        await asyncio.wait_for(task, 20)
    assert caught.value.unsent
    assert limiter.keeper.waiting() == {"openai": 0}


async def test_closing_ends_every_wait(clock: Clock) -> None:
    limiter = rpm(clock, 1)
    await go(limiter)
    task = asyncio.create_task(go(limiter, patience=90))
    await in_line(task)
    limiter.close()
    with pytest.raises(E.ClosedError):
        await task
    with pytest.raises(E.ClosedError):
        await go(limiter, patience=90)


async def test_an_attempt_that_never_went_out_counts_for_nothing(clock: Clock) -> None:
    limiter = rpm(clock, 1)
    one = await go(limiter)
    one.status = "dropped"
    limiter.leave(one)
    await go(limiter)


# ------------------------------------------------------------------ tokens


async def test_tokens_are_counted_before_and_corrected_after(clock: Clock) -> None:
    limiter = limits(clock, models={"a": LimitSettings(tpm=200)})
    one = await go(limiter)  # 64 tokens at most, and a little input
    (line,) = limiter.lines
    assert line.own[0].used == 65  # type: ignore[attr-defined]
    back(limiter, one, usage=Usage(150, 40))
    assert line.own[0].used == 190  # type: ignore[attr-defined]
    with pytest.raises(E.RateLimitError, match="200 tokens a minute"):
        await go(limiter)


@pytest.mark.parametrize(
    ("status", "error", "used"),
    [
        (500, E.ServerError("x"), 0),
        (429, E.RateLimitError("x"), 0),
        (200, E.TruncatedError("x"), 65),  # it may be counted: nobody knows
    ],
)
async def test_what_failed_used_nothing_or_what_was_expected(
    clock: Clock, status: int, error: E.OrchestratorError, used: int
) -> None:
    limiter = limits(clock, models={"a": LimitSettings(tpm=200)})
    one = await go(limiter)
    one.status_code = status
    back(limiter, one, error)
    assert limiter.lines[0].own[0].used == used  # type: ignore[attr-defined]


async def test_the_estimate_follows_what_was_used(clock: Clock) -> None:
    limiter = limits(clock, models={"a": LimitSettings(tpm=10**9)})
    for _ in range(60):
        clock.pass_(1)
        one = await go(limiter)
        one.most_input = 1256
        back(limiter, one, usage=Usage(500, 100))
    sent, made = limiter.lines[0].need(1256, None)[2:]
    assert sent == pytest.approx(500, rel=0.02)
    assert made == pytest.approx(200, rel=0.02)


# ------------------------------------------------------------------ tickets


@pytest.mark.parametrize("seed", range(6))
async def test_what_goes_on_a_ticket_is_counted_like_all_else(clock: Clock, seed: int) -> None:
    """In bursts and one by one, in every rhythm: no minute holds more, and all is used."""
    random = Random(seed)
    limiter = limits(
        clock,
        providers={"openai": LimitSettings(rpm=300)},
        models={"a": LimitSettings(rpm=200, in_flight=50), "b": LimitSettings(tpm=20_000)},
    )
    went: list[tuple[float, str, int]] = []
    running: list[Attempt] = []
    while clock.now < 1300:
        clock.pass_(random.choice((0.0, 0.0, 0.001, 0.1, 0.9, 5.0)))
        for _ in range(random.choice((1, 1, 5, 80))):
            one = random.choice((A, A, B))
            try:
                running.append(await go(limiter, one))
            except E.RateLimitError:
                continue
            tokens = random.randint(1, 65)
            running[-1].sent = [str(tokens)]
            went.append((clock.now, one.model.id, tokens))
        assert sum(one.candidate is A for one in running) <= 50
        while running and random.random() < 0.95:
            one_back = running.pop()
            tokens = int(one_back.sent[0])  # type: ignore[index]
            back(limiter, one_back, usage=Usage(tokens - 1, 1))
    assert len(went) > 300
    for start, _, _ in went:
        minute = [(name, size) for at, name, size in went if start <= at < start + 60]
        assert len(minute) <= 300
        assert sum(name == "a" for name, _ in minute) <= 200
        assert sum(size for name, size in minute if name == "b") <= 20_000


async def test_a_ticket_nobody_uses_keeps_nobody_out(clock: Clock) -> None:
    limiter = limits(clock, providers={"openai": LimitSettings(rpm=100)})
    await go(limiter, A)
    assert limiter.lines[0].tickets
    for _ in range(99):
        await go(limiter, B)
    with pytest.raises(E.RateLimitError):
        await go(limiter, B)
    with pytest.raises(E.RateLimitError):
        await go(limiter, A)


async def test_a_ticket_is_no_way_round_a_retry_after(clock: Clock) -> None:
    limiter = rpm(clock, 1000)
    one = await go(limiter)
    assert limiter.lines[0].tickets
    back(limiter, one, E.RateLimitError("x", retry_after=5.0))
    with pytest.raises(E.RateLimitError):
        await go(limiter)


async def test_a_large_request_uses_no_ticket(clock: Clock) -> None:
    limiter = limits(clock, models={"a": LimitSettings(tpm=100_000)})
    await go(limiter)
    (line,) = limiter.lines
    tickets = len(line.tickets)
    one = attempt(A)
    one.most_input = 200_000
    await limiter.enter(one)
    assert one.take.need[1] > 49_000
    assert tickets
    assert line.own[0].used > 49_000  # type: ignore[attr-defined]


async def test_a_refusal_leaves_no_circle_behind(clock: Clock) -> None:
    """What it refers to, such as the request, is let go at once."""
    limiter = rpm(clock, 1)
    await go(limiter)
    gc.disable()
    try:
        for patience in (0.0, 0.01):
            clock.pass_(60.995 if patience else 0)
            try:
                await go(limiter, patience=patience)
            except E.RateLimitError as error:
                gone = weakref.ref(error)
            await asyncio.sleep(0)  # the loop itself holds what it has just called
            assert gone() is None
    finally:
        gc.enable()
