"""Bytes of the input in pieces, looked at once for what they are, and digested as they pass."""

import hashlib
from collections.abc import Iterator
from typing import BinaryIO, Literal, TypeAlias

from llm_orchestrator.errors import InvalidRequestError

PIECE = 1 << 18
HEAD = 1 << 16
"""Bytes by which the format and the encoding are told."""
LONGEST = 1 << 26
"""Bytes of one line or one value at most; what is longer is skipped."""

_Format: TypeAlias = Literal["csv", "jsonl", "json", "parquet"]
_MARK = b"\xef\xbb\xbf"
_OTHERS = (
    (b"\x1f\x8b", "gzip", "unpack it first"),
    (b"PK\x03\x04", "a ZIP file or a workbook", "save it as CSV"),
    (b"(\xb5/\xfd", "Zstandard", "unpack it first"),
    (b"\xff\xfe", "UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "UTF-16", "save it as UTF-8"),
)


class Stream:
    """A file that is read once, from its beginning."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._hash = hashlib.blake2b(digest_size=16)
        self.name = name
        self._head = b""

    @property
    def digest(self) -> str:
        """The digest of all bytes so far, as 32 hexadecimal digits."""
        return self._hash.hexdigest()

    def check(self, format: _Format | None) -> _Format:
        """The format, by what was said and by the first bytes; raises `InvalidRequestError`.

        What is called JSON and has one object after another is JSON lines.
        """
        while len(self._head) < HEAD and (piece := self._read()):
            self._head += piece
        head = self._head = self._head.removeprefix(_MARK)
        for mark, what, to_do in _OTHERS:
            if head.startswith(mark):
                raise InvalidRequestError(f"{self.name} is {what}; {to_do}")
        if head.startswith(b"PAR1"):
            return "parquet"
        if format == "parquet":
            raise InvalidRequestError(f"{self.name} is no Parquet file")
        if b"\0" in head:
            raise InvalidRequestError(
                f"{self.name} is no text: it has zero bytes; save it as UTF-8"
            )
        self._check_encoding(head)
        first = head.lstrip()[:1]
        if format in {"json", "jsonl"}:
            return "json" if first == b"[" else "jsonl"
        return format or ("json" if first == b"[" else "jsonl" if first == b"{" else "csv")

    def pieces(self) -> Iterator[bytes]:
        """The bytes, without a byte order mark."""
        head, self._head = self._head, b""
        if head:
            yield head
        while piece := self._read():
            yield piece

    def lines(self) -> Iterator[bytes]:
        """The lines with their ends. One that is longer than `LONGEST` comes as its beginning."""
        rest: list[bytes] = []
        size = 0
        for piece in self.pieces():
            cut = piece.rfind(b"\n") + 1
            if not cut:
                if size <= LONGEST:
                    rest.append(piece)
                size += len(piece)
                continue
            first = piece.find(b"\n") + 1
            if rest:
                yield b"".join((*rest, piece[:first] if size <= LONGEST else b""))
            else:
                first = 0
            if first < cut:
                yield from _lines(piece[first:cut])
            rest = [piece[cut:]] if cut < len(piece) else []
            size = len(piece) - cut
        if rest:
            yield b"".join(rest)

    def _read(self) -> bytes:
        try:
            piece = self._file.read(PIECE)
        except OSError as error:
            raise InvalidRequestError(f"cannot read {self.name}: {error.strerror}") from None
        self._hash.update(piece)
        return piece

    def _check_encoding(self, head: bytes) -> None:
        """A file of another encoding is refused; single lines that are broken are not."""
        broken = fine = 0
        lines = head.split(b"\n")
        for line in lines[:-1] if len(head) >= HEAD else lines:
            if line.isascii():
                continue
            try:
                line.decode()
                fine += 1
            except UnicodeDecodeError:
                broken += 1
        if broken > 1 and not fine:
            raise InvalidRequestError(
                f"{self.name} is not UTF-8 (perhaps Latin-1 or Windows-1252): save it as UTF-8, "
                "or `iconv -f windows-1252 -t utf-8`"
            )


def _lines(text: bytes) -> list[bytes]:
    """The lines of a text that ends with one; a carriage return may stand within a cell."""
    if b"\r" not in text:
        return text.splitlines(keepends=True)
    return [line + b"\n" for line in text[:-1].split(b"\n")]
