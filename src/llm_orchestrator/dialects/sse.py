"""Server-sent events, reduced to what providers send: the ``data`` of each event, in bytes."""

_BOM = b"\xef\xbb\xbf"


class SSEParser:
    r"""Cuts a byte stream into the data of its events.

    Accepts ``\n`` and ``\r\n``, skips comments and other fields, joins several data lines, and
    never splits inside a character: it works on bytes.
    """

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of each event that these bytes complete."""
        if self._buffer:
            chunk = self._buffer + chunk
        if b"\r" in chunk:
            # A trailing CR may be half of a line end: it stays for the next chunk.
            held = b"\r" if chunk.endswith(b"\r") else b""
            chunk = chunk.removesuffix(b"\r").replace(b"\r\n", b"\n") + held
        blocks = chunk.split(b"\n\n")
        self._buffer = blocks.pop()
        if not blocks:
            return blocks
        return [data for block in blocks if (data := _data(block)) is not None]

    def close(self) -> list[bytes]:
        """What the buffer still holds when the stream ends without a last blank line."""
        rest, self._buffer = self._buffer, b""
        data = _data(rest.removesuffix(b"\n").removesuffix(b"\r"))
        return [] if data is None else [data]


def _data(block: bytes) -> bytes | None:
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    lines = block.removeprefix(_BOM).split(b"\n")  # which only the first event may begin with
    lines = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None
