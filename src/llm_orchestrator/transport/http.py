"""The transport over aiohttp, which knows proxies: one session for each event loop."""

import asyncio
import io
import os
import weakref
from collections.abc import AsyncGenerator, Mapping
from functools import lru_cache

import aiohttp
from yarl import URL

from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.transport import faults
from llm_orchestrator.transport.base import LINGER_S, Limits, check
from llm_orchestrator.transport.body import pieces
from llm_orchestrator.transport.deadline import Deadline
from llm_orchestrator.transport.proxies import proxy_of
from llm_orchestrator.types.http import HTTPCall

_KEEP_ALIVE_S = 30
_LARGE = 256 * 1024
"""Bytes of a body that are better sent piece by piece."""
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)  # ours are kept by `Deadline`


@lru_cache(maxsize=256)
def _parsed(url: str) -> URL:
    # encoded=True: signed and percent-encoded paths must reach the wire as they are.
    try:
        return URL(url, encoded=True)
    except ValueError:
        raise faults.no_address(url) from None


class HTTPTransport:
    """Keeps connections open; follows no redirects, so a key goes nowhere else."""

    def __init__(self) -> None:
        self._sessions: dict[asyncio.AbstractEventLoop, aiohttp.ClientSession] = {}
        self._ending: set[HTTPWire] = set()
        self._proxies: dict[tuple[str, str | None], URL | None] = {}
        _TRANSPORTS.add(self)

    async def _ready(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            for other in [other for other in self._sessions if other.is_closed()]:
                await self._sessions.pop(other).close()  # its connections went with their loop
            session = self._sessions[loop] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S),
                timeout=_NO_TIMEOUT,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return session

    def _proxy(self, url: URL) -> URL | None:
        """The proxy that leads there; looked for once."""
        to = url.scheme, url.host
        if to not in self._proxies:
            self._proxies[to], _ = proxy_of(url)
        return self._proxies[to]

    async def open(self, call: HTTPCall, headers: Mapping[str, str], limits: Limits) -> "HTTPWire":
        """Send the call; returns when the reply's headers are there."""
        check(headers)
        if call.parts:  # else it would be sent in chunks, which not every storage takes
            headers = {**headers, "Content-Length": str(call.size)}
        url = _parsed(call.url)
        proxy = self._proxy(url)
        session = await self._ready()
        deadline = Deadline(asyncio.get_running_loop(), limits)
        deadline.begin()
        try:
            response = await session.request(
                call.method,
                url,
                data=_data(call),
                headers=headers,
                proxy=proxy,
                allow_redirects=False,
                timeout=_connect_limit(limits.connect),
            )
        except asyncio.CancelledError:
            passed = deadline.passed()
            deadline.close()
            if passed:
                raise faults.late(deadline.fired, limits, _host(call)) from None
            raise
        except (aiohttp.ClientError, OSError) as exc:
            fault = _connection_error(exc, limits, call)
        else:
            deadline.end()
            return HTTPWire(response, deadline, limits, call, self._ending)
        # Out here nothing leads from it to aiohttp's error, which holds the key.
        deadline.close()
        try:
            raise fault
        finally:
            del fault  # and no circle through this frame

    async def close(self) -> None:
        """Close all connections."""
        here = asyncio.get_running_loop()
        for wire in [wire for wire in self._ending if wire.loop is here or wire.loop.is_closed()]:
            wire.close()
        for loop in [loop for loop in self._sessions if loop is here or loop.is_closed()]:
            await self._sessions.pop(loop).close()

    def abandon(self) -> None:
        """In a forked child: let the parent's sessions alone, to the very end of the process.

        Closing one, as its finalizer does, would unhook its connections from the selector that
        both processes share, and the parent would wait for them for ever.
        """
        import ctypes

        for session in self._sessions.values():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))
        self._sessions = {}


_TRANSPORTS: weakref.WeakSet[HTTPTransport] = weakref.WeakSet()


def _after_fork() -> None:
    for transport in list(_TRANSPORTS):
        transport.abandon()


