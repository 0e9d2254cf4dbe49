"""Bodies that come compressed."""

import zlib
from collections.abc import Mapping

from llm_orchestrator.transport import faults
from llm_orchestrator.transport.direct.wire import DirectWire

_GZIP = 31
_ZLIB = 15
_RAW = -15
_MOST_AT_ONCE = 1024 * 1024
_CODINGS = frozenset(("gzip", "x-gzip", "deflate"))


def known(coding: str) -> bool:
    """Whether a Content-Encoding can be undone here."""
    return coding in _CODINGS


class Inflater:
    """Undoes gzip or deflate piece by piece; raises `zlib.error`."""

    def __init__(self, coding: str) -> None:
        self._bits = 0 if coding == "deflate" else _GZIP
        self._stream: zlib._Decompress | None = None
        self._rest = b""

    @property
    def pending(self) -> bool:
        """Whether there is more to get without more input."""
        return self._stream is not None and bool(self._rest)

    @property
    def whole(self) -> bool:
        """Whether the input may end here."""
        return not self._rest and (self._stream is None or self._stream.eof)

    def feed(self, data: bytes = b"") -> bytes:
        """What is known now, at most 1 MB of it."""
        data = self._rest + data
        self._rest = b""
        if self._stream is not None and self._stream.eof:
            data = data.lstrip(b"\0")  # padding, or another member
            if data:
                self._stream = None
        if not data:
            return b""
        if self._stream is None:
            if len(data) < 2:
                self._rest = data
                return b""
            self._stream = zlib.decompressobj(self._bits or _deflate(data))
        text = self._stream.decompress(data, _MOST_AT_ONCE)
        self._rest = self._stream.unconsumed_tail or self._stream.unused_data
        return text


def _deflate(data: bytes) -> int:
    """The window bits for data sent as deflate: zlib's, which some servers send without header."""
    zlibbed = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
    return _ZLIB if zlibbed else _RAW


class DecodedWire:
    """A reply whose body is inflated as it comes."""

    def __init__(self, wire: DirectWire, coding: str) -> None:
        self._wire = wire
        self._inflater = Inflater(coding)
        self._coding = coding
        self.status = wire.status
        self.headers: Mapping[str, str] = wire.headers

    async def read(self) -> bytes:
        """The whole body."""
        pieces = []
        while data := await self._inflated(await self._wire.read()):
            pieces.append(data)
        return b"".join(pieces)

    async def piece(self) -> bytes:
        """The next piece of the body; empty at its proper end."""
        return await self._inflated(b"")

    def flowing(self) -> None:
        """The answer has begun: from now on the idle limit holds."""
        self._wire.flowing()

    def close(self) -> None:
        """Give the connection back when all of the reply has come, else cut it."""
        self._wire.close()

    def finish(self) -> None:
        """Like `close`, but the end of the body may follow for a moment."""
        self._wire.finish()

    async def _inflated(self, data: bytes) -> bytes:
        inflater = self._inflater
        try:
            while not (text := inflater.feed(data)):
                data = b""
                if not inflater.pending and not (data := await self._wire.piece()):
                    if not inflater.whole:
                        raise faults.cut(self._wire.host)
                    return b""
        except zlib.error as exc:
            why = f"its {self._coding} cannot be read ({exc})"
            raise faults.improper(self._wire.host, why) from None
        return text
