"""The sync face: the same verbs from any thread, inside loops, after forks and interrupts."""

import asyncio
import inspect
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator, LLMOrchestrator, portal
from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.events import EndEvent, StreamEvent, TextDelta
from tests.integration.world import HELLO, MINI, SLOW, check_books, configuration, table

VERBS = [
    name
    for name, member in vars(AsyncLLMOrchestrator).items()
    if not name.startswith("_") and callable(member)
]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator().run_in_thread() as simulator:
        yield simulator


@pytest.fixture
def llm(sim: Simulator) -> Iterator[LLMOrchestrator]:
    with LLMOrchestrator(configuration(sim)) as orchestrator:
        yield orchestrator


def wait_for(happened: Any, seconds: float = 60.0) -> None:
    """Wait until another thread has made it happen."""
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it has not happened"
        time.sleep(0.01)


# ------------------------------------------------------------------ the same verbs


def test_the_verbs_are_the_same() -> None:
    mine = {name for name in vars(LLMOrchestrator) if not name.startswith("_")}
    theirs = {name for name in vars(AsyncLLMOrchestrator) if not name.startswith("_")}
    assert mine == theirs
    assert "send_request" in VERBS


@pytest.mark.parametrize("name", ["__init__", *VERBS])
def test_a_verb_takes_and_gives_the_same(name: str) -> None:
    sync = inspect.signature(getattr(LLMOrchestrator, name))
    core = inspect.signature(getattr(AsyncLLMOrchestrator, name))
    assert sync.parameters == core.parameters
    if name == "send_streaming_request":
        assert core.return_annotation == AsyncGenerator[StreamEvent, None]
        assert sync.return_annotation == Iterator[StreamEvent]
    elif name in {"bulk", "bulk_run"}:  # a handle, whose verbs are of the same kind
        assert core.return_annotation == f"Async{sync.return_annotation}"
    else:
        assert sync.return_annotation == core.return_annotation


def test_all_verbs(llm: LLMOrchestrator, sim: Simulator, llmo_home: Path) -> None:
    reply = llm.send_request(HELLO)
    events = list(llm.send_streaming_request(HELLO))
    assert "".join(map(str, events)) == reply.content
    assert isinstance(events[-1], EndEvent)
    assert llm.embed("a", model="text-embedding-3-small").vectors
    assert llm.count_tokens(HELLO) > 0
    assert llm.estimate_cost(HELLO) is not None
    assert llm.plan(HELLO).most_requests == 6
    assert {one.healthy for one in llm.health()} == {True}
    assert llm.get_available_models("openai")
    assert llm.refresh_models("openai")
    assert llm.get_session_cost() > 0
    assert llm.session.calls == 3
    llm.close()
    llm.close()
    check_books(sim, llmo_home)
    with pytest.raises(E.ClosedError):
        llm.send_request(HELLO)
    with pytest.raises(E.ClosedError):
        next(iter(llm.send_streaming_request(HELLO)))


def test_errors_come_through(llm: LLMOrchestrator, sim: Simulator) -> None:
    sim.add_fault(fault="server-error")
    with pytest.raises(E.ServerError) as caught:
        llm.send_request(HELLO)
    assert len(caught.value.attempts) == 6
    with pytest.raises(E.ServerError):
        list(llm.send_streaming_request(HELLO))
    with pytest.raises(E.InvalidRequestError):
        llm.send_request("")


# ------------------------------------------------------------------ threads and loops


def test_from_many_threads(llm: LLMOrchestrator, sim: Simulator, llmo_home: Path) -> None:
    def work(number: int) -> bool:
        if number % 2:
            return bool(llm.send_request(f"Say {number}.").content)
        return any(isinstance(e, EndEvent) for e in llm.send_streaming_request(f"Say {number}."))

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(64)))
    assert llm.session.calls == 64
    llm.close()
    check_books(sim, llmo_home)
    assert len(table(llmo_home, "calls")) == 64


