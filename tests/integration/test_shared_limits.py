"""Several processes and one Redis: together they keep to the limit, and no call hangs."""

import asyncio
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import redis

from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.config.rate_limits import LimitSettings, RateLimitSettings
from llm_orchestrator.pipeline.attempt import Attempt
from llm_orchestrator.pipeline.limiter import Limiter
from llm_orchestrator.pipeline.limits.connect import Connection
from llm_orchestrator.pipeline.limits.rules import Rules
from llm_orchestrator.pipeline.limits.shared import Shared
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.usage import Usage
from tests.integration.own_redis import OwnRedis, deaf
from tests.unit.pipeline.limiting import A, back, go, left
from tests.waiting import until

WORKER = Path(__file__).with_name("limit_worker.py")
KEY = "llmo:limits:"


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    server = OwnRedis()
    server.start()
    try:
        yield server
    finally:
        server.kill()


def process(url: str, share: float | None = None, timeout: float = 20.0, **model: int) -> Limiter:
    """The limiter of one process: as good as one, it shares nothing with the others."""
    rules = Rules(RateLimitSettings(models={"a": LimitSettings(**model)} if model else {}))
    return Limiter(rules, shared=Shared(url, timeout=timeout, share=share))


async def passed(limiter: Limiter, calls: int, patience: float = 0.0) -> int:
    """How many of so many attempts may go now, or within so many seconds."""
    asked = (go(limiter, patience=patience) for _ in range(calls))
    found = await asyncio.gather(*asked, return_exceptions=True)
    for one in found:
        assert isinstance(one, Attempt | E.RateLimitError), one
    return sum(isinstance(one, Attempt) for one in found)


# ------------------------------------------------------------------ one count


async def run(sim: Simulator, redis_url: str, calls: int, **limits: Any) -> dict[str, int]:
    worker = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKER), sim.url, redis_url, str(calls), json.dumps(limits),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await worker.communicate()
    found: dict[str, int] = json.loads(out)
    return found


async def test_four_processes_keep_to_one_limit(sim: Simulator, redis_url: str) -> None:
    limits = {"models": {"gpt-4o-mini": {"rpm": 30}}, "queue": False, "redis_timeout": 20}
    found = await asyncio.gather(*(run(sim, redis_url, 25, **limits) for _ in range(4)))
    assert sum(one["answered"] for one in found) == len(sim.log()) == 30
    assert sum(one["refused"] for one in found) == 70
    assert max(one["answered"] for one in found) < 30, "more than one of them has worked"


async def test_three_processes_share_places_and_all_are_served(redis_url: str) -> None:
    """Four places; the provider refuses more than six, for it lets go a little later than we."""
    limits = {"models": {"gpt-4o-mini": {"in_flight": 4}}, "redis_timeout": 20}
    async with Simulator(in_flight=6) as sim:
        found = await asyncio.gather(*(run(sim, redis_url, 30, **limits) for _ in range(3)))
        assert [one["answered"] for one in found] == [30, 30, 30]
        assert {entry["status"] for entry in sim.log()} == {200}


async def test_requests_in_flight_of_all_processes(redis_url: str) -> None:
    one, other = process(redis_url, in_flight=3), process(redis_url, in_flight=3)
    first, second = await go(one), await go(one)
    assert await passed(other, 5) == 1
    back(one, first)
    back(one, second)
    with redis.Redis.from_url(redis_url) as client:
        await until(lambda: sum(client.zcard(key) for key in client.keys("*:in_flight")) == 1)
    assert await passed(other, 2, patience=20) == 2
    assert await passed(other, 3) == 0
    await one.hang_up()
    await other.hang_up()


async def test_who_waits_goes_when_another_process_is_done(redis_url: str) -> None:
    one, other = process(redis_url, in_flight=1), process(redis_url, in_flight=1)
    first = await go(one)
    waiting = asyncio.create_task(go(other, patience=30))
    await until(lambda: other.keeper.waiting() == {"openai": 1})
    back(one, first)
    await asyncio.wait_for(waiting, 20)
    await one.hang_up()
    await other.hang_up()


