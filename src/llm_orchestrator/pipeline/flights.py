"""One request for all who ask the same at once: the first one sends it, the others wait.

When the one who sends fails or is cancelled, one of those who wait takes over. When a second one
fails too, the others are let go: it is then as if each had asked alone.
"""

import asyncio
from typing import Literal, TypeAlias

from llm_orchestrator.store.cache_rows import Found

_MOST_FAILURES = 2


class Lead:
    """The turn of the one who sends."""

    __slots__ = ("flight", "key", "paused", "progress")

    def __init__(self, key: str, flight: "_Flight") -> None:
        self.key = key
        self.flight = flight
        self.progress = 0
        self.paused = False
        """Its reader has what has come and did not ask for more yet."""


Turn: TypeAlias = Lead | Found | Literal["alone"]
"""Who sends has a `Lead`; who waited gets what has come, or goes alone."""


class _Flight:
    __slots__ = ("failures", "lead", "loop", "seen", "timer", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.lead: Lead | None = None
        self.waiting: list[asyncio.Future[Turn]] = []
        """In their order."""
        self.failures = 0
        self.timer: asyncio.TimerHandle | None = None
        self.seen = 0


class Flights:
    """What is being asked, by key.

    Those who wait look every ``look_s`` seconds whether the reader of a stream still reads: when it
    does not, one of them takes over.
    """

    def __init__(self, look_s: float = 2.0) -> None:
        self._look_s = look_s
        self._open: dict[str, _Flight] = {}

    def __len__(self) -> int:
        return len(self._open)

    def lead(self, key: str) -> Lead | None:
        """The turn of the first one; ``None`` when somebody asks already, who can be waited for.

        A lead ends with `landed` or `lost`, whatever happens.
        """
        flight = self._open.get(key)
        if flight is not None and not flight.loop.is_closed():
            return None
        flight = self._open[key] = _Flight(asyncio.get_running_loop())
        flight.lead = Lead(key, flight)
        return flight.lead

    async def turn(self, key: str) -> Turn:
        """What comes of it for one more who asks: at once for the first one, the others wait."""
        if (lead := self.lead(key)) is not None:
            return lead
        loop = asyncio.get_running_loop()
        flight = self._open[key]
        if flight.loop is not loop:
            return "alone"  # futures belong to their loop
        future: asyncio.Future[Turn] = loop.create_future()
        flight.waiting.append(future)
        if flight.timer is None:
            self._watch(key, flight)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                turn = future.result()
                if isinstance(turn, Lead):
                    self.lost(turn, failed=False)  # it was to take over, and does not
            raise

    def landed(self, lead: Lead, found: Found) -> None:
        """The answer is there: everybody who waits gets it."""
        flight = lead.flight
        if self._open.get(lead.key) is flight:
            self._close(lead.key, flight, found)

    def lost(self, lead: Lead, *, failed: bool) -> None:
        """The one who sends has nothing to share; ``failed``: others would fare no better."""
        flight = lead.flight
        if flight.lead is not lead or self._open.get(lead.key) is not flight:
            return  # somebody has taken over before
        flight.failures += failed
        self._pass_on(lead.key, flight)

    def _pass_on(self, key: str, flight: _Flight) -> None:
        while flight.waiting and flight.failures < _MOST_FAILURES:
            future = flight.waiting.pop(0)
            if not future.done():
                flight.lead = Lead(key, flight)
                flight.seen = 0
                future.set_result(flight.lead)
                return
        self._close(key, flight, "alone")

    def _close(self, key: str, flight: _Flight, turn: Found | Literal["alone"]) -> None:
        del self._open[key]
        flight.lead = None
        if flight.timer is not None:
            flight.timer.cancel()
            flight.timer = None
        for future in flight.waiting:
            if not future.done():
                future.set_result(turn)
        flight.waiting.clear()

    def _watch(self, key: str, flight: _Flight) -> None:
        """Take the turn from a stream whose reader does not read on: others shall not wait."""
        lead = flight.lead
        if flight.timer is not None and lead is not None:
            if lead.paused and lead.progress == flight.seen:
                self._pass_on(key, flight)
                lead = flight.lead
            if lead is not None:
                flight.seen = lead.progress
        if self._open.get(key) is flight and flight.waiting:
            flight.timer = flight.loop.call_later(self._look_s, self._watch, key, flight)
        else:
            flight.timer = None
