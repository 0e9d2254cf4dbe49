"""The connections of one loop: the last one given back is the first to be used again."""

import asyncio
import os
import ssl

from llm_orchestrator.transport import faults
from llm_orchestrator.transport.base import LINGER_S
from llm_orchestrator.transport.direct.address import Address
from llm_orchestrator.transport.direct.connection import Connection
from llm_orchestrator.transport.direct.dial import Names, dial, tls

_RESTED_S = 1.0
"""After so many seconds of rest a connection is looked at before it is used again."""
_BUFFER = 64 * 1024


class Pool:
    """Idle connections by origin, and all that are open. Not shared between loops."""

    def __init__(self, loop: asyncio.AbstractEventLoop, keep_s: float) -> None:
        self.loop = loop
        self._keep_s = keep_s
        # Sets that keep their order: the oldest first.
        self._idle: dict[str, dict[Connection, None]] = {}
        self._open: set[Connection] = set()
        self._names = Names(loop)
        self._view = memoryview(bytearray(_BUFFER))
        self._swept = loop.time()
        self._closed = False

    def take(self, origin: str) -> Connection | None:
        """An idle connection to the origin, if there is a good one."""
        now = self.loop.time()
        if now > self._swept + self._keep_s:
            self._sweep(now)
        idle = self._idle.get(origin)
        while idle:
            conn = idle.popitem()[0]
            if now < conn.until and conn.alive(rested=now - conn.since > _RESTED_S):
                return conn
            conn.abort()
        return None

    def release(self, conn: Connection) -> None:
        """The reply of the connection was read to its end."""
        if self._closed or not conn.reusable():
            conn.abort()
            return
        conn.rest(self.loop.time(), self._keep_s)
        idle = self._idle.get(conn.origin)
        if idle is None:
            idle = self._idle[conn.origin] = {}
        idle[conn] = None

    def await_end(self, conn: Connection) -> None:
        """Release the connection when the end of its reply comes soon, else close it."""

        def ended(_: object) -> None:
            timer.cancel()
            conn.chunks.clear()
            if conn.complete:
                self.release(conn)
            else:
                conn.abort()

        timer = self.loop.call_later(LINGER_S, conn.abort)
        conn.take_all()
        conn.arrival().add_done_callback(ended)

    async def connect(self, where: Address) -> Connection:
        """A new connection; raises `APIConnectionError`."""
        try:
            addresses = await self._names.addresses(where.host, where.port)
        except (OSError, UnicodeError):
            raise faults.unresolved(where.host) from None
        context = await tls(self.loop) if where.secure else None
        try:
            sock = await dial(self.loop, addresses)
        except OSError as exc:
            self._names.forget(where.host, where.port)
            why = os.strerror(exc.errno) if exc.errno else str(exc)
            raise faults.unreachable(where.host, why) from None
        conn = Connection(self.loop, (where.origin, where.host), sock, self._view, self._gone)
        try:
            await self.loop.create_connection(
                lambda: conn,
                sock=sock,
                ssl=context,
                server_hostname=where.host if where.secure else None,
            )
        except ssl.SSLError as exc:
            why = getattr(exc, "verify_message", "") or exc.reason or str(exc)
            raise faults.untrusted(where.host, why) from None
        except OSError as exc:
            why = exc.strerror or str(exc) or "closed during the TLS handshake"
            raise faults.unreachable(where.host, why) from None
        if self._closed:
            conn.abort()
            raise faults.unreachable(where.host, "everything was closed meanwhile")
        if not conn.alive(rested=False):
            raise faults.reset(where.host)
        self._open.add(conn)
        return conn

    async def close(self) -> None:
        """Close all connections, busy ones too."""
        self.abort()
        # The loop closes the sockets in its next rounds; it may end right after this.
        for _ in range(10):
            await asyncio.sleep(0)
            if not self._open:
                break

    def abort(self) -> None:
        """Close all connections without waiting for it."""
        self._closed = True
        self._names.close()
        for conn in list(self._open):
            conn.abort()

    def _sweep(self, now: float) -> None:
        """Close what has been idle for too long, everywhere."""
        self._swept = now
        for origin, idle in list(self._idle.items()):
            for conn in [conn for conn in idle if now >= conn.until]:
                del idle[conn]
                conn.abort()
            if not idle:
                del self._idle[origin]

    def _gone(self, conn: Connection) -> None:
        """The connection is of no more use."""
        self._open.discard(conn)
        idle = self._idle.get(conn.origin)
        if idle is not None:
            idle.pop(conn, None)