async def test_tokens_are_corrected_for_all(redis_url: str) -> None:
    """Each may need 65 tokens; the first used one."""
    one, other = process(redis_url, tpm=130), process(redis_url, tpm=130)
    first = await go(one)
    assert await passed(other, 3) == 1
    back(one, first, usage=Usage(1, 0))
    with redis.Redis.from_url(redis_url) as client:
        await until(lambda: client.hget(next(iter(client.keys("*:tpm"))), "used") == b"66")
    assert await passed(other, 3) == 0
    third = process(redis_url, tpm=131)
    assert await passed(third, 3) == 1
    for limiter in (one, other, third):
        await limiter.hang_up()


async def test_a_refusal_names_the_limit_and_the_wait(redis_url: str) -> None:
    one, other = process(redis_url, rpm=1), process(redis_url, rpm=1)
    await go(one)
    with pytest.raises(E.RateLimitError, match="model a: 1 requests a minute; ") as caught:
        await go(other)
    assert caught.value.retry_after == pytest.approx(50, abs=11)
    await one.hang_up()
    await other.hang_up()


async def test_a_retry_after_is_known_to_all(redis_url: str) -> None:
    one, other = process(redis_url, rpm=100), process(redis_url, rpm=100)
    back(one, await go(one), E.RateLimitError("x", retry_after=20.0))
    with redis.Redis.from_url(redis_url) as client:
        await until(lambda: client.keys("*:blocked"))
    with pytest.raises(E.RateLimitError) as caught:
        await go(other)
    assert caught.value.retry_after == pytest.approx(15, abs=6)
    await one.hang_up()
    await other.hang_up()


async def test_a_learned_limit_that_is_near_is_shared(redis_url: str) -> None:
    """All read that four are left; each alone would send four."""
    limiters = [process(redis_url) for _ in range(3)]
    for limiter in limiters:
        back(limiter, await go(limiter), headers=left(4, 100, "57.6s"))
    assert sum([await passed(limiter, 4) for limiter in limiters]) == 4
    for limiter in limiters:
        await limiter.hang_up()


async def test_what_redis_holds_ends_by_itself(redis_url: str) -> None:
    limiter = process(redis_url, rpm=5, tpm=1000, in_flight=5)
    back(limiter, await go(limiter), E.RateLimitError("x", retry_after=20.0))
    with redis.Redis.from_url(redis_url) as client:
        await until(lambda: len(client.keys()) >= 4)
        for key in list(client.scan_iter()):
            assert key.startswith(KEY.encode())
            assert A.provider.key is not None
            assert A.provider.key.reveal().encode() not in key
            assert 0 < client.ttl(key) <= 121, key
    await limiter.hang_up()


# ------------------------------------------------------------------ the script itself


async def test_a_window_is_never_passed_and_forgets(redis_url: str) -> None:
    """The period is 1.2 seconds: no 1.2 seconds hold more than ten."""
    connection = Connection(redis_url, 1.0)
    times: list[tuple[float, float]] = []

    async def take(amount: int = 1) -> list[Any]:
        ops = json.dumps([["m", [[2, "w", amount, 10, 1200]]]])
        answer = await connection.run(2, "p", "w", "me", 30_000, ops)
        found: list[Any] = answer[1]
        return found

    while len(times) < 40:
        before = monotonic()
        found = await take()
        if found[0] != -1:
            times.append((before, monotonic()))
        else:
            assert 0 < found[1] <= 1220
            await asyncio.sleep(min(found[1] / 1000, 0.05))
    for (before, _), (_, after) in zip(times, times[10:], strict=False):
        assert after - before >= 1.195
    with redis.Redis.from_url(redis_url) as client:
        assert client.hlen("w") <= 63
    await connection.close()


async def test_slots_of_a_process_that_died_come_free(redis_url: str) -> None:
    connection = Connection(redis_url, 1.0)

    async def take(member: str, lease: int) -> bool:
        ops = json.dumps([[member, [[2, "s", 1, lease]]]])
        answer = await connection.run(2, "p", "s", "me", 30_000, ops)
        return bool(answer[1][:1] != [-1])

    began = monotonic()
    assert await take("died", 300)
    assert not await take("next", 300) or monotonic() - began > 0.3
    for _ in range(200):
        if await take("next", 60_000):
            break
        await asyncio.sleep(0.02)
    with redis.Redis.from_url(redis_url) as client:
        assert client.zrange("s", 0, -1) == [b"next"]
    await connection.close()


