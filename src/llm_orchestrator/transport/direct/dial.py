"""From a name to a socket that is connected."""

import asyncio
import itertools
import os
import socket
import ssl
from collections.abc import Sequence
from typing import Any, TypeAlias

Info: TypeAlias = tuple[int, int, int, str, Any]
"""What getaddrinfo tells of one address."""

_HEAD_START_S = 0.25
"""How long one address is tried before the next is tried as well (RFC 8305)."""
_KNOWN_S = 10.0
_MOST_KNOWN = 256
# Long silences are normal while a model thinks: keep the way open through NAT.
_KEEP_OPEN = (
    ("TCP_KEEPIDLE", 60),
    ("TCP_KEEPALIVE", 60),  # what macOS calls it
    ("TCP_KEEPINTVL", 60),
    ("TCP_KEEPCNT", 5),
)


class Names:
    """Looks names up in a thread, each once for all who wait, and remembers them for 10 s."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._known: dict[tuple[str, int], tuple[float, asyncio.Task[Sequence[Info]]]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[Info]:
        """The addresses in the order to try them; raises `OSError` or `UnicodeError`."""
        try:
            return socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
        except OSError:
            pass  # a name, not a number
        now = self._loop.time()
        until, task = self._known.get((host, port), (0.0, None))
        if task is None or until < now:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            task = self._loop.create_task(self._look_up(host, port))
            self._known[host, port] = now + _KNOWN_S, task
        # Shielded: one who gives up does not take it from the others.
        try:
            return await asyncio.shield(task)
        except (OSError, UnicodeError):
            self.forget(host, port)
            raise

    def forget(self, host: str, port: int) -> None:
        """Forget the addresses of a host, so that they are looked up anew."""
        self._known.pop((host, port), None)

    def close(self) -> None:
        """Give up what is still being looked up."""
        for _, task in self._known.values():
            task.cancel()
        self._known.clear()

    async def _look_up(self, host: str, port: int) -> Sequence[Info]:
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return mixed(found)


def mixed(found: Sequence[Info]) -> list[Info]:
    """Families by turns, beginning with the first."""
    families: dict[int, list[Info]] = {}
    for info in found:
        families.setdefault(info[0], []).append(info)
    turns = itertools.zip_longest(*families.values())
    return [info for turn in turns for info in turn if info is not None]


async def dial(loop: asyncio.AbstractEventLoop, addresses: Sequence[Info]) -> socket.socket:
    """A socket connected to the address that answers first; raises the last `OSError`."""
    if len(addresses) == 1:
        return await _attempt(loop, addresses[0])
    tasks: list[asyncio.Task[socket.socket]] = []
    winner: asyncio.Task[socket.socket] | None = None
    waiting = iter(addresses)
    try:
        while winner is None:
            info = next(waiting, None)
            if info is not None:
                tasks.append(loop.create_task(_attempt(loop, info)))
            running = [task for task in tasks if not task.done()]
            if not running:
                break
            done, _ = await asyncio.wait(
                running,
                timeout=None if info is None else _HEAD_START_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
            winner = next((task for task in done if task.exception() is None), None)
    finally:
        for task in tasks:
            if task is not winner:
                task.add_done_callback(_discard)
                task.cancel()
    # Without a winner all have failed; the last one says why.
    return (winner or tasks[-1]).result()


async def _attempt(loop: asyncio.AbstractEventLoop, info: Info) -> socket.socket:
    family, kind, proto, _, place = info
    sock = socket.socket(family, kind, proto)
    try:
        sock.settimeout(0)
        _set_up(sock)
        await loop.sock_connect(sock, place)
    except BaseException:
        sock.close()
        raise
    return sock


def _set_up(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_OPEN:
        if (option := getattr(socket, name, None)) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _discard(task: "asyncio.Task[socket.socket]") -> None:
    """A connection that came too late, or an error that nobody asks for."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


_contexts: dict[tuple[str | None, str | None], ssl.SSLContext] = {}


async def tls(loop: asyncio.AbstractEventLoop) -> ssl.SSLContext:
    """Trusts what the system or SSL_CERT_FILE trusts. Made once, in a thread: it takes 20 ms."""
    named = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    context = _contexts.get(named)
    if context is None:
        context = await loop.run_in_executor(None, _context)
        context = _contexts.setdefault(named, context)
    return context


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
