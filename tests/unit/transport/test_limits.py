"""Time limits over real sockets. They are short; only what must not pass has to wait for them."""

import asyncio
import gc
import time
import weakref

import pytest

from llm_orchestrator.errors import APITimeoutError
from llm_orchestrator.transport.base import Limits, Transport
from llm_orchestrator.transport.deadline import Deadline, sweeper
from llm_orchestrator.types.http import HTTPCall
from tests.unit.transport.raw import STREAM, Exchange, chunk, raw
from tests.waiting import until

SHORT, LONG = 0.25, 20.0


def limits(*, first: float = LONG, idle: float = LONG, total: float = LONG) -> Limits:
    return Limits(connect=LONG, first=first, idle=idle, total=total)


def post(url: str) -> HTTPCall:
    return HTTPCall(url, b"{}")


async def stream(transport: Transport, url: str, limits: Limits) -> bytes:
    """All pieces; the first one begins the answer."""
    wire = await transport.open(post(url), {}, limits)
    found = b""
    try:
        while data := await wire.piece():
            wire.flowing()
            found += data
    finally:
        wire.close()
    return found


async def read(transport: Transport, url: str, limits: Limits) -> bytes:
    wire = await transport.open(post(url), {}, limits)
    try:
        return await wire.read()
    finally:
        wire.close()


async def silent(seen: Exchange) -> None:
    await asyncio.sleep(LONG)


async def headers_only(seen: Exchange) -> None:
    await seen.send(STREAM)
    await asyncio.sleep(LONG)


async def one_piece(seen: Exchange) -> None:
    await seen.send(STREAM + chunk(b"a"))
    await asyncio.sleep(LONG)


async def drip(seen: Exchange) -> None:
    await seen.send(STREAM)
    while True:
        await seen.send(chunk(b"a"), pause=0.02)


@pytest.mark.parametrize("take", [stream, read])
@pytest.mark.parametrize("answer", [silent, headers_only])
async def test_no_answer_begins(transport: Transport, answer: object, take: object) -> None:
    async with raw(answer) as server:  # type: ignore[arg-type]
        began = time.monotonic()
        with pytest.raises(APITimeoutError) as caught:
            await take(transport, server.url, limits(first=SHORT))  # type: ignore[operator]
        assert SHORT - 0.05 <= time.monotonic() - began < LONG / 2
        assert (caught.value.phase, caught.value.code) == ("first_token", "first_token_timeout")
        assert "127.0.0.1" in caught.value.message
        await asyncio.wait_for(server.left.wait(), 20)


async def test_a_whole_reply_must_be_there_in_the_first_limit(transport: Transport) -> None:
    async with raw(drip) as server:
        with pytest.raises(APITimeoutError) as caught:
            await read(transport, server.url, limits(first=SHORT))
    assert caught.value.phase == "first_token"


async def test_silence_inside_an_answer(transport: Transport) -> None:
    async with raw(one_piece) as server:
        with pytest.raises(APITimeoutError) as caught:
            await stream(transport, server.url, limits(idle=SHORT))
        assert (caught.value.phase, caught.value.code) == ("idle", "idle_timeout")
        await asyncio.wait_for(server.left.wait(), 20)


async def test_the_idle_limit_does_not_hold_before_the_answer(transport: Transport) -> None:
    async def late(seen: Exchange) -> None:
        await seen.send(STREAM)
        await asyncio.sleep(3 * SHORT)
        await seen.send(chunk(b"a") + chunk(b""))

    async with raw(late) as server:
        assert await stream(transport, server.url, limits(idle=SHORT)) == b"a"


async def test_an_answer_that_flows_is_not_cut_by_the_first_limit(transport: Transport) -> None:
    async def steady(seen: Exchange) -> None:
        await seen.send(STREAM, *[chunk(b"a")] * 30, chunk(b""), pause=0.02)

    async with raw(steady) as server:
        found = await stream(transport, server.url, limits(first=SHORT, idle=LONG))
    assert found == b"a" * 30


async def test_the_whole_attempt(transport: Transport) -> None:
    async with raw(drip) as server:
        with pytest.raises(APITimeoutError) as caught:
            await stream(transport, server.url, limits(idle=LONG, total=2 * SHORT))
        assert (caught.value.phase, caught.value.code) == ("total", "total_timeout")
        await asyncio.wait_for(server.left.wait(), 20)


