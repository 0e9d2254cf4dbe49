"""From a name to a socket: lookups shared, addresses raced, nothing left behind."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from llm_orchestrator.transport.direct.dial import Info, Names, dial, mixed


def info(place: tuple[str, int]) -> Info:
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place


@contextmanager
def listening(*, full: bool = False) -> Iterator[tuple[str, int]]:
    """An address that takes connections, or lets them wait for ever."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0 if full else 16)
        for _ in range(2 if full else 0):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()


@contextmanager
def refusing() -> Iterator[tuple[str, int]]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        yield server.getsockname()


async def test_one_that_refuses_gives_way_at_once() -> None:
    loop = asyncio.get_running_loop()
    with refusing() as bad, listening() as good:
        began = loop.time()
        with await dial(loop, [*[info(bad)] * 40, info(good)]) as sock:
            assert sock.getpeername() == good
        assert loop.time() - began < 5  # not a quarter of a second for each


async def test_one_that_is_silent_gives_way_soon() -> None:
    loop = asyncio.get_running_loop()
    with listening(full=True) as bad, listening() as good:
        began = loop.time()
        with await dial(loop, [info(bad), info(good)]) as sock:
            assert sock.getpeername() == good
        assert loop.time() - began > 0.2


async def test_if_all_refuse_the_error_says_so() -> None:
    loop = asyncio.get_running_loop()
    with refusing() as bad:
        for places in ([bad], [bad] * 3):
            with pytest.raises(ConnectionRefusedError):
                await dial(loop, [info(place) for place in places])


async def test_giving_up_leaves_nothing_open() -> None:
    loop = asyncio.get_running_loop()
    with listening(full=True) as bad:
        work = asyncio.ensure_future(dial(loop, [info(bad)] * 3))
        await asyncio.sleep(1)
        running = len(asyncio.all_tasks())
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await asyncio.sleep(0.01)
        assert len(asyncio.all_tasks()) == running - 4  # the three attempts and the race


async def test_the_socket_is_set_up() -> None:
    loop = asyncio.get_running_loop()
    with listening() as good, await dial(loop, [info(good)]) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.gettimeout() == 0


async def test_names_are_looked_up_once_for_all() -> None:
    names = Names(asyncio.get_running_loop())
    before = len(asyncio.all_tasks())
    asking = [asyncio.ensure_future(names.addresses("localhost", 80)) for _ in range(5)]
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == before + 5 + 1
    asking[0].cancel()  # who gives up does not take it from the others
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1] is found[4]
    assert await names.addresses("localhost", 80) is found[1]
    names.forget("localhost", 80)
    assert await names.addresses("localhost", 80) is not found[1]
    names.close()


async def test_numbers_are_not_looked_up() -> None:
    names = Names(asyncio.get_running_loop())
    before = len(asyncio.all_tasks())
    for host in ("127.0.0.1", "::1"):
        (found,) = await names.addresses(host, 80)
        assert found[4][:2] == (host, 80)
    assert len(asyncio.all_tasks()) == before


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example", "a..example"])
async def test_no_such_name(host: str) -> None:
    names = Names(asyncio.get_running_loop())
    for _ in range(2):
        with pytest.raises((OSError, UnicodeError)):
            await names.addresses(host, 80)


def test_both_families_by_turns() -> None:
    six = (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("::1", 1, 0, 0))
    four = info(("127.0.0.1", 1))
    assert mixed([six, six, six, four]) == [six, four, six, six]
    assert mixed([four, four, six]) == [four, six, four]