async def test_a_large_one_is_not_passed_by_small_ones_behind_it(redis_url: str) -> None:
    connection = Connection(redis_url, 1.0)
    ops = [[name, [[2, "w", size, 100, 60_000]]] for name, size in (("a", 60), ("b", 60), ("c", 9))]
    answer = await connection.run(2, "p", "w", "me", 30_000, json.dumps(ops))
    assert [found[0] == -1 for found in answer[1:]] == [False, True, True]
    await connection.close()


# ------------------------------------------------------------------ without it


async def test_redis_dies_and_comes_back(
    own_redis: OwnRedis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "llm_orchestrator")
    limiters = [process(own_redis.url, rpm=40) for _ in range(2)]
    assert [await passed(limiter, 5) for limiter in limiters] == [5, 5]
    assert [await passed(limiter, 0) for limiter in limiters] == [0, 0]
    assert await passed(limiters[0], 1) == 1  # now both know that they are two
    own_redis.kill()
    time = asyncio.get_running_loop().time
    began = time()
    # Each keeps to its half, in which what it has sent before counts.
    assert [await passed(limiter, 40) for limiter in limiters] == [14, 15]
    assert time() - began < 3
    began = time()
    assert [await passed(limiter, 40) for limiter in limiters] == [0, 0]
    assert time() - began < 0.5, "it is not asked again for each call"
    own_redis.start()
    shared = [limiter.keeper.shared for limiter in limiters]

    async def back_again() -> bool:
        for limiter in limiters:
            await passed(limiter, 1)
        return all(one is not None and one.up for one in shared)

    for _ in range(400):
        if await back_again():
            break
        await asyncio.sleep(0.05)
    assert await back_again()
    # For a minute more each keeps to its half: together they have used up the limit.
    assert [await passed(limiter, 40) for limiter in limiters] == [0, 0]
    for limiter in limiters:
        await limiter.hang_up()
    told = [record.getMessage() for record in caplog.records]
    assert sum("does not answer" in text for text in told) == 2
    assert sum("answers again" in text for text in told) == 2


async def test_a_redis_that_never_answers(caplog: pytest.LogCaptureFixture) -> None:
    async with deaf() as url:
        limiter = process(url, share=0.5, timeout=0.25, rpm=20)
        time = asyncio.get_running_loop().time
        began = time()
        assert await passed(limiter, 30) == 10
        assert time() - began < 3
        began = time()
        assert await passed(limiter, 30) == 0
        assert time() - began < 0.2
        await asyncio.wait_for(limiter.hang_up(), 3)
    assert "does not answer (TimeoutError)" in caplog.text


async def test_without_a_redis_from_the_beginning_a_quarter_is_used() -> None:
    limiter = process("redis://127.0.0.1:1/0", rpm=20)
    assert await passed(limiter, 30) == 5
    await limiter.hang_up()


async def test_who_waits_when_redis_dies_still_goes(own_redis: OwnRedis) -> None:
    one, other = process(own_redis.url, 1.0, in_flight=1), process(own_redis.url, 1.0, in_flight=1)
    await go(one)
    waiting = asyncio.create_task(go(other, patience=30))
    await until(lambda: other.keeper.waiting() == {"openai": 1})
    own_redis.kill()
    await asyncio.wait_for(waiting, 20)
    for limiter in (one, other):
        await asyncio.wait_for(limiter.hang_up(), 3)


async def test_who_is_cancelled_while_redis_is_asked_takes_nothing(redis_url: str) -> None:
    limiter = process(redis_url, in_flight=1, rpm=100)
    for _ in range(20):
        task = asyncio.create_task(go(limiter))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    with redis.Redis.from_url(redis_url) as client:
        await until(lambda: not sum(client.zcard(key) for key in client.keys("*:in_flight")))
    assert await passed(limiter, 1, patience=5) == 1
    await limiter.hang_up()