def test_all_orchestrators_share_one_thread(sim: Simulator) -> None:
    for _ in range(3):
        with LLMOrchestrator(configuration(sim)) as llm:
            llm.send_request(HELLO)
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("llm-orchestrator") == 1


def test_another_process_cannot_have_it(llm: LLMOrchestrator) -> None:
    with pytest.raises(TypeError, match="make one there"):
        pickle.dumps(llm)


def test_inside_the_loop_of_somebody_else(llm: LLMOrchestrator) -> None:
    """As in a notebook: it blocks that loop, and works."""

    async def cell() -> tuple[str, int]:
        reply = llm.send_request(HELLO)
        return reply.content, len(list(llm.send_streaming_request(HELLO)))

    content, events = asyncio.run(cell())
    assert content
    assert events > 5


def test_on_its_own_loop_it_says_what_to_use_instead(llm: LLMOrchestrator) -> None:
    async def plain() -> None:
        llm.send_request(HELLO)

    async def streamed() -> None:
        next(iter(llm.send_streaming_request(HELLO)))

    loop = portal._portal.loop
    for work in (plain(), streamed()):
        with pytest.raises(RuntimeError, match="AsyncLLMOrchestrator"):
            asyncio.run_coroutine_threadsafe(work, loop).result(20)
    assert llm.send_request(HELLO).content


# ------------------------------------------------------------------ streams that are left


def test_a_stream_that_is_left_is_booked_as_cancelled(llmo_home: Path) -> None:
    with Simulator(latency=SLOW).run_in_thread() as sim:
        with LLMOrchestrator(configuration(sim)) as llm:
            for event in llm.send_streaming_request(HELLO):
                if isinstance(event, TextDelta):
                    break
            wait_for(lambda: "client_gone" in sim.log()[0])
            wait_for(lambda: llm.session.calls)
        check_books(sim, llmo_home)
    (outcome,) = table(llmo_home, "settlements")
    (call,) = table(llmo_home, "calls")
    assert (outcome["status"], call["status"]) == ("cancelled", "cancelled")


def test_a_stream_that_nobody_begins_sends_nothing(llm: LLMOrchestrator, sim: Simulator) -> None:
    llm.send_streaming_request(HELLO)
    assert llm.send_request(HELLO).content
    assert len(sim.log()) == 1


class Stuck:
    """A stream that cannot even be closed."""

    def __aiter__(self) -> "Stuck":
        return self

    async def __anext__(self) -> StreamEvent:
        raise StopAsyncIteration

    async def aclose(self) -> None:
        raise E.StoreError("closing failed")


def test_the_reader_of_a_stream_always_gets_an_end() -> None:
    with pytest.raises(E.StoreError):
        list(portal._Pump(Stuck()).read())


def test_a_stream_does_not_run_far_ahead_of_its_reader() -> None:
    made = 0

    async def endless() -> AsyncGenerator[StreamEvent, None]:
        nonlocal made
        while True:
            made += 1
            yield TextDelta(str(made))
            await asyncio.sleep(0)

    reading = portal._Pump(endless()).read()
    assert str(next(reading)) == "1"
    wait_for(lambda: made > portal._AHEAD)
    time.sleep(0.1)
    assert made <= portal._AHEAD + 3
    for expected in range(2, 3 * portal._AHEAD):
        assert str(next(reading)) == str(expected)
    reading.close()
    wait_for(lambda: not portal._portal.loop._ready)  # type: ignore[attr-defined]


# ------------------------------------------------------------------ processes

