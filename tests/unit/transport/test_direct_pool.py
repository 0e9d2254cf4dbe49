"""Which connection a request goes over, and when connections end."""

import asyncio
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

from llm_orchestrator.errors import APIConnectionError
from llm_orchestrator.transport.direct import DirectTransport
from llm_orchestrator.types.http import HTTPCall
from tests.unit.transport.rawserver import OK, PATIENT, Peer, RawServer, always, ask, serving


@pytest.fixture
async def direct() -> AsyncIterator[DirectTransport]:
    one = DirectTransport()
    yield one
    await one.close()


async def together(direct: DirectTransport, server: RawServer, count: int) -> None:
    """As many requests at once, each over a connection of its own."""
    wires = [await direct.open(HTTPCall(server.url), {}, PATIENT) for _ in range(count)]
    for wire in wires:
        await wire.read()
        wire.close()


async def test_the_last_one_back_is_the_first_to_go(direct: DirectTransport) -> None:
    async with serving(always(OK)) as server:
        await together(direct, server, 3)
        assert server.came_over == [1, 2, 3]
        await together(direct, server, 2)
        assert server.came_over[3:] == [3, 2]


async def test_idle_ones_are_let_go_when_their_time_is_over() -> None:
    direct = DirectTransport(keep_s=0.2)
    async with serving(always(OK)) as server, serving(always(OK)) as other:
        await together(direct, server, 3)
        await asyncio.sleep(0.25)
        await ask(direct, other)  # nobody asks the first one again, and yet
        await asyncio.wait_for(server.left.wait(), 20)
        await ask(direct, server)
        assert server.came_over == [1, 2, 3, 4]
    await direct.close()


async def test_how_long_the_server_waits_is_heeded(direct: DirectTransport) -> None:
    reply = OK.replace(b"\r\n\r\n", b"\r\nKeep-Alive: max=5, timeout=100\r\n\r\n")
    async with serving(always(reply)) as server:
        await ask(direct, server)
        await ask(direct, server)
        assert server.came_over == [1, 1]


async def test_a_connection_closed_while_idle_is_not_used(direct: DirectTransport) -> None:
    async with serving(always(OK, hang_up=True)) as server:
        for number in (1, 2, 3):
            assert await ask(direct, server) == b"ok"
            await asyncio.wait_for(server.left.wait(), 20)
            server.left.clear()
            await asyncio.sleep(0.01)
            assert server.came_over[-1] == number


