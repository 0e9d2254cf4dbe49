"""CPU time that the cache adds to a call, or takes off: `python benchmarks/cache.py [URL ...]`.

First the guard alone, with requests of 1.5 KB and answers of 1 KB in memory: what a miss adds to a
call and what a hit takes in its place, then a whole call that is a hit, with all that goes before
it and its row in the ledger. Then misses and hits that go to a store: a temporary SQLite file, and
what the URLs name (``postgresql://...``, ``redis://...``; their tables should be empty). CPU is of
this process only, writing included.
"""

import argparse
import asyncio
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator.pipeline.attempt import Call
from llm_orchestrator.pipeline.cache import Cache
from llm_orchestrator.pipeline.cache_policy import CachePolicy
from llm_orchestrator.store.cache import CacheStore
from llm_orchestrator.store.cache_memory import Memory
from llm_orchestrator.store.cache_redis import RedisShelf
from llm_orchestrator.store.cache_rows import Shelf
from llm_orchestrator.store.cache_sql import SQLShelf
from llm_orchestrator.store.urls import parse_url
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.reply import Reply
from llm_orchestrator.types.request import Message, Request, Text
from llm_orchestrator.types.usage import Usage

CALLS = 10_000
STORED = 3_000
PROMPT = "word " * 290
ANSWER = Text(text="word " * 200)
REPLY = Reply(ANSWER.text, "a", "m", 5_000_000, Usage(400, 200), (), "stop", "call_1", (ANSWER,))
TARGETS = tuple(
    Candidate(
        Provider(name=name, dialect="openai", base_url="http://127.0.0.1:1/v1"),
        Model(provider=name, id="m"),
    )
    for name in "abc"
)
_numbers = itertools.count()


class Books:
    """Books nothing."""

    def hit(self, call: Call, kept: Reply, parsed: object) -> Reply:  # noqa: ARG002
        """The reply as it was kept."""
        return kept

    def failed(self, call: Call, error: BaseException) -> None:
        """Nothing."""


async def model() -> Reply:
    """An answer at once."""
    return REPLY


def calls(count: int) -> list[Call]:
    """Calls that nobody has made before."""
    made = []
    for _ in range(count):
        text = f"{os.urandom(4).hex()} {next(_numbers)} {PROMPT}"
        request = Request(messages=(Message("system", "Be kind."), Message("user", text)))
        call = Call(request, session_id="ses_1")
        call.cache_policy = CachePolicy(request, TARGETS, 3600.0)
        made.append(call)
    return made


async def each(some: Sequence[Call], ask: Callable[[Call], Any]) -> float:
    """CPU microseconds a call, one after the other."""
    start = time.process_time()
    for call in some:
        await ask(call)
    return (time.process_time() - start) / len(some) * 1e6


async def guard() -> tuple[float, float]:
    """What a miss adds to a call, and what a hit takes."""
    cache = Cache(Books(), Memory(CALLS, 10**9))
    some = calls(CALLS)
    bare = await each(some, lambda _: model())
    missed = await each(some, lambda call: cache.answer(call, model))
    return missed - bare, await each(some, lambda call: cache.answer(call, model))


async def whole_hit() -> float:
    """A call of the library whose answer is in memory, from its arguments to its row."""
    config = {
        "providers": {"openai": {"api_key": "any-key", "base_url": "http://127.0.0.1:1/v1"}},
        "cache": {"enabled": True, "backend": "memory"},
    }
    async with AsyncLLMOrchestrator(config) as llm:
        cache = llm._runtime.cache  # noqa: SLF001 - there is nobody who would answer
        assert cache is not None
        messages = [{"role": "user", "content": PROMPT}]
        request = Request(messages=(Message("user", PROMPT),))
        targets = llm._runtime.candidates.of(None, None)  # noqa: SLF001 - the same
        call = Call(request, session_id="ses_1")
        call.cache_policy = CachePolicy(request, targets, 3600.0, ("fallback",))
        await cache.answer(call, model)
        assert (await llm.send_request(messages)).cached
        start = time.process_time()
        for _ in range(CALLS):
            await llm.send_request(messages)
        return (time.process_time() - start) / CALLS * 1e6


async def stored(make: Callable[[], Shelf], in_flight: int) -> list[tuple[float, float]]:
    """CPU microseconds and median wait in milliseconds of misses and of hits, without memory."""
    store = CacheStore(make)
    cache = Cache(Books(), Memory(0, 0), store)
    await cache.answer(calls(1)[0], model)
    some = calls(STORED)
    found = []
    for _ in ("misses", "hits"):
        waits: list[float] = []
        left = iter(some)

        async def worker(left: Any = left, waits: list[float] = waits) -> None:
            for call in left:
                start = time.perf_counter()
                await cache.answer(call, model)
                waits.append(time.perf_counter() - start)

        start = time.process_time()
        await asyncio.gather(*(worker() for _ in range(in_flight)))
        await store.flush()
        cpu = (time.process_time() - start) / STORED * 1e6
        found.append((cpu, statistics.median(waits) * 1e3))
    await store.close()
    return found


def shelf(url: str) -> Shelf:
    """Where the URL says."""
    return RedisShelf(url) if url.startswith("redis") else SQLShelf(parse_url(url))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("urls", nargs="*", help="stores beside a temporary SQLite file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LLMO_HOME"] = folder
        rounds = [asyncio.run(guard()) for _ in range(3)]
        miss, hit = (statistics.median(one) for one in zip(*rounds, strict=True))
        print("in memory, µs CPU a call")
        print(f"  a miss adds            {miss:6.1f}")
        print(f"  a hit, the guard alone {hit:6.1f}")
        print(f"  a hit, the whole call  {asyncio.run(whole_hit()):6.1f}")
        print(f"\n{'store':<12}{'in flight':>10}{'miss µs':>10}{'ms':>8}{'hit µs':>10}{'ms':>8}")
        for url in (str(Path(folder) / "cache.db"), *given.urls):
            for in_flight in (1, 16, 100):
                (miss, waited), (hit, waited_too) = asyncio.run(
                    stored(lambda url=url: shelf(url), in_flight)  # type: ignore[misc]
                )
                kind = url.partition(":")[0] if "://" in url else "sqlite"
                print(
                    f"{kind:<12}{in_flight:>10}{miss:>10.1f}{waited:>8.2f}"
                    f"{hit:>10.1f}{waited_too:>8.2f}"
                )


if __name__ == "__main__":
    main()
