"""A cache beyond this process: asked and written to by two threads, so that nobody waits for it.

What it cannot do is not done: a place that does not answer is warned of once and left alone for a
while, and calls go on as if it were empty.
"""

import asyncio
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence

from llm_orchestrator.store.cache_rows import CacheRow, Found, Shelf
from llm_orchestrator.store.cache_threads import SOON, Asked, Reader, Writer, resolve
from llm_orchestrator.store.exits import exits

_FIRST = 5
"""How many times longer the first lookup is waited for."""
_MOST_WAITING = 10_000
"""Answers and hits that wait to be written; what comes beyond is not kept."""


class CacheStore:
    """Reads and writes a shelf; usable from any number of loops and threads.

    ``make`` gives a shelf to each of the two threads. Nothing is opened before it is needed. A
    forked child has threads and connections of its own. ``patience_s`` is how long a call waits for
    what the cache says.
    """

    def __init__(
        self,
        make: Callable[[], Shelf],
        *,
        clock: Callable[[], float] = time.time,
        patience_s: float = 1.0,
    ) -> None:
        self._make = make
        self._patience_s = patience_s
        self._clock = clock
        self._closed = False
        self._begin()
        _STORES.add(self)
        exits.install()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        trouble: set[str] = set()
        self._lanes: dict[asyncio.AbstractEventLoop, list[Asked]] = {}
        self._reader = Reader(self._make, self._clock, trouble)
        self._writer = Writer(self._make, self._clock, trouble)
        self._reading: threading.Thread | None = None
        self._writing: threading.Thread | None = None

    async def find(self, key: str) -> Found | None:
        """The answer under the key; ``None`` also when the place does not say so in time."""
        if self._reader.health.paused or self._closed:
            return None
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Found | None] = loop.create_future()
        lane = self._lanes.get(loop)
        if lane is None:
            self._lanes[loop] = [(key, future)]
            loop.call_soon(self._ship, loop)
        else:
            lane.append((key, future))
        return await future

    def _ship(self, loop: asyncio.AbstractEventLoop) -> None:
        asked = self._lanes.pop(loop)
        if self._reading is None:
            self._start()
        # Connecting, and making the tables, may take longer than a lookup.
        patience_s = self._patience_s * (1 if self._reader.ready else _FIRST)
        loop.call_later(patience_s, self._give_up, asked, patience_s)
        self._reader.tickets.put((loop, asked))

    def _give_up(self, asked: Sequence[Asked], patience_s: float) -> None:
        waiting = [future for _, future in asked if not future.done()]
        if waiting:
            why = f"no answer within {patience_s:g} s"
            self._reader.health.failed(self._reader.place, why)
            resolve((future, None) for future in waiting)

    def put(self, row: CacheRow) -> None:
        """Keep an answer; it is written soon, from another thread."""
        if len(self._writer.rows) < _MOST_WAITING and not self._closed:
            self._writer.rows.append(row)
            self._tell()

    def hit(self, key: str) -> None:
        """Count that an answer was given again."""
        if len(self._writer.hits) < _MOST_WAITING and not self._closed:
            self._writer.hits.append(key)
            self._tell()

    def _tell(self) -> None:
        writer = self._writer
        if not writer.told:
            writer.told = True
            writer.tickets.put(SOON)
        if self._writing is None:
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._reading is None and not self._closed:
                self._reading = threading.Thread(
                    target=self._reader.run, name="llmo-cache-read", daemon=True
                )
                self._reading.start()
                weakref.finalize(self, self._reader.tickets.put, None).atexit = False
            if self._writing is None:
                thread = threading.Thread(
                    target=self._writer.run, name="llmo-cache-write", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:  # the interpreter ends: what is not written is not kept
                    return
                self._writing = thread
                exits.watch(thread, self._writer.tickets, self._rest)
                weakref.finalize(self, self._writer.tickets.put, None).atexit = False

    def _rest(self) -> None:
        self._writing = None

    def flush_sync(self, timeout_s: float = 10.0) -> None:
        """Wait until what was given so far is written, or given up."""
        if self._writing is not None:
            done = threading.Event()
            self._writer.tickets.put(done)
            done.wait(timeout_s)

    async def flush(self) -> None:
        """`flush_sync` for coroutines."""
        await asyncio.to_thread(self.flush_sync)

    async def close(self) -> None:
        """Write what is left and end the threads."""
        await asyncio.to_thread(self.close_sync)

    def close_sync(self, timeout_s: float = 10.0) -> None:
        """`close` for threads without a loop."""
        with self._lock:
            self._closed = True
            threads = (self._reading, self._writing)
            self._reading = self._writing = None
        self._reader.tickets.put(None)
        self._writer.tickets.put(None)
        for thread, patience_s in zip(threads, (self._patience_s, timeout_s), strict=True):
            if thread is not None:
                thread.join(patience_s)  # nothing is lost with one that only reads


_STORES: weakref.WeakSet[CacheStore] = weakref.WeakSet()
_INHERITED: list[object] = []
"""Threads' halves of the parent. Closing their connections here would disturb the parent's."""


def _after_fork() -> None:
    for store in list(_STORES):
        _INHERITED.append((store._reader, store._writer))  # noqa: SLF001 - same module
        store._begin()  # noqa: SLF001 - same module


os.register_at_fork(after_in_child=_after_fork)