SCRIPT = """
import os, sys, signal
from llm_orchestrator import LLMOrchestrator
from llm_orchestrator.transport.direct import DirectTransport
from llm_orchestrator.transport.http import HTTPTransport

openai, anthropic, model = sys.argv[1:4]
kind = {"direct": DirectTransport, "http": HTTPTransport}[sys.argv[4]]
llm = LLMOrchestrator({
    "active_provider": "openai", "active_model": model,
    "providers": {"openai": {"api_key": "sk-test-0123456789abcdef", "base_url": openai}},
}, transport=kind())
"""
FORK = """
first = llm.send_request("First")
stream = llm.send_streaming_request("Second")
begun = [str(next(stream)) for _ in range(3)]
child = os.fork()
if child == 0:
    reply = llm.send_request("Child")
    parts = [str(event) for event in llm.send_streaming_request("Grandchild")]
    llm.close()
    good = reply.content and parts and reply.id != first.id
    {"at once": os._exit, "in order": sys.exit}[sys.argv[5]](0 if good else 1)
_, status = os.waitpid(child, 0)
begun += [str(event) for event in stream]
last = llm.send_request("Last")
llm.close()
print(status, len(begun) > 3, bool(first.content), bool(last.content))
"""
INTERRUPT = """
try:
    {work}
except KeyboardInterrupt:
    print("interrupted", flush=True)
{end}
"""


def complaints(err: str) -> list[str]:
    """What a process in development mode said, but for how long a busy machine took."""
    return [line for line in err.splitlines() if not line.startswith("Executing <")]


def start(
    sim: Simulator, script: str, kind: str = "direct", leave: str = ""
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [
            *(sys.executable, "-X", "dev", "-W", "ignore::DeprecationWarning", "-c"),
            SCRIPT + script,
            *(sim.openai_url, f"{sim.anthropic_url}/v1", MINI, kind, leave),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("leave", ["at once", "in order"])
@pytest.mark.parametrize("kind", ["direct", "http"])
def test_after_a_fork_both_go_on(sim: Simulator, llmo_home: Path, kind: str, leave: str) -> None:
    """Also a stream that was under way: the child must not touch the parent's connections."""
    with start(sim, FORK, kind, leave) as process:
        out, err = process.communicate(timeout=60)
    assert (out, process.returncode) == ("0 True True True\n", 0), err
    assert complaints(err) == []
    assert len(check_books(sim, llmo_home)) == 5
    assert len({row["executor_id"] for row in table(llmo_home, "attempts")}) == 2
    assert {row["status"] for row in table(llmo_home, "settlements")} == {"ok"}


@pytest.mark.parametrize(
    "work", ["llm.send_request('Hi')", "[event for event in llm.send_streaming_request('Hi')]"]
)
@pytest.mark.parametrize("end", ["llm.close()", ""])
def test_an_interrupt_cancels(llmo_home: Path, work: str, end: str) -> None:
    with Simulator(latency=SLOW).run_in_thread() as sim:
        with start(sim, INTERRUPT.format(work=work, end=end)) as process:
            wait_for(lambda: sim.log() or process.poll() is not None)
            time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        assert (out, err, process.returncode) == ("interrupted\n", "", 0)
        wait_for(lambda: "client_gone" in sim.log()[0])
        check_books(sim, llmo_home)
    (outcome,) = table(llmo_home, "settlements")
    (call,) = table(llmo_home, "calls")
    assert (outcome["status"], call["status"]) == ("cancelled", "cancelled")


@pytest.mark.parametrize("pause", [0, 0.1])
def test_an_end_that_is_told_twice_lets_both_finish(pause: float) -> None:
    """SIGTERM often comes while the process exits, as from a pool whose `with` block is left."""
    one = portal.Portal()
    begun, ended = threading.Event(), threading.Event()

    async def slow_to_end() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.3)
            ended.set()

    asyncio.run_coroutine_threadsafe(slow_to_end(), one.loop)
    assert begun.wait(20)
    one.loop.call_soon_threadsafe(time.sleep, 0.3 - pause)  # without a pause, both begin at once
    with ThreadPoolExecutor(2) as pool:
        ends = [pool.submit(one.end)]
        time.sleep(pause)
        ends.append(pool.submit(one.end))
    assert [end.result() for end in ends] == [None, None]
    assert ended.is_set()
