"""Files that callers upload and batches write: on disk, one folder for each simulator."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from llm_orchestrator.simulator.body import too_large
from llm_orchestrator.simulator.refusal import Refusal

DAY: Final = 86_400.0
_PART: Final = 1 << 18


@dataclass(slots=True)
class StoredFile:
    """One file of an account; moments are virtual. `facts` is what one provider knows of it."""

    id: str
    provider: str
    account: str
    name: str
    purpose: str
    path: Path
    size: int
    lines: int
    created: float
    expires: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def gone(self, now: float) -> bool:
        """Whether it has expired."""
        return self.expires is not None and now >= self.expires


class Spool:
    """A folder that is made when first needed and removed at the end."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._count = 0

    def path(self, kind: str) -> Path:
        """A new file of this kind."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="llm-simulator-")
        self._count += 1
        return Path(self._folder.name) / f"{self._count:06d}-{kind}"

    def close(self) -> None:
        """Remove everything."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


class Files:
    """All files by id, oldest first."""

    def __init__(self) -> None:
        self._files: dict[str, StoredFile] = {}

    def add(self, file: StoredFile) -> StoredFile:
        """Keep a file."""
        self._files[file.id] = file
        return file

    def find(self, name: str, provider: str, account: str, now: float) -> StoredFile | None:
        """The file of this account, unless it has expired."""
        found = self._files.get(name)
        if found is None or (found.provider, found.account) != (provider, account):
            return None
        return None if found.gone(now) else found

    def remove(self, file: StoredFile) -> None:
        """Forget a file; what batches have read of it stays."""
        self._files.pop(file.id, None)

    def of(self, provider: str, account: str, now: float) -> list[StoredFile]:
        """The files of an account, newest first."""
        mine = (f for f in self._files.values() if (f.provider, f.account) == (provider, account))
        return [file for file in reversed(list(mine)) if not file.gone(now)]

    def every(self) -> list[StoredFile]:
        """All files of everyone, oldest first."""
        return list(self._files.values())

    def clear(self) -> None:
        """Forget all files."""
        self._files.clear()


@dataclass(slots=True)
class Received:
    """A body that was written to disk as it came."""

    path: Path
    name: str = ""
    size: int = 0
    lines: int = 0  # that are not empty


class Writer:
    """Writes a body to disk and counts its lines; a Refusal when it is too large."""

    def __init__(self, spool: Spool, limit: int, name: str = "") -> None:
        self._limit = limit
        self.received = Received(spool.path("upload"), name)
        self._file = self.received.path.open("wb")
        self._blank = True  # so far, the line that is being written is

    def write(self, data: bytes) -> None:
        """Add these bytes."""
        seen = self.received
        seen.size += len(data)
        if seen.size > self._limit:
            self.drop()
            raise too_large()
        self._file.write(data)
        first, mark, rest = data.partition(b"\n")
        self._blank = self._blank and not first.strip()
        if not mark:
            return
        *whole, last = rest.split(b"\n")
        seen.lines += (not self._blank) + sum(1 for line in whole if line.strip())
        self._blank = not last.strip()

    def close(self) -> Received:
        """All is there."""
        self._file.close()
        self.received.lines += not self._blank
        return self.received

    def drop(self) -> None:
        """Nothing of it is needed."""
        self._file.close()
        self.received.path.unlink(missing_ok=True)


async def receive(request: web.Request, spool: Spool, limit: int) -> Received:
    """A plain body on disk."""
    writer = Writer(spool, limit)
    try:
        async for data in request.content.iter_chunked(_PART):
            writer.write(data)
    except BaseException:
        writer.drop()
        raise
    return writer.close()


async def receive_form(
    request: web.Request, spool: Spool, limit: int, file_field: str = "file"
) -> tuple[dict[str, str], Received | None]:
    """The fields of a form, and its file on disk."""
    fields: dict[str, str] = {}
    found: Received | None = None
    if not request.content_type.startswith("multipart/"):
        raise Refusal(400, "The request must be multipart/form-data.")
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            name = getattr(part, "name", None)
            if name != file_field:
                fields[str(name)] = await part.text() if hasattr(part, "text") else ""
                continue
            writer = Writer(spool, limit, getattr(part, "filename", None) or "file")
            try:
                while data := await part.read_chunk(_PART):  # type: ignore[union-attr]
                    writer.write(data)
            except BaseException:
                writer.drop()
                raise
            found = writer.close()
    except (ValueError, AssertionError) as error:
        raise Refusal(400, f"The form could not be read: {error}") from error
    return fields, found


def lines_of(paths: list[Path]) -> Iterator[bytes]:
    """The lines of files that are not empty, without their ends."""
    for path in paths:
        with path.open("rb") as file:
            for line in file:
                stripped = line.strip()
                if stripped:
                    yield stripped