def test_a_farewell_that_the_loop_had_no_time_to_read() -> None:
    """After a rest the socket itself is asked."""
    server = subprocess.Popen(
        [sys.executable, "-c", _ONE_REPLY_A_CONNECTION], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    said = server.stdout

    async def calls() -> None:
        direct = DirectTransport()
        call = HTTPCall(f"http://127.0.0.1:{int(said.readline())}/")
        for _ in range(2):
            wire = await direct.open(call, {}, PATIENT)
            assert await wire.read() == b"ok"
            wire.close()
            # The loop stands still while the server closes.
            threading.Event().wait(1.1)
            assert said.readline() == "closed\n"
        await direct.close()

    try:
        asyncio.run(calls())
    finally:
        server.kill()
        server.wait()
        said.close()


_ONE_REPLY_A_CONNECTION = textwrap.dedent("""
    import socket, time
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    while True:
        peer, _ = listening.accept()
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
        time.sleep(0.3)
        peer.close()
        print("closed", flush=True)
""")


async def test_a_reused_connection_that_closes_raises_reset(direct: DirectTransport) -> None:
    """It may be a race, and the request may have been read: the caller decides, nobody else."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()

    async with serving(script) as server:
        assert await ask(direct, server) == b"ok"
        with pytest.raises(APIConnectionError) as caught:
            await ask(direct, server)
        assert caught.value.code == "reset"
        assert server.came_over == [1, 1]


async def test_words_that_nobody_asked_for_end_the_connection(direct: DirectTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await asyncio.sleep(0.02)
        await peer.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await peer.until_left()

    async with serving(script) as server:
        for number in (1, 2):
            assert await ask(direct, server) == b"ok"
            await asyncio.wait_for(server.left.wait(), 20)
            server.left.clear()
            assert server.came_over[-1] == number


async def test_words_before_the_first_request_are_no_reply(direct: DirectTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")
        await peer.hang_up()

    async with serving(script) as server:
        try:
            assert await ask(direct, server) == b"busy"  # they came after the request went out
        except APIConnectionError as error:
            assert error.code == "reset"  # noqa: PT017 - either is right


async def test_close_ends_all_connections(direct: DirectTransport) -> None:
    async with serving(always(OK)) as server:
        await together(direct, server, 3)
        busy = await direct.open(HTTPCall(server.url), {}, PATIENT)
        await direct.close()
        assert await busy.read() == b"ok"  # it had come already
        busy.close()
        await ask(direct, server)
        assert server.came_over[-1] == 4


async def test_close_ends_a_stream_under_way(direct: DirectTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nfirst")
        await peer.until_left()

    async with serving(script) as server:
        wire = await direct.open(HTTPCall(server.url), {}, PATIENT)
        assert await wire.piece() == b"first"
        await direct.close()
        with pytest.raises(APIConnectionError):
            await wire.piece()
        wire.close()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_one_loop_after_the_other(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    direct = DirectTransport()

    async def once() -> list[int]:
        async with serving(always(OK)) as server:
            await ask(direct, server)
            await ask(direct, server)
            return server.came_over

    async def once_and_close() -> list[int]:
        try:
            return await once()
        finally:
            await direct.close()

    for _ in range(3):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            assert runner.run(once_and_close()) == [1, 1]


def test_two_loops_at_once() -> None:
    """Each has connections of its own; closing closes those of the other loop too."""
    direct = DirectTransport()
    ready, over = threading.Event(), threading.Event()
    seen: list[list[int]] = []

    async def other() -> None:
        async with serving(always(OK)) as server:
            await ask(direct, server)
            ready.set()
            await asyncio.to_thread(over.wait)
            await asyncio.wait_for(server.left.wait(), 20)
            await ask(direct, server)
            seen.append(server.came_over)
        await direct.close()

    async def here() -> None:
        async with serving(always(OK)) as server:
            await ask(direct, server)
            await asyncio.to_thread(ready.wait)
            await ask(direct, server)
            seen.append(server.came_over)
            await direct.close()
            over.set()

    thread = threading.Thread(target=asyncio.run, args=(other(),))
    thread.start()
    asyncio.run(here())
    thread.join()
    assert seen == [[1, 1], [1, 2]]


def test_a_fork_has_connections_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _FORK], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["child", "2", "parent", "1"]


_FORK = textwrap.dedent("""
    import asyncio, os, socket, threading
    from llm_orchestrator.transport.base import Limits
    from llm_orchestrator.transport.direct import DirectTransport
    from llm_orchestrator.types.http import HTTPCall

    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]

    def serve(peer, number):
        while peer.recv(65536):
            peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 1\\r\\n\\r\\n%d" % number)

    def accept():
        for number in range(1, 9):
            peer, _ = listening.accept()
            threading.Thread(target=serve, args=(peer, number), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    direct = DirectTransport()

    async def ask():
        wire = await direct.open(HTTPCall(f"http://127.0.0.1:{port}/"), {}, Limits())
        body = await wire.read()
        wire.close()
        return body.decode()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(ask())
    child = os.fork()
    if child == 0:
        print("child", asyncio.run(ask()), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    print("parent", loop.run_until_complete(ask()), flush=True)
    os._exit(0)
""")


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


async def test_nothing_is_left_open(direct: DirectTransport) -> None:
    """Descriptors before and after requests that ended in all possible ways."""

    async def script(peer: Peer) -> None:
        head = await peer.request()
        if b"POST /cut" in head:
            await peer.send(OK[:-1])
        elif b"POST /reset" in head:
            return
        else:
            await peer.until_left()

    async with serving(script) as server:
        before = descriptors()
        for path in ("cut", "reset", "cancel") * 5:
            work = asyncio.ensure_future(direct.open(HTTPCall(f"{server.url}/{path}"), {}, PATIENT))
            if path == "cancel":
                await asyncio.sleep(0.01)
                work.cancel()
            (done,) = await asyncio.gather(work, return_exceptions=True)
            if path == "cut":
                assert not isinstance(done, BaseException)
                with pytest.raises(APIConnectionError):
                    await done.read()
                done.close()
            else:
                assert isinstance(done, APIConnectionError | asyncio.CancelledError)
        for _ in range(100):
            await asyncio.sleep(0.01)
            if descriptors() <= before:
                break
        assert descriptors() <= before
