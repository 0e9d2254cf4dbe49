"""What becomes of calls that are under way when their orchestrator is closed."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator, LLMOrchestrator
from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.transport.direct import DirectTransport
from llm_orchestrator.transport.http import HTTPTransport
from tests.integration.world import HELLO, MINI, SLOW, check_books, configuration, table
from tests.waiting import until

STALL: dict[str, Any] = {"fault": "stall", "model": MINI, "after": 3, "seconds": 60}


@pytest.fixture
async def slow() -> AsyncIterator[Simulator]:
    async with Simulator(latency=SLOW) as simulator:
        yield simulator


def outcomes(home: Path) -> list[tuple[str, str]]:
    """Of each attempt and of each call."""
    settled = [row["status"] for row in table(home, "attempt_ledger")]
    called = [row["status"] for row in table(home, "calls")]
    return list(zip(settled, called, strict=True))


# ------------------------------------------------------------------ whole answers


@pytest.mark.parametrize("transport", [DirectTransport, HTTPTransport])
@pytest.mark.parametrize("books", [True, False])
async def test_a_call_under_way_ends_and_is_not_sent_again(
    slow: Simulator, llmo_home: Path, transport: Any, books: bool
) -> None:
    config = configuration(slow, cost_tracking={"enabled": books})
    llm = AsyncLLMOrchestrator(config, transport=transport())
    work = asyncio.ensure_future(llm.send_request(HELLO))
    await until(slow.log)
    await llm.close()
    with pytest.raises(E.ClosedError, match="under way") as caught:
        await work
    assert [attempt.status for attempt in caught.value.attempts] == ["error"]
    assert len(slow.log()) == 1
    assert (llm.session.calls, llm.session.unpriced_calls) == (1, 1)
    if books:
        check_books(slow, llmo_home)
        (call,) = table(llmo_home, "calls")
        assert (call["status"], call["error"], call["cost_pico"]) == ("error", "ClosedError", None)


async def test_vectors_too(slow: Simulator, llmo_home: Path) -> None:
    llm = AsyncLLMOrchestrator(configuration(slow))
    slow.add_fault(fault="slow-headers", seconds=60)
    work = asyncio.ensure_future(llm.embed("a", model="text-embedding-3-small"))
    await until(slow.log)
    await llm.close()
    with pytest.raises(E.ClosedError):
        await work
    assert outcomes(llmo_home) == [("error", "error")]


async def test_a_call_that_waits_to_be_sent_again_does_not_wait_longer(
    sim: Simulator, llmo_home: Path
) -> None:
    sim.add_fault(fault="rate-limit", retry_after=50)
    llm = AsyncLLMOrchestrator(configuration(sim))
    work = asyncio.ensure_future(llm.send_request(HELLO, provider="openai"))
    await until(lambda: llm._runtime.rests)
    began = monotonic()
    await llm.close()
    with pytest.raises(E.ClosedError):
        await work
    assert monotonic() - began < 20
    assert len(sim.log()) == 1
    assert outcomes(llmo_home) == [("error", "error")]


def test_from_another_loop(llmo_home: Path) -> None:
    """Calls of all loops end, and those that wait as well."""
    caught: list[BaseException] = []
    with Simulator(latency=SLOW).run_in_thread() as sim:
        llm = AsyncLLMOrchestrator(configuration(sim), transport=DirectTransport())

        def ask() -> None:
            try:
                asyncio.run(llm.send_request(HELLO, provider="openai"))
            except E.OrchestratorError as error:
                caught.append(error)

        thread = threading.Thread(target=ask)
        thread.start()

        async def close() -> None:
            await until(sim.log)
            await llm.close()

        asyncio.run(close())
        thread.join(30)
        assert [type(error) for error in caught] == [E.ClosedError]
        check_books(sim, llmo_home)


# ------------------------------------------------------------------ streams


async def test_a_stream_that_was_left_is_booked_as_cancelled(
    sim: Simulator, llmo_home: Path
) -> None:
    for _ in range(5):
        async with AsyncLLMOrchestrator(configuration(sim)) as llm:
            async for event in llm.send_streaming_request(HELLO):
                if str(event):
                    break
    assert outcomes(llmo_home) == [("cancelled", "cancelled")] * 5
    check_books(sim, llmo_home)


async def test_a_stream_that_is_kept_is_booked_when_it_is_let_go(
    sim: Simulator, llmo_home: Path
) -> None:
    sim.add_fault(**STALL)
    llm = AsyncLLMOrchestrator(configuration(sim))
    events = llm.send_streaming_request(HELLO)
    await anext(events)
    began = monotonic()
    await llm.close()
    assert monotonic() - began < 20, "a reader who does not read is not waited for"
    assert table(llmo_home, "calls") == []
    await events.aclose()
    await until(lambda: table(llmo_home, "calls"))
    assert outcomes(llmo_home) == [("cancelled", "cancelled")]


async def test_a_stream_that_is_read_on_says_that_it_was_closed(
    sim: Simulator, llmo_home: Path
) -> None:
    sim.add_fault(**STALL)
    llm = AsyncLLMOrchestrator(configuration(sim))
    text = ""

    async def read() -> None:
        nonlocal text
        async for event in llm.send_streaming_request(HELLO):
            text += str(event)

    work = asyncio.ensure_future(read())
    await until(lambda: text)
    await llm.close()
    with pytest.raises(E.ClosedError) as caught:
        await work
    assert caught.value.text == text
    assert len(sim.log()) == 1, "neither continued nor begun again"
    assert outcomes(llmo_home) == [("truncated", "error")]


async def test_a_stream_that_begins_after_the_end(sim: Simulator, llmo_home: Path) -> None:
    llm = AsyncLLMOrchestrator(configuration(sim))
    events = llm.send_streaming_request(HELLO)
    await llm.close()
    with pytest.raises(E.ClosedError):
        await anext(events)
    assert sim.log() == []
    assert not (llmo_home / "ledger.db").exists()


def test_a_sync_stream_that_was_left(llmo_home: Path) -> None:
    with Simulator().run_in_thread() as sim:
        sim.add_fault(**STALL)
        for _ in range(5):
            with LLMOrchestrator(configuration(sim)) as llm:
                for event in llm.send_streaming_request(HELLO):
                    if str(event):
                        break
        assert outcomes(llmo_home) == [("cancelled", "cancelled")] * 5


def test_a_sync_stream_that_another_thread_reads(llmo_home: Path) -> None:
    caught: list[BaseException] = []
    with Simulator().run_in_thread() as sim:
        sim.add_fault(**STALL)
        llm = LLMOrchestrator(configuration(sim))
        begun = threading.Event()

        def read() -> None:
            try:
                for event in llm.send_streaming_request(HELLO):
                    if str(event):
                        begun.set()
            except E.OrchestratorError as error:
                caught.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        assert begun.wait(20)
        llm.close()
        thread.join(20)
        assert [type(error) for error in caught] == [E.ClosedError]
        assert outcomes(llmo_home) == [("truncated", "error")]


# ------------------------------------------------------------------ what is left


@pytest.mark.usefixtures("new_garbage")
async def test_nothing_is_kept_of_calls_that_have_ended(llm: AsyncLLMOrchestrator) -> None:
    await llm.send_request(HELLO)
    async for _ in llm.send_streaming_request(HELLO):
        pass
    async for event in llm.send_streaming_request(HELLO):
        if str(event):
            break
    with pytest.raises(E.InvalidRequestError):
        await llm.embed([])
    gc.collect()
    await until(lambda: not llm._runtime.under_way)
