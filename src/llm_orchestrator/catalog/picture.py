"""What kind of picture some bytes are, and how large, from a few hundred of them."""

import binascii
from collections.abc import Callable

Read = Callable[[int, int], bytes]
"""``read(offset, length)``: the bytes there, fewer at the end."""

_HEAD = 64
_SEGMENTS = 256  # of a JPEG, looked through for its size
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def media_type(head: bytes) -> str | None:
    """The media type of png, jpeg, gif and webp by their first 12 bytes, else ``None``."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return None


def size_of(read: Read) -> tuple[int, int] | None:
    """Width and height in pixels; ``None`` when they cannot be told."""
    head = read(0, _HEAD)
    size: tuple[int, int] | None = None
    match media_type(head):
        case "image/png" if head[12:16] == b"IHDR" and len(head) >= 24:
            size = int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
        case "image/gif" if len(head) >= 10:
            size = int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
        case "image/webp":
            size = _webp(head)
        case "image/jpeg":
            size = _jpeg(read)
    return size if size and min(size) > 0 else None


def _webp(head: bytes) -> tuple[int, int] | None:
    if len(head) < 30:
        return None
    match head[12:16]:
        case b"VP8X":
            width = int.from_bytes(head[24:27], "little") + 1
            return width, int.from_bytes(head[27:30], "little") + 1
        case b"VP8L" if head[20] == 0x2F:
            bits = int.from_bytes(head[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 " if head[23:26] == b"\x9d\x01\x2a":
            width = int.from_bytes(head[26:28], "little") & 0x3FFF
            return width, int.from_bytes(head[28:30], "little") & 0x3FFF
    return None


def _jpeg(read: Read) -> tuple[int, int] | None:
    offset = 2
    for _ in range(_SEGMENTS):
        segment = read(offset, 9)
        if len(segment) < 9 or segment[0] != 0xFF:
            return None
        if segment[1] == 0xFF:  # a fill byte
            offset += 1
        elif segment[1] in _FRAME_MARKERS:
            return int.from_bytes(segment[7:9]), int.from_bytes(segment[5:7])
        else:
            offset += 2 + int.from_bytes(segment[2:4])
    return None


def base64_reader(text: str, start: int) -> Read:
    """Reads the bytes that base64 text stands for, decoding only what is asked for.

    ``start`` is where the base64 begins; raises `ValueError` where it is none.
    """

    def read(offset: int, length: int) -> bytes:
        first = start + offset // 3 * 4
        last = start + -(-(offset + length) // 3) * 4
        quads = text[first:last]
        if len(quads) % 4:
            quads += "=" * (-len(quads) % 4)  # some leave the padding out
        skip = offset % 3
        return binascii.a2b_base64(quads, strict_mode=True)[skip : skip + length]

    return read


def data_url_size(url: str) -> tuple[int, int] | None:
    """The size of the picture in a ``data:`` URL; ``None`` for other addresses and broken ones."""
    comma = url.find(",", 0, 256)
    if not url.startswith("data:") or comma < 0 or not url[:comma].endswith(";base64"):
        return None
    try:
        return size_of(base64_reader(url, comma + 1))
    except ValueError:
        return None
