"""The transport over connections of its own."""

import asyncio
import threading
from collections.abc import Mapping
from copy import copy

from llm_orchestrator.transport import faults
from llm_orchestrator.transport.base import Limits, Wire
from llm_orchestrator.transport.body import pieces
from llm_orchestrator.transport.deadline import Deadline
from llm_orchestrator.transport.direct.coding import DecodedWire, known
from llm_orchestrator.transport.direct.connection import Connection
from llm_orchestrator.transport.direct.head import head
from llm_orchestrator.transport.direct.pool import Pool
from llm_orchestrator.transport.direct.wire import DirectWire
from llm_orchestrator.types.http import HTTPCall


class DirectTransport:
    """Keeps connections open, one pool for each loop; follows no redirects, sends nothing twice.

    An idle connection is kept for ``keep_s`` seconds: most servers wait longer, so that a request
    seldom meets a connection that is just being closed.
    """

    def __init__(self, keep_s: float = 15.0) -> None:
        self._keep_s = keep_s
        self._pool: Pool | None = None
        self._pools: list[Pool] = []
        self._lock = threading.Lock()

    async def open(self, call: HTTPCall, headers: Mapping[str, str], limits: Limits) -> Wire:
        """Send the call; returns when the reply's headers are there."""
        loop = asyncio.get_running_loop()
        pool = self._pool
        if pool is None or pool.loop is not loop:
            pool = self._here(loop)
        where, start = head(call, headers)
        deadline = Deadline(loop, limits)
        conn = pool.take(where.origin)
        try:
            if conn is None:
                deadline.connecting(limits.connect)
                conn = await pool.connect(where)
            deadline.begin()
            conn.begin()
            if call.parts:
                await conn.send_pieces(start, pieces(call))
            else:
                await conn.send(start, call.body)
            while conn.headers is None:
                if conn.fault is not None:
                    raise copy(conn.fault)  # what is raised leads to this frame, and to conn
                await conn.arrival()
        except asyncio.CancelledError:
            if conn is not None:
                conn.abort()
            passed = deadline.passed()
            deadline.close()
            if passed:
                raise faults.late(deadline.fired, limits, where.host) from None
            raise
        except BaseException:
            if conn is not None:
                conn.abort()
            deadline.close()
            raise
        deadline.end()
        if call.method == "HEAD":
            conn.bodiless()
        wire = DirectWire(conn, pool, deadline, limits)
        return wire if conn.headers.plain() else _decoded(wire, conn)

    async def close(self) -> None:
        """Close all connections."""
        with self._lock:
            pools, self._pools, self._pool = self._pools, [], None
        here = asyncio.get_running_loop()
        for pool in pools:
            if pool.loop is here:
                await pool.close()
            elif not pool.loop.is_closed():
                pool.loop.call_soon_threadsafe(pool.abort)

    def _here(self, loop: asyncio.AbstractEventLoop) -> Pool:
        """The pool of the loop. What belongs to a closed loop cannot be closed any more."""
        with self._lock:
            self._pools = [pool for pool in self._pools if not pool.loop.is_closed()]
            pool = next((pool for pool in self._pools if pool.loop is loop), None)
            if pool is None:
                pool = Pool(loop, self._keep_s)
                self._pools.append(pool)
        self._pool = pool
        return pool


def _decoded(wire: DirectWire, conn: Connection) -> Wire:
    """The reply with its body undone; raises `APIConnectionError` for what nobody asked for."""
    coding = str(wire.headers.get("content-encoding", "identity")).strip().lower()
    transfer = str(wire.headers.get("transfer-encoding", "chunked")).strip().lower()
    if transfer == "chunked" and coding in ("identity", ""):
        return wire
    if transfer == "chunked" and known(coding):
        return DecodedWire(wire, coding)
    wire.close()
    unasked = coding if transfer == "chunked" else transfer
    raise faults.improper(conn.host, f"its body comes as {unasked[:50]!r}, which nobody asked for")
