"""Who writes: the identity of this process, and whether another one still lives."""

import functools
import os
import socket
from pathlib import Path

import msgspec

LEASE_US = 120_000_000
"""A writer on another machine counts as dead this long after its last sign of life."""
HEARTBEAT_S = 30.0


class Executor(msgspec.Struct, frozen=True):
    """A writing process. ``boot`` names the running kernel and process namespace it lives in."""

    executor_id: str
    host: str
    boot: str
    pid: int
    born: str
    """When the process started, in the words of its kernel: a reused pid differs here."""
    started_at: int
    seen_at: int


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _boot() -> str:
    try:
        namespace = str(os.stat("/proc/self/ns/pid").st_ino)  # noqa: PTH116 - start-up path
    except OSError:
        namespace = ""
    return f"{_read('/proc/sys/kernel/random/boot_id')}/{namespace}"


def _born(pid: int) -> str:
    """The start time of a process, or empty where the platform does not tell."""
    text = _read(f"/proc/{pid}/stat")
    return text.rpartition(")")[2].split()[19] if text else ""


def this_process(now_us: int) -> Executor:
    """The identity of the calling process; each call makes a new one."""
    pid = os.getpid()
    return Executor(
        executor_id=f"exe_{os.urandom(8).hex()}",
        host=socket.gethostname(),
        boot=_boot(),
        pid=pid,
        born=_born(pid),
        started_at=now_us,
        seen_at=now_us,
    )


def is_alive(other: Executor, now_us: int) -> bool:
    """Whether the process may still settle its attempts.

    Certain on the same running machine; elsewhere a lease decides.
    """
    if other.host == socket.gethostname() and other.boot == _here():
        try:
            os.kill(other.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return not other.born or _born(other.pid) == other.born
    return now_us - other.seen_at < LEASE_US


@functools.cache
def _here() -> str:
    return _boot()
