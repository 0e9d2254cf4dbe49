"""Answers kept in this process: the least used go first. Usable from any thread."""

from collections import OrderedDict
from threading import Lock

from llm_orchestrator.store.cache_rows import Found

_OVERHEAD = 500
"""Bytes that an entry takes beside its body."""


class Memory:
    """At most so many entries and bytes."""

    def __init__(self, most_entries: int, most_bytes: int) -> None:
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._entries: OrderedDict[str, tuple[Found, int]] = OrderedDict()
        self._lock = Lock()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str, now_us: int) -> Found | None:
        """The entry, unless it has to be looked up again."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if entry[1] <= now_us:
                self._drop(key)
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: str, found: Found, until_us: int) -> None:
        """Keep an entry until then, unless it alone is too large."""
        size = len(found.body) + _OVERHEAD
        with self._lock:
            self._drop(key)
            if size > self._most_bytes or not self._most_entries:
                return
            self._entries[key] = found, until_us
            self.bytes += size
            while self.bytes > self._most_bytes or len(self._entries) > self._most_entries:
                self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self.bytes = 0

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= len(entry[0].body) + _OVERHEAD
