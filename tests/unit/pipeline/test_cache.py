"""The cache as a guard: what it asks for, what it gives, and for how long."""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec
import pytest

from llm_orchestrator.errors import OutputError, OverloadedError
from llm_orchestrator.pipeline.attempt import Call
from llm_orchestrator.pipeline.cache import Cache
from llm_orchestrator.pipeline.cache_policy import CachePolicy
from llm_orchestrator.store.cache_memory import Memory
from llm_orchestrator.types.events import EndEvent, StartEvent, StreamEvent, TextDelta
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.reply import Reply
from llm_orchestrator.types.request import Message, Request, Text
from llm_orchestrator.types.usage import Usage

ROW = Provider(name="office", dialect="openai", base_url="http://a.example/v1")
TARGET = Candidate(ROW, Model(provider="office", id="m"))


class World:
    """A cache with a clock of its own, over a model that counts how often it is asked."""

    def __init__(self, **settings: Any) -> None:
        self.now = 1_000_000.0
        self.asked = 0
        self.hits: list[Call] = []
        self.failures: list[BaseException] = []
        self.changes: dict[str, Any] = {}
        self.cache = Cache(self, Memory(100, 10**6), clock=lambda: self.now, **settings)

    def hit(self, call: Call, kept: Reply, parsed: object) -> Reply:
        self.hits.append(call)
        call.done = True
        return msgspec.structs.replace(kept, id=call.id, parsed=parsed, cached=True)

    def failed(self, call: Call, error: BaseException) -> None:
        call.done = True
        self.failures.append(error)

    def call(self, text: str = "Hello", *, policy: bool = True, **more: Any) -> Call:
        request = Request(messages=(Message("user", text),))
        call = Call(request, session_id="ses_1")
        if policy:
            call.cache_policy = CachePolicy(request, (TARGET,), more.pop("ttl", 100.0), **more)
        return call

    async def model(self) -> Reply:
        self.asked += 1
        await asyncio.sleep(0)
        text = f"answer {self.asked}"
        reply = Reply(
            text,
            "office",
            "m",
            5,
            Usage(1, 1),
            (),
            "stop",
            f"call_{self.asked}",
            (Text(text=text),),
        )
        return msgspec.structs.replace(reply, **self.changes)

    async def ask(self, text: str = "Hello", **more: Any) -> Reply:
        return await self.cache.answer(self.call(text, **more), self.model)

    async def streamed(self) -> AsyncGenerator[Sequence[StreamEvent], None]:
        reply = await self.model()
        yield (StartEvent("m", "x"),)
        for word in reply.content.split():
            yield (TextDelta(word),)
        yield (EndEvent(reply),)

    async def stream(self, text: str = "Hello", **more: Any) -> list[StreamEvent]:
        batches = self.cache.stream(self.call(text, **more), self.streamed)
        async with aclosing(batches):
            return [event async for batch in batches for event in batch]


async def test_an_answer_is_made_once() -> None:
    world = World()
    first, second = await world.ask(), await world.ask()
    assert (first.cached, second.cached) == (False, True)
    assert first.content == second.content
    assert first.id != second.id
    assert world.asked == 1


async def test_who_does_not_wish_it_gets_none_and_leaves_none() -> None:
    world = World()
    await world.ask(policy=False)
    await world.ask()
    await world.ask(policy=False)
    assert world.asked == 3


async def test_an_answer_counts_until_its_time_has_run_out() -> None:
    world = World()
    await world.ask(ttl=100.0)
    world.now += 99.9
    assert (await world.ask(ttl=100.0)).cached
    world.now += 0.2
    assert not (await world.ask(ttl=100.0)).cached
    assert world.asked == 2


async def test_who_wants_fresher_answers_gets_them_and_so_do_others() -> None:
    world = World()
    await world.ask(ttl=100.0)
    world.now += 50
    assert not (await world.ask(ttl=49.0)).cached
    assert (await world.ask(ttl=100.0)).content == "answer 2"


async def test_who_takes_older_answers_does_not_make_them_older() -> None:
    world = World()
    await world.ask(ttl=100.0)
    world.now += 150
    assert not (await world.ask(ttl=1000.0)).cached, "it was kept for 100 seconds"


async def test_refresh_asks_anew_and_keeps_what_comes() -> None:
    world = World()
    await world.ask()
    assert (await world.ask(refresh=True)).content == "answer 2"
    assert (await world.ask()).content == "answer 2"


async def test_an_answer_of_another_type_is_asked_for_anew() -> None:
    world = World()

    def strict(text: str) -> int:
        raise OutputError(f"{text} is no number")

    await world.ask()
    assert (await world.ask(parse=str.upper)).parsed == "ANSWER 1"
    assert not (await world.ask(parse=strict)).cached


