"""A server that runs a script for each connection, over TCP or TLS."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from llm_orchestrator.transport.base import Limits
from llm_orchestrator.transport.direct import DirectTransport
from llm_orchestrator.types.http import HTTPCall

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
PATIENT = Limits(connect=20, first=20, idle=20, total=20)

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


class Peer:
    """One connection, seen from the server."""

    def __init__(
        self, server: "RawServer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.server = server
        self.number = server.connections
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """The head of the next request, its body read too; raises at the end."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        found = _LENGTH.search(head)
        await self.reader.readexactly(int(found[1]) if found else 0)
        self.server.heads.append(head)
        self.server.came_over.append(self.number)
        return head

    async def send(self, *pieces: bytes, pause: float = 0.0) -> None:
        """Write the pieces, each by itself, with a pause after each."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(pause)

    async def hang_up(self) -> None:
        """Close properly, after everything was sent."""
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()

    async def until_left(self) -> None:
        """Read until the other side has closed."""
        while await self.reader.read(65536):
            pass


Script = Callable[[Peer], Awaitable[None]]


class RawServer:
    """What the server has seen. ``came_over`` tells the connection of each request."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.heads: list[bytes] = []
        self.came_over: list[int] = []
        self.left = asyncio.Event()
        """A connection has ended."""


@asynccontextmanager
async def serving(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """The server on a free port."""
    seen = RawServer()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        try:
            await script(Peer(seen, reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            seen.left.set()
            writer.transport.abort()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=tls, limit=2**22)
    port = server.sockets[0].getsockname()[1]
    seen.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield seen
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def always(*pieces: bytes, hang_up: bool = False, pause: float = 0.0) -> Script:
    """Answers every request with the pieces; ``hang_up`` closes after the first."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(*pieces, pause=pause)
            if hang_up:
                await peer.hang_up()
                return

    return script


async def ask(
    transport: DirectTransport,
    server: RawServer,
    *,
    body: bytes = b"{}",
    method: str = "POST",
    limits: Limits = PATIENT,
) -> bytes:
    """The body of a reply that is read at once."""
    wire = await transport.open(HTTPCall(f"{server.url}/", body, method=method), {}, limits)
    try:
        return await wire.read()
    finally:
        wire.close()
