"""What the limiter learns from replies, by an injected clock."""

import asyncio

import pytest

from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.config.rate_limits import LimitSettings
from tests.unit.dialects import targets
from tests.unit.pipeline.limiting import (
    NEED,
    B,
    back,
    go,
    in_line,
    left,
    limits,
    rpm,
    serve,
)
from tests.unit.pipeline.outcomes import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_nothing_is_in_the_way_where_nothing_is_known(clock: Clock) -> None:
    limiter = limits(clock)
    for _ in range(1000):
        back(limiter, await go(limiter))
    assert limiter.lines[0].gates == ()


async def test_what_a_reply_tells_is_kept_to(clock: Clock) -> None:
    limiter = limits(clock)
    back(limiter, await go(limiter), headers=left(3, reset="58.2s"))
    for _ in range(3):
        await go(limiter)
    with pytest.raises(E.RateLimitError, match="100 requests, says the provider") as caught:
        await go(limiter)
    assert caught.value.retry_after == pytest.approx(0.6)
    clock.pass_(0.61)
    await go(limiter)


async def test_it_learns_from_refusals_too(clock: Clock) -> None:
    limiter = limits(clock)
    back(limiter, await go(limiter), E.RateLimitError("x"), headers=left(0))
    with pytest.raises(E.RateLimitError):
        await go(limiter)


async def test_a_limit_that_comes_near_is_noticed(clock: Clock) -> None:
    """Also when others use it up, and although replies are not read while it is far."""
    limiter = limits(clock)
    back(limiter, await go(limiter), headers=left(10_000, 10_000))
    for number in range(100):
        back(limiter, await go(limiter), headers=left(9_000 - 80 * number, 10_000))
    back(limiter, await go(limiter), headers=left(2, 10_000))
    await go(limiter)
    await go(limiter)
    with pytest.raises(E.RateLimitError):
        await go(limiter)


@pytest.mark.parametrize("limit", [5, 40, 64, 65, 130, 1000])
async def test_a_burst_never_passes_what_is_told(clock: Clock, limit: int) -> None:
    limiter = limits(clock)
    back(limiter, await go(limiter), headers=left(limit - 1, limit))
    passed = 0
    while limiter.keeper.foresee(limiter.lines[0], NEED, 5) == 0:
        await go(limiter)
        passed += 1
    assert limit * 0.7 <= passed <= limit - 1


async def test_a_retry_after_is_waited_for_by_all(clock: Clock) -> None:
    limiter = limits(clock)
    back(limiter, await go(limiter), E.RateLimitError("x", retry_after=7.0))
    with pytest.raises(E.RateLimitError) as caught:
        await go(limiter)
    assert caught.value.retry_after == pytest.approx(7)
    waiting = asyncio.create_task(go(limiter, patience=10))
    await in_line(waiting)
    await go(limiter, B)
    clock.pass_(7)
    serve(limiter)
    await waiting
    clock.pass_(0.5)
    await go(limiter)


async def test_a_limit_that_no_reply_tells_is_felt_for(clock: Clock) -> None:
    """The provider takes one a second, and says so only by refusing more."""
    limiter = limits(clock)
    level, refused, answered, began = 1.0, 0, 0, 0.0
    while answered < 400:
        if limiter.lines and (wait := limiter.keeper.foresee(limiter.lines[0], NEED, 5)):
            clock.pass_(wait)
            level = min(1.0, level + wait)
        one = await go(limiter)
        if level >= 1:
            level -= 1
            answered += 1
            back(limiter, one)
        else:
            refused += 1
            began = began or clock.now
            back(limiter, one, E.RateLimitError("x", retry_after=0.1))
    assert refused <= 60  # of thousands, if it were asked again whenever it allows
    assert clock.now - began < 400 * 1.3


async def test_once_the_provider_takes_more_nothing_is_in_the_way(clock: Clock) -> None:
    limiter = limits(clock)
    for one in [await go(limiter) for _ in range(9)]:
        back(limiter, one, E.RateLimitError("x", retry_after=20.0))
    line = limiter.lines[0]
    assert [gate.words for gate in line.gates] == [
        "one request in 0.5 s, as the provider refuses more"
    ]
    began = clock.now
    while line.gates:
        clock.pass_(limiter.keeper.foresee(limiter.lines[0], NEED, 5))
        back(limiter, await go(limiter))
    assert clock.now - began < 20 + 10
    for _ in range(100):
        await go(limiter)


async def test_a_single_refusal_slows_nobody_down(clock: Clock) -> None:
    limiter = limits(clock)
    for _ in range(20):
        back(limiter, await go(limiter))
    back(limiter, await go(limiter), E.RateLimitError("x"))
    for _ in range(50):
        assert not limiter.keeper.foresee(limiter.lines[0], NEED, 5)
        back(limiter, await go(limiter))


async def test_refusals_now_and_then_slow_nobody_down(clock: Clock) -> None:
    """The answers between them count, though their headers are not read."""
    limiter = limits(clock)
    for _ in range(20):
        for _ in range(12):
            back(limiter, await go(limiter))
        back(limiter, await go(limiter), E.RateLimitError("x"))
    assert limiter.lines[0].pace is None


async def test_several_refused_together_count_once(clock: Clock) -> None:
    limiter = limits(clock)
    for one in [await go(limiter) for _ in range(50)]:
        back(limiter, one, E.RateLimitError("x", retry_after=2.0))
    assert limiter.keeper.foresee(limiter.lines[0], NEED, 5) == pytest.approx(2)
    clock.pass_(2)
    await go(limiter)
    assert limiter.keeper.foresee(limiter.lines[0], NEED, 5) == pytest.approx(0.5)


async def test_an_hour_is_not_believed_and_a_quota_is_no_limit(clock: Clock) -> None:
    limiter = limits(clock)
    back(limiter, await go(limiter), E.QuotaExhaustedError("x", retry_after=9.0))
    one = await go(limiter)
    back(limiter, one, E.RateLimitError("x", retry_after=3600.0))
    with pytest.raises(E.RateLimitError) as caught:
        await go(limiter)
    assert caught.value.retry_after == pytest.approx(300)


async def test_the_preset_holds_until_a_reply_tells_the_limit(clock: Clock) -> None:
    four = targets.openai(id="gpt-4")
    limiter = limits(clock, preset="classic")
    for _ in range(20):
        one = await go(limiter, four)
    with pytest.raises(E.RateLimitError):
        await go(limiter, four)
    back(limiter, one, headers=left(400, 500))
    for _ in range(100):
        await go(limiter, four)


async def test_a_limit_of_your_own_holds_beside_what_is_told(clock: Clock) -> None:
    limiter = rpm(clock, 20)
    back(limiter, await go(limiter), headers=left(400, 500))
    for _ in range(19):
        await go(limiter)
    with pytest.raises(E.RateLimitError, match="20 requests a minute"):
        await go(limiter)


async def test_not_learning(clock: Clock) -> None:
    limiter = limits(clock, learn=False, models={"b": LimitSettings(rpm=1)})
    back(limiter, await go(limiter), E.RateLimitError("x", retry_after=7.0), headers=left(0))
    await go(limiter)


async def test_headers_that_mean_nothing(clock: Clock) -> None:
    """Azure says -1 and 0 where it counts nothing."""
    limiter = limits(clock)
    for number in ("-1", "", "many"):
        headers = {
            "x-ratelimit-limit-requests": number,
            "x-ratelimit-remaining-requests": number,
            "x-ratelimit-reset-requests": "0",
        }
        back(limiter, await go(limiter), headers=headers)
    back(limiter, await go(limiter), headers=left(0, 0))
    await go(limiter)