async def test_too_large_an_answer_is_not_kept_but_given_to_those_who_wait() -> None:
    world = World(entry_bytes=100)
    replies = await asyncio.gather(*(world.ask() for _ in range(5)))
    assert world.asked == 1
    assert [reply.cached for reply in replies] == [False] + [True] * 4
    assert not (await world.ask()).cached


async def test_what_cannot_be_kept_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.changes = {"extra": {"odd": object()}}
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert not (await world.ask()).cached
    assert len(caplog.records) == 1
    assert "could not be kept" in caplog.text


async def test_what_json_cannot_hold_is_passed_on() -> None:
    world = World()
    request = Request(messages=(Message("user", "a"),), extra={"odd": object()})
    call = Call(request, session_id="ses_1")
    call.cache_policy = CachePolicy(request, (TARGET,), 100.0)
    assert not (await world.cache.answer(call, world.model)).cached


async def test_one_that_waits_and_is_cancelled_is_booked() -> None:
    world = World()
    go = asyncio.Event()

    async def slow() -> Reply:
        await go.wait()
        return await world.model()

    first = asyncio.create_task(world.cache.answer(world.call(), slow))
    await asyncio.sleep(0)
    second = asyncio.create_task(world.cache.answer(world.call(), slow))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert [type(error) for error in world.failures] == [asyncio.CancelledError]
    go.set()
    assert (await first).content == "answer 1"


async def test_a_failure_is_not_kept() -> None:
    world = World()

    async def broken() -> Reply:
        raise OverloadedError("busy")

    with pytest.raises(OverloadedError):
        await world.cache.answer(world.call(), broken)
    assert not (await world.ask()).cached
    assert not world.failures, "what was sent is booked there"


# ------------------------------------------------------------------ streams


async def test_a_stream_is_replayed_as_a_stream() -> None:
    world = World()
    first, second = await world.stream(), await world.stream()
    assert "".join(map(str, first)) == "answer1"
    assert "".join(map(str, second)) == "answer 1"
    last = second[-1]
    assert isinstance(last, EndEvent)
    assert last.reply.cached
    assert world.asked == 1


async def test_streams_and_whole_answers_share() -> None:
    world = World()
    await world.stream("a")
    assert (await world.ask("a")).cached
    await world.ask("b")
    last = (await world.stream("b"))[-1]
    assert isinstance(last, EndEvent)
    assert last.reply.cached


async def test_a_stream_that_is_left_is_not_kept() -> None:
    world = World()
    async with aclosing(world.cache.stream(world.call(), world.streamed)) as batches:
        async for _ in batches:
            break
    assert not (await world.ask()).cached


async def test_a_stream_that_is_left_at_its_end_is_kept() -> None:
    world = World()
    async with aclosing(world.cache.stream(world.call(), world.streamed)) as batches:
        async for batch in batches:
            if isinstance(batch[-1], EndEvent):
                break
    assert (await world.ask()).cached


async def test_a_stream_that_breaks_is_not_kept_and_another_takes_over() -> None:
    world = World()

    async def broken() -> AsyncGenerator[Sequence[StreamEvent], None]:
        yield (TextDelta("ans"),)
        raise OverloadedError("busy")

    batches = world.cache.stream(world.call(), broken)
    assert await anext(batches)
    waiting = asyncio.create_task(world.ask())
    await asyncio.sleep(0)
    assert world.asked == 0
    with pytest.raises(OverloadedError):
        await anext(batches)
    assert (await waiting).content == "answer 1"


async def test_refresh_streams_anew() -> None:
    world = World()
    await world.ask()
    assert "".join(map(str, await world.stream(refresh=True))) == "answer2"
    assert (await world.ask()).content == "answer 2"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
async def test_a_forked_child_asks_for_itself() -> None:
    world = World()
    go = asyncio.Event()

    async def slow() -> Reply:
        await go.wait()
        return await world.model()

    first = asyncio.create_task(world.cache.answer(world.call(), slow))
    await asyncio.sleep(0)

    async def both() -> int:
        await asyncio.gather(world.ask(), world.ask())
        return world.asked

    pid = os.fork()
    if pid == 0:
        asked: list[int] = []
        child = threading.Thread(target=lambda: asked.append(asyncio.run(both())))
        child.start()
        child.join(10)
        os._exit(asked[0] if asked else 99)
    _, status = await asyncio.to_thread(os.waitpid, pid, 0)
    assert os.waitstatus_to_exitcode(status) == 1, "one asked for both"
    go.set()
    assert (await first).content == "answer 1"
