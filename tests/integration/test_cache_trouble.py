"""When the one who asks for all fails, when the cache fails, and what cannot be."""

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import (
    AsyncLLMOrchestrator,
    ConfigError,
    InvalidRequestError,
    LLMOrchestrator,
    OverloadedError,
)
from llm_orchestrator.simulator import Simulator
from tests.integration.cache_world import cached, sent
from tests.integration.world import (
    HELLO,
    KEY,
    end_of,
    table,
)
from tests.waiting import until

# ------------------------------------------------------------------ when the one who asks fails


async def test_when_the_one_who_asks_fails_one_other_asks(sim: Simulator) -> None:
    sim.add_fault(fault="unavailable", count=1)
    config = cached(sim) | {"retry": {"max_retries": 0}, "fallback": {"enabled": False}}
    async with AsyncLLMOrchestrator(config) as llm:
        done = await asyncio.gather(
            *(llm.send_request(HELLO) for _ in range(20)), return_exceptions=True
        )
    failed = [one for one in done if isinstance(one, BaseException)]
    assert [type(one) for one in failed] == [OverloadedError]
    assert len(sim.log()) == 2
    assert sent(sim) == 2


async def test_when_all_fail_each_is_told(sim: Simulator) -> None:
    sim.add_fault(fault="unavailable")
    config = cached(sim) | {"retry": {"max_retries": 0}, "fallback": {"enabled": False}}
    async with AsyncLLMOrchestrator(config) as llm:
        done = await asyncio.gather(
            *(llm.send_request(HELLO) for _ in range(10)), return_exceptions=True
        )
        assert {type(one) for one in done} == {OverloadedError}
        assert llm.session.failed_calls == 10


async def test_when_the_one_who_asks_is_cancelled_another_asks(sim: Simulator) -> None:
    sim.add_fault(fault="slow-headers", seconds=30, count=1)
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        first = asyncio.create_task(llm.send_request(HELLO))
        await until(lambda: len(sim.log()) == 1)
        others = [asyncio.create_task(llm.send_request(HELLO)) for _ in range(10)]
        await asyncio.sleep(0)
        first.cancel()
        replies = await asyncio.gather(*others)
        assert [reply.cached for reply in replies].count(False) == 1
    assert len(sim.log()) == 2


async def test_a_stream_whose_reader_sleeps_does_not_hold_others_up(sim: Simulator) -> None:
    async with (
        AsyncLLMOrchestrator(cached(sim)) as llm,
        aclosing(llm.send_streaming_request(HELLO)) as sleeping,
    ):
        await anext(sleeping)
        reply = await asyncio.wait_for(llm.send_request(HELLO), 20)
        assert not reply.cached
    assert sent(sim) == 2


async def test_closing_ends_those_who_wait_too(sim: Simulator) -> None:
    sim.add_fault(fault="slow-headers", seconds=30)
    llm = AsyncLLMOrchestrator(cached(sim))
    tasks = [asyncio.create_task(llm.send_request(HELLO)) for _ in range(5)]
    await until(lambda: len(sim.log()) == 1)
    await llm.close()
    done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    assert {type(one).__name__ for one in done} == {"ClosedError"}


# ------------------------------------------------------------------ when the cache is unwell


async def test_a_place_that_is_gone_costs_money_but_no_answer(
    sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    config = cached(sim, backend="redis", redis_url="redis://:s3cret@127.0.0.1:1/0")
    async with AsyncLLMOrchestrator(config) as llm:
        first = await llm.send_request(HELLO)
        assert first.content
        assert (await llm.send_request(HELLO)).cached, "memory is there all the same"
        assert (await llm.send_request("other")).content
    told = [one.message for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(told) == 1
    assert "s3cret" not in told[0]


async def test_a_damaged_answer_is_asked_for_again(sim: Simulator, llmo_home: Path) -> None:
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        first = await llm.send_request(HELLO)
    with closing(sqlite3.connect(llmo_home / "ledger.db")) as db:
        db.execute("""UPDATE ai_cache SET response_body = '{"content": 1}'""")
        db.commit()
    async with AsyncLLMOrchestrator(cached(sim)) as llm:
        again = await llm.send_request(HELLO)
    assert not again.cached
    assert again.content == first.content
    assert sent(sim) == 2


async def test_without_a_ledger_answers_are_kept_all_the_same(
    sim: Simulator, llmo_home: Path
) -> None:
    config = cached(sim) | {"cost_tracking": {"enabled": False}}
    async with AsyncLLMOrchestrator(config) as llm:
        await llm.send_request(HELLO)
    async with AsyncLLMOrchestrator(config) as llm:
        assert (await llm.send_request(HELLO)).cached
    assert table(llmo_home, "calls") == []


# ------------------------------------------------------------------ the sync face, and forks


def test_threads_share(llmo_home: Path) -> None:
    with Simulator().run_in_thread() as sim, LLMOrchestrator(cached(sim)) as llm:
        with ThreadPoolExecutor(16) as pool:
            replies = list(pool.map(lambda _: llm.send_request(HELLO), range(32)))
        assert sum(reply.cached for reply in replies) == 31
        events = list(llm.send_streaming_request(HELLO))
        assert end_of(events).cached
        assert sent(sim) == 1


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_the_same_answers(llmo_home: Path) -> None:
    with Simulator().run_in_thread() as sim, LLMOrchestrator(cached(sim)) as llm:
        llm.send_request(HELLO)
        pid = os.fork()
        if pid == 0:
            os._exit(0 if llm.send_request(HELLO).cached else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert llm.send_request(HELLO).cached
        assert sent(sim) == 1


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    "options",
    [
        {"cache": "yes"},
        {"cache": 1},
        {"cache": "Refresh"},
        {"cache_ttl": 0},
        {"cache_ttl": -5},
        {"cache_ttl": float("nan")},
        {"cache_ttl": float("inf")},
        {"cache_ttl": "60"},
        {"cache_ttl": True},
        {"cache_tenant": 5},
    ],
)
async def test_options_that_cannot_be_are_told_before_anything_is_sent(
    llm: AsyncLLMOrchestrator, sim: Simulator, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequestError, match=next(iter(options))):
        await llm.send_request(HELLO, **options)
    with pytest.raises(InvalidRequestError, match=next(iter(options))):
        llm.send_streaming_request(HELLO, **options)
    assert sim.log() == []


@pytest.mark.parametrize(
    "settings",
    [{"ttl": 0}, {"ttl": float("nan")}, {"ttl": float("inf")}, {"backend": "disk"}],
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"cache.{next(iter(settings))}"):
        LLMOrchestrator({"cache": settings})


def test_redis_without_an_address_is_told() -> None:
    config = {"providers": {"openai": {"api_key": KEY}}, "cache": {"backend": "redis"}}
    with pytest.raises(ConfigError, match="REDIS_URL"):
        LLMOrchestrator(config | {"cache": {"backend": "redis", "enabled": True}})
    made: Callable[..., LLMOrchestrator] = LLMOrchestrator
    with made(config) as llm, pytest.raises(ConfigError, match="REDIS_URL"):
        llm.send_request(HELLO, cache=True)
