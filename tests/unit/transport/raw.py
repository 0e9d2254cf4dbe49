"""Servers that answer as a test says, byte by byte."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.waiting import until

Answer = Callable[["Exchange"], Awaitable[None]]
NOBODY = "http://127.0.0.1:1"
"""Where nobody listens, and no other test will."""


class Exchange:
    """One request that has arrived, and the connection to answer it on."""

    def __init__(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        line, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.path, _ = line.split(" ", 2)
        pairs = (line.split(": ", 1) for line in lines if line)
        self.headers = {name.lower(): value for name, value in pairs}
        self.body = body
        self._writer = writer

    async def send(self, *pieces: bytes, pause: float = 0.0) -> None:
        """Write the pieces, each by itself, with a pause after each."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(pause)

    async def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        """A whole reply; underscores in header names stand for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named.setdefault("Content-Length", str(len(body)))
        lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        await self.send(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body)

    def hang_up(self) -> None:
        """Close properly."""
        self._writer.close()

    def reset(self) -> None:
        """Close with RST."""
        connection: socket.socket = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


class Raw:
    """What such a server has seen."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.requests: list[Exchange] = []
        self.left = asyncio.Event()
        """A client closed its connection, or lost it."""


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; the empty one ends it."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


@asynccontextmanager
async def raw(answer: Answer) -> AsyncIterator[Raw]:
    """A server on a free port that answers every request in the same way."""
    seen = Raw()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.decode("latin-1").lower().split("\r\n"):
                    if line.startswith("content-length:"):
                        length = int(line.partition(":")[2])
                exchange = Exchange(head, await reader.readexactly(length), writer)
                seen.requests.append(exchange)
                answering = asyncio.ensure_future(answer(exchange))
                leaving = asyncio.ensure_future(_gone(reader, writer))
                await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
                leaving.cancel()
                if not answering.done():
                    answering.cancel()
                    raise ConnectionError
                answering.result()
        except (asyncio.IncompleteReadError, ConnectionError):
            seen.left.set()
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    seen.url = f"http://127.0.0.1:{port}"
    try:
        yield seen
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait until the client is gone, while a reply is on its way."""
    await until(lambda: reader.at_eof() or writer.is_closing(), seconds=60)
