"""Rows with the same key brought together, in flat memory: what is many lies on the disk."""

import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

_MOST = 32 << 20
"""Bytes that are held; more go to files."""
_FILES = 64


class Groups:
    """JSON rows by key; keys come in the order of their first row while all fits into memory.

    Beyond that they come file by file, each in that order.
    """

    def __init__(self, folder: Path, most: int = _MOST) -> None:
        self._folder = folder
        self._most = most
        self._held: dict[str, list[bytes]] = {}
        self._size = 0
        self._files: list[IO[bytes]] = []

    def add(self, key: str, row: bytes) -> None:
        """One more row, as JSON without line breaks."""
        if self._files:
            self._write(key, row)
            return
        self._held.setdefault(key, []).append(row)
        self._size += len(key) + len(row) + 100
        if self._size > self._most:
            for _ in range(_FILES):
                self._files.append(tempfile.TemporaryFile(dir=self._folder))  # noqa: SIM115 - `close`
            for held, rows in self._held.items():
                for one in rows:
                    self._write(held, one)
            self._held = {}

    def __iter__(self) -> Iterator[list[bytes]]:
        """The rows of each key."""
        yield from self._held.values()
        for file in self._files:
            file.seek(0)
            found: dict[bytes, list[bytes]] = {}
            for line in file:
                key, _, row = line.rstrip(b"\n").partition(b"\t")
                found.setdefault(key, []).append(row)
            yield from found.values()

    def close(self) -> None:
        """Remove the files."""
        for file in self._files:
            file.close()

    def _write(self, key: str, row: bytes) -> None:
        text = msgspec.json.encode(key)
        self._files[zlib.crc32(text) % _FILES].write(text + b"\t" + row + b"\n")
