"""Amazon's event-stream frames: binary messages with two checksums, cut out of a byte stream.

A frame is, big-endian: total length (4 bytes), length of the headers (4), CRC-32 of these 8 bytes
(4), headers, payload, CRC-32 of everything before it (4). A header is the length of its name (1),
the name, its type (1) and a value whose size follows from the type.
"""

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct, error
from zlib import crc32

import msgspec

MOST_BYTES = 25 * 1024 * 1024
"""The longest frame that is accepted; the format allows payloads of 24 MB."""

_PRELUDE = Struct(">III")
_CHECK = Struct(">I")
_LENGTH = Struct(">H")
_LEAST_BYTES = _PRELUDE.size + _CHECK.size
_STRING = 7
_SIZED = (6, _STRING)  # bytes and strings carry their length in two bytes
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # type to bytes of the value


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One message: its headers that are texts, and its payload."""

    headers: Mapping[str, str]
    payload: bytes


class FrameParser:
    """Cuts a byte stream into frames. ``damage`` says what was wrong: nothing follows after it."""

    __slots__ = ("_buffer", "damage")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.damage: str | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete, up to the first damaged one."""
        out: list[Frame] = []
        if self.damage is not None:
            return out
        source: bytes | bytearray = data
        if self._buffer:
            self._buffer += data
            source = self._buffer
        place = 0
        with memoryview(source) as view:
            while length := self._length(view, place):
                if not self._cut(view[place : place + length], out):
                    break
                place += length
        if source is data:
            self._buffer += data[place:]
        else:
            del self._buffer[:place]
        return out

    def _length(self, view: memoryview, place: int) -> int:
        """Bytes of the frame that begins there; 0 while it is not whole, or damaged."""
        if len(view) - place < _LEAST_BYTES:
            return 0
        total, _, check = _PRELUDE.unpack_from(view, place)
        if crc32(view[place : place + 8]) != check:
            self.damage = "the lengths of a frame do not match their checksum"
            return 0
        if not _LEAST_BYTES <= total <= MOST_BYTES:
            self.damage = f"a frame claims to have {total} bytes"
            return 0
        return 0 if len(view) - place < total else int(total)

    def _cut(self, frame: memoryview, out: list[Frame]) -> bool:
        body = len(frame) - _CHECK.size
        if crc32(frame[:body]) != _CHECK.unpack_from(frame, body)[0]:
            self.damage = "a frame does not match its checksum"
            return False
        begin = _PRELUDE.size + _PRELUDE.unpack_from(frame)[1]
        headers = _headers(bytes(frame[_PRELUDE.size : begin])) if begin <= body else None
        if headers is None:
            self.damage = "the headers of a frame cannot be read"
            return False
        out.append(Frame(headers, bytes(frame[begin:body])))
        return True


@lru_cache(maxsize=64)  # every event of a kind has the same ones
def _headers(data: bytes) -> Mapping[str, str] | None:
    """The headers that are texts, by name; ``None`` for bytes that are no headers."""
    found: dict[str, str] = {}
    place, end = 0, len(data)
    try:
        while place < end:
            begin = place + 1 + data[place]
            name = data[place + 1 : begin].decode()
            kind = data[begin]
            place = begin + 1
            if kind in _SIZED:
                (size,) = _LENGTH.unpack_from(data, place)
                place += _LENGTH.size
            else:
                size = _FIXED[kind]
            if place + size > end:
                return None
            if kind == _STRING:
                found[name] = data[place : place + size].decode()
            place += size
    except (LookupError, ValueError, error):
        return None
    return found
