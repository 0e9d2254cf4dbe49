"""Where rows wait while the store cannot be written: JSON lines, one group a line, on disk."""

import contextlib
import glob
import hashlib
import logging
import os
import stat
import sys
from collections.abc import Generator
from io import BufferedReader
from pathlib import Path

import msgspec

from llm_orchestrator.store.rows import Group
from llm_orchestrator.store.urls import Target, data_dir

if sys.platform != "win32":
    import fcntl

log = logging.getLogger("llm_orchestrator")
_BATCH = 2000
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Group).decode


def places(target: Target) -> list[Path]:
    """Path prefixes of the target's spill files, the best first.

    The last one is for a disk that is full: temporary files often lie on another.
    """
    mark = hashlib.sha256(target.shown.encode()).hexdigest()[:12]
    if target.kind == "sqlite":
        path = Path(target.place)
        name = f"{path.stem}-{mark}{path.suffix}"
        found = [path, data_dir() / name]
    else:
        name = f"postgres-{mark}"
        found = [data_dir() / name]
    temporary = _temporary()
    return found if temporary is None else [*found, temporary / name]


def _temporary() -> Path | None:
    """Our folder among the temporary files; None where there is none."""
    if sys.platform == "win32":
        return None
    return Path(os.environ.get("TMPDIR") or "/tmp") / f"llmo-{os.geteuid()}"  # noqa: S108 - see _ours


def _ours(folder: Path) -> bool:
    """Whether a folder is ours alone: among the temporary files, anybody may make one."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return ours and not found.st_mode & 0o077


def make_folder(folder: Path) -> None:
    """See that the folder is there; raises `OSError` when it cannot be, or is not ours."""
    if folder != _temporary():
        folder.mkdir(parents=True, exist_ok=True)
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    if not _ours(folder):
        raise PermissionError(f"{folder} belongs to somebody else")


class Spill:
    """The file to which one process spills. It is locked while its writer lives."""

    def __init__(self, target: Target, executor_id: str) -> None:
        self._name = f".spill-{executor_id}.jsonl"
        self._target = target
        self._file: int | None = None
        self._torn = False
        self.path: Path | None = None
        """Where the rows are; None before the first one."""

    def append(self, group: Group) -> bool:
        """Keep the group on disk; False when no place takes it."""
        try:
            line = _encode(group) + b"\n"
        except (UnicodeEncodeError, OverflowError):
            return False  # no JSON; it is cleaned when it is written to the store
        failed = None
        if self._file is not None:
            if self._write(line):
                return True
            failed = self.path
        for place in places(self._target):
            path = place.with_name(place.name + self._name)
            if path != failed and self._open(path):
                if self._write(line):
                    return True
                self._drop(path)
        return False

    def _open(self, path: Path) -> bool:
        try:
            make_folder(path.parent)
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        _lock(file)
        self.close()
        # Whether the last line of an earlier time is whole is not known; empty lines do no harm.
        self._file, self.path, self._torn = file, path, os.fstat(file).st_size > 0
        return True

    def _write(self, line: bytes) -> bool:
        assert self._file is not None  # noqa: S101 - for the type checker
        if self._torn:
            line = b"\n" + line
        try:
            whole = os.write(self._file, line) == len(line)
        except OSError:
            whole = False
        self._torn = not whole
        return whole

    def _drop(self, path: Path) -> None:
        """Give a file up that took nothing, and remove it if nothing is in it."""
        assert self._file is not None  # noqa: S101 - for the type checker
        with contextlib.suppress(OSError):
            if os.fstat(self._file).st_size == 0:
                path.unlink()
        self.close()
        self.path = None

    def close(self) -> None:
        """Give the file up, so that another process may take it over."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _lock(file: int) -> bool:
    if sys.platform == "win32":
        return True  # a file in use cannot be removed there, which protects it as well
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def drain(target: Target) -> Generator[Group]:
    """The rows of all spill files that no living process holds, in large groups.

    A file is removed once the caller asks for the group after its last one: until then the rows
    are in both places, and writing them twice does no harm.
    """
    for path in waiting(target):
        with contextlib.suppress(OSError), path.open("rb") as file:
            if _lock(file.fileno()):
                yield from _groups(file, path)
                path.unlink(missing_ok=True)


def waiting(target: Target) -> Generator[Path]:
    """The spill files of the target, of whatever process."""
    for place in places(target):
        if place.parent == _temporary() and not _ours(place.parent):
            continue
        yield from sorted(place.parent.glob(f"{glob.escape(place.name)}.spill-*.jsonl"))


def _groups(file: BufferedReader, path: Path) -> Generator[Group]:
    gathered = Group()
    for line in file:
        if not line.strip():
            continue
        try:
            gathered.extend(_decode(line))
        except msgspec.DecodeError:
            # A write that was cut short, as by a full disk: its rows were then kept elsewhere.
            log.warning("%s: a torn line of %d bytes was skipped", path, len(line))
        if len(gathered) >= _BATCH:
            yield gathered
            gathered = Group()
    if gathered:
        yield gathered
