"""An open reply."""

import asyncio
from collections.abc import Mapping
from copy import copy

from llm_orchestrator.transport import faults
from llm_orchestrator.transport.base import Limits
from llm_orchestrator.transport.deadline import Deadline
from llm_orchestrator.transport.direct.connection import Connection
from llm_orchestrator.transport.direct.pool import Pool


class DirectWire:
    """Reads the body of a reply; the connection goes back as soon as all of it was taken."""

    __slots__ = ("_conn", "_deadline", "_limits", "_pool", "headers", "host", "status")

    def __init__(self, conn: Connection, pool: Pool, deadline: Deadline, limits: Limits) -> None:
        self._conn: Connection | None = conn
        self._pool = pool
        self._deadline = deadline
        self._limits = limits
        self.host = conn.host
        self.status = conn.status
        self.headers: Mapping[str, str] = conn.headers or {}

    async def read(self) -> bytes:
        """The whole body; a body shorter than announced is an error."""
        conn = self._conn
        if conn is None:
            return b""
        pieces = []
        if not conn.complete and not self._deadline.is_flowing:
            conn.take_all()
        while not conn.complete:
            if conn.chunks and not conn.whole:  # silence is measured from piece to piece
                pieces.append(conn.take())
            else:
                await self._arrival(conn)
        pieces.append(conn.take())
        self._conn = None
        self._pool.release(conn)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def piece(self) -> bytes:
        """The next piece of the body as it arrives; empty at its proper end."""
        conn = self._conn
        if conn is None:
            return b""
        while not conn.chunks and not conn.complete:
            await self._arrival(conn)
        data = conn.take()
        if conn.complete:
            self._conn = None
            self._pool.release(conn)
        return data

    def flowing(self) -> None:
        """The answer has begun: from now on the idle limit holds."""
        self._deadline.flowing()

    def close(self) -> None:
        """Give the connection back when all of the reply has come, else cut it."""
        self._deadline.close()
        conn = self._conn
        if conn is not None:
            self._conn = None
            if conn.complete:
                conn.chunks.clear()
                self._pool.release(conn)
            else:
                conn.abort()

    def finish(self) -> None:
        """Like `close`, but the end of the body may follow for a moment."""
        conn = self._conn
        if conn is None or conn.complete:
            self.close()
        else:
            self._deadline.close()
            self._conn = None
            self._pool.await_end(conn)

    async def _arrival(self, conn: Connection) -> None:
        """Wait until something has changed."""
        if conn.fault is not None:
            raise copy(conn.fault)  # what is raised leads to this frame, and to conn
        deadline = self._deadline
        deadline.begin()
        try:
            await conn.arrival()
        except asyncio.CancelledError:
            conn.abort()
            if deadline.passed():
                raise faults.late(deadline.fired, self._limits, self.host) from None
            raise
        deadline.end()
