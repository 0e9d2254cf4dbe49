"""The two threads of a cache beyond this process: one asks, one writes."""

import asyncio
import logging
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from llm_orchestrator.store.cache_rows import CacheRow, Found, Shelf

log = logging.getLogger("llm_orchestrator")

_PAUSES_S = (1.0, 5.0, 30.0)
"""How long a place that fails is left alone: first, then, and from then on."""
_DELAY_S = 0.05
"""How long a new answer may stay in memory only."""
_SWEEP_S = 300.0
_SWEEP_MOST = 1000

Asked: TypeAlias = "tuple[str, asyncio.Future[Found | None]]"
Lookup: TypeAlias = tuple[asyncio.AbstractEventLoop, Sequence[Asked]]


class Health:
    """Whether a place is left alone for now.

    ``trouble`` names the threads that cannot use it, and is shared by them: one warning is enough.
    """

    def __init__(self, name: str, trouble: set[str]) -> None:
        self._name = name
        self._trouble = trouble
        self._until = 0.0
        self._failures = 0

    @property
    def paused(self) -> bool:
        """Whether it is left alone."""
        return self._failures > 0 and time.monotonic() < self._until

    def failed(self, place: str, reason: str) -> None:
        """Note a failure and pause for a while; the first one is logged."""
        pause = _PAUSES_S[min(self._failures, len(_PAUSES_S) - 1)]
        self._failures += 1
        self._until = time.monotonic() + pause
        if not self._trouble:
            log.warning(
                "the cache at %s cannot be used (%s): calls go on without it", place, reason
            )
        self._trouble.add(self._name)

    def worked(self, place: str) -> None:
        """Note a success; the first one after failures is logged."""
        if self._failures:
            self._failures = 0
            self._trouble.discard(self._name)
            if not self._trouble:
                log.warning("the cache at %s is used again", place)


class Reader:
    """Looks keys up, as many at a time as have gathered."""

    def __init__(
        self, make: Callable[[], Shelf], clock: Callable[[], float], trouble: set[str]
    ) -> None:
        self.tickets: queue.SimpleQueue[Lookup | None] = queue.SimpleQueue()
        self.place = "its place"
        self.health = Health("reader", trouble)
        self.ready = False
        """Whether it was connected once."""
        self._make = make
        self._clock = clock
        self._shelf: Shelf | None = None

    def run(self) -> None:
        """Serve until a None comes."""
        going = True
        while going:
            tickets = [self.tickets.get()]
            while not self.tickets.empty():
                tickets.append(self.tickets.get_nowait())
            going = None not in tickets
            lookups = [ticket for ticket in tickets if ticket is not None]
            found = self._find({key for _, asked in lookups for key, _ in asked})
            for loop, asked in lookups:
                answers = [(future, found.get(key)) for key, future in asked]
                try:
                    loop.call_soon_threadsafe(resolve, answers)
                except RuntimeError:
                    continue  # the loop was closed: nobody waits any more
        if self._shelf is not None:
            _close(self._shelf)

    def _find(self, keys: set[str]) -> Mapping[str, Found]:
        if not keys or self.health.paused:
            return {}
        try:
            if self._shelf is None:
                self._shelf = self._make()
                self.place = self._shelf.shown
            found = self._shelf.find(list(keys), int(self._clock() * 1e6))
        except Exception as error:  # noqa: BLE001 - whatever it is, no call may fail by it
            self.health.failed(self.place, _reason(error, self._shelf))
            if self._shelf is not None:
                _close(self._shelf)
            return {}
        self.ready = True
        self.health.worked(self.place)
        return found


class Soon:
    """Something is to be written within the delay."""


SOON = Soon()


class Writer:
    """Writes answers and hits, as many at a time as have gathered, and sweeps."""

    def __init__(
        self, make: Callable[[], Shelf], clock: Callable[[], float], trouble: set[str]
    ) -> None:
        self.rows: deque[CacheRow] = deque()
        self.hits: deque[str] = deque()
        self.tickets: queue.SimpleQueue[Soon | threading.Event | None] = queue.SimpleQueue()
        self.told = False
        self._make = make
        self._health = Health("writer", trouble)
        self._clock = clock
        self._shelf: Shelf | None = None
        self._sweep_at = 0.0
        self._turn = threading.Lock()

    def run(self) -> None:
        """Serve until a None comes."""
        with self._turn:
            going = True
            while going:
                waiting: list[threading.Event] = []
                ticket = self.tickets.get()
                until = time.monotonic() + _DELAY_S
                while ticket is SOON:
                    try:
                        ticket = self.tickets.get(timeout=max(0.0, until - time.monotonic()))
                    except queue.Empty:
                        break
                if isinstance(ticket, threading.Event):
                    waiting.append(ticket)
                going = ticket is not None
                self.told = False
                self._write()
                for event in waiting:
                    event.set()
            if self._shelf is not None:
                _close(self._shelf)
                self._shelf = None

    def _write(self) -> None:
        rows = [self.rows.popleft() for _ in range(len(self.rows))]
        hits = Counter(self.hits.popleft() for _ in range(len(self.hits)))
        if self._health.paused:
            return  # what would have been kept is asked for again
        place = "its place"
        try:
            if self._shelf is None:
                self._shelf = self._make()
            shelf = self._shelf
            place = shelf.shown
            if rows:
                _put(shelf, rows)
            if hits:
                shelf.hit(hits, self._now_us())
            if (rows or hits) and time.monotonic() >= self._sweep_at:
                full = shelf.sweep(self._now_us(), _SWEEP_MOST) >= _SWEEP_MOST
                self._sweep_at = time.monotonic() + (0.0 if full else _SWEEP_S)
        except Exception as error:  # noqa: BLE001 - whatever it is, no call may fail by it
            self._health.failed(place, _reason(error, self._shelf))
            if self._shelf is not None:
                _close(self._shelf)
        else:
            self._health.worked(place)

    def _now_us(self) -> int:
        return int(self._clock() * 1e6)


def _put(shelf: Shelf, rows: Sequence[CacheRow]) -> None:
    try:
        shelf.put(rows)
    except shelf.data_errors:
        for row in rows:
            try:
                shelf.put([row])
            except shelf.data_errors as error:
                log.debug("the cache at %s does not take an answer: %s", shelf.shown, error)


def _reason(error: Exception, shelf: Shelf | None) -> str:
    return type(error).__name__ if shelf is None else shelf.reason(error)


def _close(shelf: Shelf) -> None:
    try:
        shelf.close()
    except Exception as error:  # noqa: BLE001 - it was in trouble anyway
        log.debug("closing the cache at %s: %s", shelf.shown, error)


def resolve(answers: "Iterable[tuple[asyncio.Future[Found | None], Found | None]]") -> None:
    """Tell those who still wait."""
    for future, found in answers:
        if not future.done():
            future.set_result(found)
