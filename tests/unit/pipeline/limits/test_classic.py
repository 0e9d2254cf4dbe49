"""`RateLimiter`: the limiter by itself, from threads and coroutines."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from llm_orchestrator import ConfigError, InvalidRequestError, RateLimiter, RateLimitError
from tests.unit.pipeline.outcomes import Clock
from tests.waiting import until


def count(limiter: RateLimiter, model: str) -> int:
    passed = 0
    while limiter.can_proceed(model):
        limiter.check(model)
        passed += 1
    return passed


@pytest.mark.parametrize(
    ("model", "rpm"),
    [
        ("claude-haiku-3.5", 100),
        ("claude-sonnet-3.5", 50),
        ("claude-opus-3", 20),
        ("gpt-4o-mini", 100),
        ("gpt-4o", 50),
        ("gpt-4", 20),
    ],
)
def test_the_classic_table(model: str, rpm: int) -> None:
    limiter = RateLimiter(clock=Clock())
    assert count(limiter, model) == rpm
    with pytest.raises(RateLimitError) as caught:
        limiter.check(model)
    assert caught.value.message.startswith(f"Rate limit exceeded for model {model}: {rpm} requests")
    assert caught.value.retry_after == pytest.approx(60, abs=1)
    assert caught.value.provider is None


def test_limits_of_your_own() -> None:
    clock = Clock()
    limiter = RateLimiter({"a": 3, "b": {"tpm": 100}}, default=5, clock=clock)
    assert count(limiter, "a") == 3
    limiter.check("b", tokens=60)
    assert not limiter.can_proceed("b", tokens=60)
    assert limiter.can_proceed("b", tokens=40)
    assert count(limiter, "c") == count(limiter, "d") == 5
    assert limiter.wait_time("a") == pytest.approx(60, abs=1)
    clock.pass_(61)
    assert limiter.wait_time("a") == 0
    assert count(limiter, "a") == 3


def test_a_model_without_a_limit() -> None:
    limiter = RateLimiter({"a": 1})
    for _ in range(1000):
        limiter.check("b")


def test_what_was_used_counts_instead_of_what_was_announced() -> None:
    limiter = RateLimiter({"a": {"tpm": 100}}, clock=Clock())
    with limiter.acquire("a", tokens=90) as permit:
        permit.used(10)
    assert limiter.can_proceed("a", tokens=90)
    with limiter.acquire("a", tokens=90):
        pass
    assert not limiter.can_proceed("a", tokens=1)


def test_threads_wait_in_line() -> None:
    limiter = RateLimiter({"a": {"in_flight": 2}})
    running, most, done = 0, 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal running, most, done
        with limiter.acquire("a"):
            with lock:
                running += 1
                most = max(most, running)
            threading.Event().wait(0.002)
            with lock:
                running -= 1
                done += 1

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (most, done, running) == (2, 20, 0)


async def test_coroutines_and_threads_share_one_line() -> None:
    limiter = RateLimiter({"a": {"in_flight": 1}})
    first = limiter.acquire("a")
    thread = asyncio.create_task(asyncio.to_thread(limiter.acquire, "a"))
    await until(lambda: limiter.wait_time("a") >= 2)  # one is before whoever comes now
    coroutine = asyncio.create_task(limiter.aacquire("a"))
    await asyncio.sleep(0.01)
    assert not thread.done()
    first.release()
    first.release()
    second = await asyncio.wait_for(thread, 10)
    assert not coroutine.done()
    second.release()
    async with await asyncio.wait_for(coroutine, 10) as third:
        assert third.waited > 0


def test_a_thread_that_would_wait_too_long_is_told() -> None:
    limiter = RateLimiter({"a": {"in_flight": 1}})
    held = limiter.acquire("a")
    with pytest.raises(RateLimitError, match="1 requests in flight"):
        limiter.acquire("a", max_wait=0.02)
    with pytest.raises(RateLimitError):  # it waits: nobody knows how long a call takes
        limiter.acquire("a", max_wait=1.05)
    held.release()
    limiter.acquire("a", max_wait=0)


async def test_priorities() -> None:
    limiter = RateLimiter({"a": {"in_flight": 1}})
    held = limiter.check("a")
    went: list[Any] = []

    async def one(priority: Any) -> None:
        async with await limiter.aacquire("a", priority=priority):
            went.append(priority)

    tasks = [asyncio.create_task(one(priority)) for priority in ("low", None, "high", 7)]
    await asyncio.sleep(0.01)
    held.release()
    await asyncio.gather(*tasks)
    assert went == ["high", 7, None, "low"]


@pytest.mark.parametrize("wrong", [0, -1, {"rpm": 0}, {"rpn": 3}, "many", {"tpm": "x"}, 1.5])
def test_limits_that_are_none(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="expected requests a minute"):
        RateLimiter({"a": wrong})
    with pytest.raises(ConfigError, match="the limits of default"):
        RateLimiter({}, default=wrong)


@pytest.mark.parametrize(
    "call",
    [
        lambda one: one.acquire("a", tokens=-1),
        lambda one: one.acquire("a", max_wait=-1),
        lambda one: one.acquire("a", max_wait=float("nan")),
        lambda one: one.wait_time("a", priority=11),
    ],
)
def test_arguments_that_are_wrong(call: Callable[[RateLimiter], object]) -> None:
    with pytest.raises(InvalidRequestError):
        call(RateLimiter())


FORK = """
import os
from llm_orchestrator import RateLimiter

limiter = RateLimiter({"a": {"in_flight": 1}, "b": 2})
limiter.check("b")
held = limiter.acquire("a")
child = os.fork()
if child == 0:
    held.release()  # it is the parent's
    first = limiter.can_proceed("a")
    limiter.check("a")
    limiter.check("b")
    full = not limiter.can_proceed("a") and not limiter.can_proceed("b")
    os._exit(0 if first and full else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert not limiter.can_proceed("a")
"""


def test_a_forked_process_has_nothing_under_way() -> None:
    """And counts what its parent has sent within the minute."""
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
