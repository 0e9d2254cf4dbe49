"""Who goes next, among all who wait for one provider. No I/O: time is told to it."""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING

from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.pipeline.limits.gates import Gate, Need
from llm_orchestrator.pipeline.limits.line import Line, Take

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

AGING_S = 5.0
"""One step of priority is worth so many seconds of waiting: who has waited longer goes first."""
_KEPT = 64
_numbers = count()


class Waiter:
    """One caller in line; ``wake`` is called once: with ``None`` when it may go, else with why not.

    ``longest`` is how many seconds it would wait; a caller on an event loop names it.
    """

    __slots__ = (
        "deadline",
        "ended",
        "gates",
        "gone",
        "line",
        "loop",
        "need",
        "order",
        "priority",
        "since",
        "take",
        "wake",
    )

    def __init__(
        self,
        line: Line,
        need: Need,
        priority: int,
        now: float,
        longest: float,
        wake: Callable[[OrchestratorError | None], object],
        loop: "AbstractEventLoop | None" = None,
    ) -> None:
        self.line = line
        self.need = need
        self.priority = priority
        self.since = now
        self.deadline = now + longest
        self.wake = wake
        self.loop = loop
        self.order = (now - priority * AGING_S, next(_numbers))
        self.take: Take | None = None
        """What it has taken, once it may go."""
        self.gone = True
        """Whether it stands in no line: it went, or left, or has not joined."""
        self.ended = False
        """Whether it was told how its wait ended."""
        self.gates: tuple[Gate, ...] = ()
        """The gates at which it counts as waiting."""

    def end(self, error: OrchestratorError | None) -> None:
        """Tell it once how its wait ended: ``None`` when it may go."""
        if not self.ended:
            self.ended = True
            wake, self.wake = self.wake, _ignore  # which may lead back here
            wake(error)

    @property
    def taken(self) -> Take:
        """What it has taken, once it was let through."""
        assert self.take is not None  # noqa: S101 - for the type checker
        return self.take

    def __lt__(self, other: "Waiter") -> bool:
        return self.order < other.order


class ProviderQueue:
    """The lines of one provider in which somebody waits.

    Higher priorities go first, within one priority who came first; a caller who cannot go holds the
    gates that it lacks, so that smaller ones behind it do not pass it for ever. Those who lack
    other gates do pass.
    """

    def __init__(self) -> None:
        self.waiting = 0
        self.lines: list[Line] = []
        self.due: float | None = None
        """When it will be served again because time has passed."""
        self.loop: AbstractEventLoop | None = None
        """The event loop of the last who joined."""
        self.ticketed: set[Line] = set()
        """Lines that may have tickets."""
        self._left = 0
        """How many have left that still stand in a heap."""

    def join(self, waiter: Waiter) -> None:
        """Stand in line."""
        line = waiter.line
        waiter.gone = False
        if waiter.loop is not None:
            self.loop = waiter.loop
        if not line.waiting and line not in self.lines:
            self.lines.append(line)
        heappush(line.waiting, waiter)
        self.waiting += 1
        self._count(waiter, line.gates)

    def quit(self, waiter: Waiter) -> None:
        """Leave it without having gone."""
        if waiter.gone:
            return
        waiter.gone = True
        self.waiting -= 1
        self._left += 1
        self._count(waiter, ())
        if self._left > _KEPT and self._left > self.waiting:
            self._left = 0
            for line in self.lines:
                line.waiting = [one for one in line.waiting if not one.gone]
                heapify(line.waiting)

    def serve(self, now: float, go: Callable[[Waiter], None], share: float = 1.0) -> float:
        """Let go who may, in order, by ``go``; the seconds until somebody else may."""
        soonest = inf
        held: set[Gate] = set()
        self.lines = lines = [line for line in self.lines if _head(line)]
        while lines:
            line = lines[0] if len(lines) == 1 else min(lines, key=_next)
            waiter = line.waiting[0]
            wait = line.wait(waiter.need, now, share)
            if wait or (held and not held.isdisjoint(line.gates)):
                lines = [one for one in lines if one is not line]
                held.update(line.short(waiter.need, now, share))
                soonest = min(soonest, wait or inf)
                continue
            heappop(line.waiting)
            waiter.gone = True
            self.waiting -= 1
            self._count(waiter, ())
            waiter.take = line.take(waiter.need, now)
            go(waiter)
            if not _head(line):
                lines = [one for one in lines if one is not line]
        return soonest

    def take_back(self) -> bool:
        """Give back what unused tickets have taken; whether there was any."""
        lines, self.ticketed = self.ticketed, set()
        return sum(line.take_back() for line in lines) > 0

    def everybody(self) -> list[Waiter]:
        """All who wait."""
        return [waiter for line in self.lines for waiter in line.waiting if not waiter.gone]

    @staticmethod
    def _count(waiter: Waiter, gates: tuple[Gate, ...]) -> None:
        for gate in waiter.gates:
            gate.queued[waiter.priority] -= waiter.need[gate.kind]
        waiter.gates = gates
        for gate in gates:
            gate.queued[waiter.priority] += waiter.need[gate.kind]


def _ignore(error: OrchestratorError | None) -> None:
    """In place of ``wake`` once it was called."""


def _head(line: Line) -> bool:
    """Whether somebody waits there; those who have left are let go."""
    waiting = line.waiting
    while waiting and waiting[0].gone:
        heappop(waiting)
    return bool(waiting)


def _next(line: Line) -> Waiter:
    return line.waiting[0]
