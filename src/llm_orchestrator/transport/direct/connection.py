"""One connection: bytes in, one reply at a time out."""

import asyncio
import select
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.transport import faults
from llm_orchestrator.transport.direct.headers import Headers

_MOST_HEAD = 64 * 1024
"""Bytes of a head, of trailers or of a chunk's extension: more is no reply but an attack."""
_ENDLESS = "its head has no end"
_MOST_UNREAD = 256 * 1024
"""Bytes of a body waiting to be read; with more, the server has to wait."""
_AT_ONCE = 64 * 1024
_SLICE = 256 * 1024


class Connection(asyncio.BufferedProtocol):
    """The loop and the parser tell it what comes; the wire reads its state and waits.

    It is busy from `begin` until the pool has it back. Bytes at any other time break it.
    """

    status: int
    headers: Headers | None
    """The headers of the reply; ``None`` until they are there."""
    complete: bool
    """The reply is there to its end."""
    whole: bool
    """Nobody wants a part of the body: wake the reader at its end."""
    since: float
    """When it came to rest, by the loop's clock."""
    until: float
    """How long it may rest."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        place: tuple[str, str],
        sock: socket.socket,
        view: memoryview,
        gone: Callable[["Connection"], None],
    ) -> None:
        self.origin, self.host = place
        self.since = self.until = 0.0
        self.chunks: list[bytes] = []
        self.fault: OrchestratorError | None = None
        self.transport: asyncio.Transport | None = None
        self._loop = loop
        self._sock = sock
        self._view = view
        self._gone = gone
        self._waiter: asyncio.Future[None] | None = None
        self._paused = self._stuck = self._ended = False
        self._raw: dict[bytes, bytes] = {}
        # For headers and pieces of a body the parser calls C, not Python.
        self.on_header = self._raw.setdefault
        self.on_body = self.chunks.append
        self._parser = HttpResponseParser(self)
        self.begin()
        self.busy = False

    # ------------------------------------------------------------ for the wire and the pool

    def begin(self) -> None:
        """The next request goes out now."""
        self.busy = True
        self.status = 0
        self.headers = None
        self.complete = self.whole = self._started = self._keep = self._unsent = False
        self._noise = self._unread = 0

    async def send(self, head: bytes, body: bytes) -> None:
        """Write a request, as fast as the server takes it; stops when a reply comes before."""
        assert self.transport is not None  # noqa: S101 - for the type checker: just taken
        if len(body) <= _AT_ONCE:
            self.transport.write(head + body if body else head)
            return
        self._unsent = True
        self.transport.write(head)
        rest = memoryview(body)  # a slice is copied once, where the system does not take it
        for start in range(0, len(body), _SLICE):
            while self._stuck and self.headers is None and self.fault is None:
                await self.arrival()
            if self.headers is not None or self.fault is not None or self.transport.is_closing():
                return
            self.transport.write(rest[start : start + _SLICE])
        self._unsent = False

    async def send_pieces(self, head: bytes, pieces: AsyncGenerator[bytes, None]) -> None:
        """`send` with a body that comes in pieces."""
        assert self.transport is not None  # noqa: S101 - for the type checker: just taken
        self._unsent = True
        self.transport.write(head)
        async with aclosing(pieces):
            async for piece in pieces:
                while self._stuck and self.headers is None and self.fault is None:
                    await self.arrival()
                gone = self.fault is not None or self.transport is None
                if gone or self.headers is not None or self.transport.is_closing():
                    return
                self.transport.write(piece)
        self._unsent = False

    def arrival(self) -> "asyncio.Future[None]":
        """Done when something has changed."""
        self._waiter = waiter = self._loop.create_future()
        return waiter

    def take(self) -> bytes:
        """What has come of the body."""
        chunks = self.chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._unread = 0
        if self._paused:
            self._resume()
        return data

    def take_all(self) -> None:
        """Let the whole body come."""
        self.whole = True
        if self._paused:
            self._resume()

    def bodiless(self) -> None:
        """The reply ends with its head, whatever that announces."""
        self.complete, self._keep = True, False

    def reusable(self) -> bool:
        """After a reply: whether both sides are done with it and the server keeps listening."""
        transport = self.transport
        return (
            self._keep
            and not self._unsent
            and transport is not None
            and not transport.is_closing()
            and not transport.get_write_buffer_size()
        )

    def alive(self, *, rested: bool) -> bool:
        """Before a request: whether it is still open, as far as can be known.

        ``rested``: look for a farewell that the loop had no time to read yet.
        """
        if self.transport is None or self.transport.is_closing():
            return False
        if rested:
            poll = select.poll()
            poll.register(self._sock, select.POLLIN)
            return not poll.poll(0)
        return True

    def rest(self, now: float, longest: float) -> None:
        """Nothing to do until `begin`, for so many seconds at most."""
        self.busy = False
        self.since = now
        patience = None if self.headers is None else self.headers.patience()
        # A second less than the server waits, so that both do not act at once.
        self.until = now + (longest if patience is None else min(longest, patience - 1))

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        if self.transport is not None:
            self.transport.abort()

    # ------------------------------------------------------------ called by the parser

    def on_message_begin(self) -> None:
        if self.complete:
            raise ValueError("more than one reply")
        self._started = True
        self._raw.clear()

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._noise and sum(map(len, [*self._raw, *self._raw.values()])) > _MOST_HEAD:
            self._fail(faults.improper(self.host, _ENDLESS))
        elif status >= 200:  # else it is an interim reply, and the real one follows
            self.status = status
            self.headers = Headers(self._raw)

    def on_message_complete(self) -> None:
        if self.headers is not None:
            self.complete = True
            self._keep = self._parser.should_keep_alive()

    # ------------------------------------------------------------ called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the loop calls it so
        return self._view  # one for all: it is parsed before another connection can read

    def buffer_updated(self, nbytes: int) -> None:
        if not self.busy:
            # Nobody asked: it is a farewell (408) or a server out of step.
            self._gone(self)
            self.abort()
            return
        try:
            self._parser.feed_data(self._view[:nbytes])
        except (HttpParserError, HttpParserUpgrade) as exc:
            cause = exc.__context__
            if cause is not None and not isinstance(cause, Exception):
                # A signal of the program, which arrived inside a callback: no fault of the bytes.
                raise cause from None
            self._misread(exc)
        if self.complete or self.chunks:
            self._noise = 0
        else:
            self._noise += nbytes
            if self._noise > _MOST_HEAD:
                self._fail(faults.improper(self.host, _ENDLESS))
        if self.fault is not None:
            return
        if not self.whole:
            self._unread += nbytes
            if self._unread > _MOST_UNREAD and not self._paused and self.transport is not None:
                self._paused = True
                self.transport.pause_reading()
        if self._waiter is not None and (self.complete or not (self.whole or self.headers is None)):
            self._wake()

    def pause_writing(self) -> None:
        self._stuck = True

    def resume_writing(self) -> None:
        self._stuck = False
        self._wake()

    def eof_received(self) -> None:
        self._ended = True  # by the server, not by us or by a fault on the way

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's
        self.transport = None
        self._gone(self)
        if self.busy and not self.complete and self.fault is None:
            if not self._started:
                self.fault = faults.reset(self.host)
            elif self._ended and self.headers is not None and self.headers.until_close():
                self.complete = True
            else:
                self.fault = faults.cut(self.host)
        self._wake()
        del self._parser  # it holds this object's methods: a circle

    def _resume(self) -> None:
        self._paused = False
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def _misread(self, exc: Exception) -> None:
        if self.complete:
            self._keep = False  # something after the reply; the reply stands
        elif isinstance(exc, HttpParserUpgrade):
            self._fail(faults.improper(self.host, "it wants to change the protocol"))
        else:
            self._fail(faults.improper(self.host, exc))

    def _fail(self, fault: OrchestratorError) -> None:
        if self.fault is None:
            self.fault = fault
        self._wake()
        self.abort()
