"""Values that expire: fetched once for all who wait, and again in time."""

import asyncio
import threading
from math import inf
from time import time

import pytest

from llm_orchestrator.errors import AuthenticationError
from llm_orchestrator.providers import expiring
from llm_orchestrator.providers.expiring import Expiring


class Source:
    """Counts its calls; may be held up, may fail."""

    def __init__(self, expires_in: float = inf) -> None:
        self.calls = 0
        self.expires_in = expires_in
        self.go_on = threading.Event()
        self.go_on.set()
        self.error: Exception | None = None

    def fetch(self) -> tuple[str, float]:
        self.calls += 1
        value = f"v{self.calls}"
        assert self.go_on.wait(20)
        if self.error is not None:
            raise self.error
        return value, time() + self.expires_in


async def test_it_is_fetched_once_and_kept() -> None:
    source = Source()
    kept = Expiring(source.fetch)
    assert [await kept.get() for _ in range(3)] == ["v1"] * 3
    assert source.calls == 1
    assert kept.held == "v1"


async def test_all_who_wait_get_the_same_whichever_loop_they_are_in() -> None:
    source = Source()
    source.go_on.clear()
    kept = Expiring(source.fetch)
    here = [asyncio.create_task(kept.get()) for _ in range(50)]
    there = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(kept.get())))
    await asyncio.sleep(0.05)
    source.go_on.set()
    assert await asyncio.gather(*here, there) == ["v1"] * 51
    assert source.calls == 1


async def test_one_who_stops_waiting_does_not_stop_the_others() -> None:
    source = Source()
    source.go_on.clear()
    kept = Expiring(source.fetch)
    first, second = asyncio.create_task(kept.get()), asyncio.create_task(kept.get())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    source.go_on.set()
    assert await second == "v1"
    assert first.cancelled()


async def test_the_loop_goes_on_while_it_is_fetched() -> None:
    source = Source()
    source.go_on.clear()
    waiting = asyncio.create_task(Expiring(source.fetch).get())
    for _ in range(3):
        await asyncio.sleep(0.01)
    assert not waiting.done()
    source.go_on.set()
    assert await waiting == "v1"


async def test_it_is_renewed_before_it_expires() -> None:
    source = Source(expires_in=100)
    kept = Expiring(source.fetch, margin=50)
    assert [await kept.get(), await kept.get()] == ["v1", "v1"]
    source.expires_in = -1  # what comes now has expired already
    kept.forget()
    assert [await kept.get(), await kept.get()] == ["v2", "v3"]


async def test_a_value_that_is_old_already_is_used_for_a_moment() -> None:
    source = Source(expires_in=100)
    kept = Expiring(source.fetch, margin=500)
    assert [await kept.get(), await kept.get()] == ["v1", "v1"]


async def test_the_old_value_serves_while_renewing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(expires_in=100)
    kept = Expiring(source.fetch, margin=500)
    assert await kept.get() == "v1"
    source.error = OSError("down")
    monkeypatch.setattr(expiring, "time", lambda: time() + 50)
    assert await kept.get() == "v1"
    assert source.calls == 2


async def test_a_failure_is_told_to_each_who_waits_and_not_kept() -> None:
    source = Source()
    source.go_on.clear()
    source.error = AuthenticationError("refused", provider="p", code="no_credentials")
    kept = Expiring(source.fetch)
    tasks = [asyncio.create_task(kept.get()) for _ in range(2)]
    await asyncio.sleep(0)
    source.go_on.set()
    first, second = await asyncio.gather(*tasks, return_exceptions=True)
    for found in (first, second):
        assert type(found) is AuthenticationError
        assert (found.message, found.provider, found.code) == ("refused", "p", "no_credentials")
    assert first is not second, "each may be changed by its call"
    source.error = None
    assert await kept.get() == "v2"


async def test_after_a_fork_nobody_waits_for_a_thread_that_is_not_there() -> None:
    source = Source()
    source.go_on.clear()
    kept = Expiring(source.fetch)
    lost = asyncio.create_task(kept.get())
    await asyncio.sleep(0)
    kept.after_fork()
    source.go_on.set()
    assert await asyncio.wait_for(kept.get(), 10) in {"v1", "v2"}
    assert await lost == "v1"
