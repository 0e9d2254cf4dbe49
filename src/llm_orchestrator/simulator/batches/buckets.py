"""Objects in buckets, as cloud batches read and write them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llm_orchestrator.simulator.batches.files import Received

if TYPE_CHECKING:
    from llm_orchestrator.simulator.batches.files import Spool


@dataclass(slots=True)
class Stored:
    """One object; `digest` is the MD5 of its bytes in hex, `modified` virtual."""

    bucket: str
    key: str
    path: Path
    size: int
    lines: int
    digest: str
    modified: float
    kind: str = "application/octet-stream"

    @property
    def received(self) -> Received:
        """The object as the input of a batch."""
        return Received(self.path, self.key, self.size, self.lines)


class Buckets:
    """All objects of one cloud. Every bucket exists, but those named `nobody-...`."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self._objects: dict[tuple[str, str], Stored] = {}

    def exists(self, bucket: str) -> bool:
        """Whether there is such a bucket."""
        return not bucket.startswith("nobody-")

    def put(self, stored: Stored) -> Stored:
        """Keep an object in place of an older one."""
        self._objects[(stored.bucket, stored.key)] = stored
        return stored

    def get(self, bucket: str, key: str) -> Stored | None:
        """The object of this name."""
        return self._objects.get((bucket, key))

    def remove(self, bucket: str, key: str) -> bool:
        """Forget an object; whether there was one."""
        return self._objects.pop((bucket, key), None) is not None

    def under(self, bucket: str, prefix: str) -> list[Stored]:
        """All objects whose name begins so, by name."""
        found = (o for (b, k), o in self._objects.items() if b == bucket and k.startswith(prefix))
        return sorted(found, key=lambda stored: stored.key)


def split(uri: str, scheme: str) -> tuple[str, str] | None:
    """Bucket and key of `s3://bucket/key` and the like; None for anything else."""
    head = f"{scheme}://"
    if not uri.startswith(head):
        return None
    bucket, _, key = uri.removeprefix(head).partition("/")
    return (bucket, key) if bucket else None