async def test_a_slow_reader_is_no_silent_server(transport: Transport) -> None:
    async def steady(seen: Exchange) -> None:
        await seen.send(STREAM, *[chunk(b"a")] * 5, chunk(b""), pause=0.01)

    async with raw(steady) as server:
        wire = await transport.open(post(server.url), {}, limits(first=SHORT, idle=SHORT))
        found = b""
        while data := await wire.piece():
            wire.flowing()
            found += data
            if len(found) <= 2:
                await asyncio.sleep(2 * SHORT)
        wire.close()
    assert found == b"a" * 5


async def test_time_of_the_reader_counts_for_the_total(transport: Transport) -> None:
    async with raw(one_piece) as server:
        wire = await transport.open(post(server.url), {}, limits(total=SHORT))
        await wire.piece()
        await asyncio.sleep(2 * SHORT)
        with pytest.raises(APITimeoutError) as caught:
            await wire.piece()
        wire.close()
    assert caught.value.phase == "total"


@pytest.mark.parametrize("answer", [silent, headers_only, one_piece])
async def test_cancelling_is_no_timeout(transport: Transport, answer: object) -> None:
    async with raw(answer) as server:  # type: ignore[arg-type]
        work = asyncio.ensure_future(stream(transport, server.url, limits()))
        await until(lambda: server.requests)
        await asyncio.sleep(0.05)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await asyncio.wait_for(server.left.wait(), 20)


async def test_a_timeout_of_the_caller_stays_the_callers(transport: Transport) -> None:
    async with raw(one_piece) as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SHORT):
                await stream(transport, server.url, limits())


async def test_the_caller_goes_on_after_a_timeout_of_ours(transport: Transport) -> None:
    """The cancellation that woke the task is taken back."""

    async def patient() -> str:
        async with asyncio.timeout(LONG):
            try:
                await stream(transport, server.url, limits(first=SHORT))
            except APITimeoutError as error:
                await asyncio.sleep(0)
                return error.phase
        return ""

    async with raw(silent) as server:
        task = asyncio.ensure_future(patient())
        assert await task == "first_token"
        assert task.cancelling() == 0


@pytest.mark.parametrize("take", [stream, read])
async def test_a_limit_in_the_clean_up_of_a_cancelled_task(
    transport: Transport, take: object
) -> None:
    """That it was cancelled before is no reason to take our limit for another cancellation."""
    phases: list[str] = []

    async def worker() -> None:
        try:
            await asyncio.sleep(LONG)
        finally:
            try:
                await take(transport, server.url, limits(first=SHORT))  # type: ignore[operator]
            except APITimeoutError as error:
                phases.append(error.phase)

    async with raw(silent) as server:
        task = asyncio.ensure_future(worker())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert phases == ["first_token"]
    assert task.cancelling() == 1


async def test_cancelled_while_the_limit_passes(transport: Transport) -> None:
    """Whoever asked for the cancellation must get it, in whatever order both come."""
    async with raw(silent) as server:
        for shift in (-0.03, -0.01, 0.0, 0.01, 0.03):
            work = asyncio.ensure_future(stream(transport, server.url, limits(first=SHORT)))
            await asyncio.sleep(SHORT + 0.03 + shift)
            asked = work.cancel()
            done = await asyncio.gather(work, return_exceptions=True)
            kinds = asyncio.CancelledError if asked else APITimeoutError
            assert isinstance(done[0], kinds)


async def test_other_requests_go_on_while_one_is_cut(transport: Transport) -> None:
    async def answer(seen: Exchange) -> None:
        if seen.path == "/silent":
            await asyncio.sleep(LONG)
        await seen.send(STREAM, *[chunk(b"a")] * 20, chunk(b""), pause=0.03)

    async with raw(answer) as server:
        good = [
            asyncio.ensure_future(stream(transport, f"{server.url}/{n}", limits()))
            for n in range(3)
        ]
        with pytest.raises(APITimeoutError):
            await stream(transport, f"{server.url}/silent", limits(first=SHORT))
        assert await asyncio.gather(*good) == [b"a" * 20] * 3


@pytest.mark.usefixtures("new_garbage")
def test_loops_that_ended_are_let_go() -> None:
    """Together with what they were still looking after."""
    gone = []
    for _ in range(3):
        loop = asyncio.new_event_loop()
        Deadline(loop, limits()).begin()
        gone.append(weakref.ref(loop))
        loop.close()
    del loop
    last = asyncio.new_event_loop()
    sweeper(last)
    gc.collect()
    assert [ref() for ref in gone] == [None] * 3
    last.close()