os.register_at_fork(after_in_child=_after_fork)


def _data(call: HTTPCall) -> AsyncGenerator[bytes, None] | io.BytesIO | bytes | None:
    if call.parts:
        return pieces(call)
    return io.BytesIO(call.body) if len(call.body) > _LARGE else call.body or None


@lru_cache(maxsize=16)
def _connect_limit(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, sock_connect=seconds)


class HTTPWire:
    """An open reply."""

    __slots__ = (
        "_call",
        "_content",
        "_deadline",
        "_ending",
        "_limits",
        "_response",
        "headers",
        "loop",
        "status",
    )

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        deadline: Deadline,
        limits: Limits,
        call: HTTPCall,
        ending: "set[HTTPWire]",
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._response = response
        self._content = response.content
        self._deadline = deadline
        self._limits = limits
        self._call = call
        self._ending = ending
        """Those whose end is awaited."""
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    async def read(self) -> bytes:
        """The whole body; a body shorter than announced is an error."""
        self._deadline.begin()
        try:
            body = await self._response.read()
        except asyncio.CancelledError:
            if self._deadline.passed():
                raise faults.late(self._deadline.fired, self._limits, _host(self._call)) from None
            raise
        except (aiohttp.ClientError, OSError) as exc:
            fault = _connection_error(exc, self._limits, self._call)
        else:
            self._deadline.end()
            return body
        try:
            raise fault
        finally:
            del fault

    def flowing(self) -> None:
        """The answer has begun: from now on the idle limit holds."""
        self._deadline.flowing()

    async def piece(self) -> bytes:
        """The next piece of the body as it arrives; empty at its proper end."""
        deadline = self._deadline
        deadline.begin()
        try:
            data = await self._content.readany()
        except asyncio.CancelledError:
            if deadline.passed():
                raise faults.late(deadline.fired, self._limits, _host(self._call)) from None
            raise
        except (aiohttp.ClientError, OSError) as exc:
            fault = _connection_error(exc, self._limits, self._call)
        else:
            deadline.end()
            return data
        try:
            raise fault
        finally:
            del fault

    def close(self) -> None:
        """Give the connection back when the body was read to its end, else cut it."""
        self._deadline.close()
        self._ending.discard(self)
        if self._response.connection is None:
            return  # read to its end: the pool has it back already
        if self._content.at_eof():
            self._response.release()
        else:
            self._response.close()

    def finish(self) -> None:
        """Like `close`, but the end of the body may follow for a moment."""
        self._deadline.close()
        if self._response.connection is None or self._content.at_eof():
            self.close()
        else:
            # Whoever reads or not: the pool has the connection back when the end comes.
            self._ending.add(self)
            self.loop.call_later(LINGER_S, self.close)


def _host(call: HTTPCall) -> str:
    return _parsed(call.url).host or call.url


def _connection_error(exc: Exception, limits: Limits, call: HTTPCall) -> OrchestratorError:
    """Ours for one of aiohttp's; the words say what to look at."""
    host = _host(call)
    if isinstance(exc, TimeoutError):
        return faults.late("connect", limits, host)
    if isinstance(exc, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return faults.no_address(call.url)
    if isinstance(exc, aiohttp.ClientConnectorDNSError | aiohttp.ClientProxyConnectionError):
        _, variable = proxy_of(_parsed(call.url))
        if not variable:
            return faults.unresolved(host)
        return faults.unreachable_proxy(variable, f"{exc.host}:{exc.port}", str(exc.strerror))
    if isinstance(exc, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return faults.untrusted(host, exc)
    if isinstance(exc, aiohttp.ClientConnectorError):
        return faults.unreachable(host, exc.strerror or "refused")
    if isinstance(exc, aiohttp.ClientPayloadError):
        return faults.cut(host)
    if isinstance(exc, aiohttp.ClientResponseError):
        if isinstance(exc, aiohttp.ClientHttpProxyError):
            return faults.refused_by_proxy(host, exc.status)
        return faults.improper(host, exc.message)
    return faults.reset(host)
