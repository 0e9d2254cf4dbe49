"""Lets callers through, or has them wait: the one place where lines are entered and left.

Thread-safe: an orchestrator may be used from several event loops, and `RateLimiter` from threads.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING
from weakref import WeakSet

from llm_orchestrator.errors import ClosedError, OrchestratorError, RateLimitError
from llm_orchestrator.pipeline.limits.gates import Gate, Need
from llm_orchestrator.pipeline.limits.line import Line, Take
from llm_orchestrator.pipeline.limits.queue import ProviderQueue, Waiter

if TYPE_CHECKING:
    from llm_orchestrator.pipeline.limits.shared import Shared
    from llm_orchestrator.pipeline.limits.view import RateLimit

_NOTHING: Need = (0, 0, 0, 0)
_LONGEST_PAUSE_S = 60.0
_SOON_S = 0.001
"""A little later than due, so that it is over when the clock is asked."""


class Keeper:
    """All queues, their clock, and the count that other processes share."""

    def __init__(
        self, clock: Callable[[], float] = monotonic, shared: "Shared | None" = None
    ) -> None:
        self.clock = clock
        self.shared = shared
        self._queues: dict[str, ProviderQueue] = {}
        self._lines: list[Line] = []
        self._lock = threading.Lock()
        self._closed = False
        _ALL.add(self)

    def line(
        self,
        provider: str,
        model: str,
        name: str,
        gates: Sequence[Gate],
        *,
        learns: bool,
        daily: bool = False,
    ) -> Line:
        """A new line at the queue of its provider."""
        with self._lock:
            queue = self._queues.setdefault(provider, ProviderQueue())
            line = Line(queue, provider, model, name, gates, learns=learns, daily=daily)
            self._lines.append(line)
        return line

    # ------------------------------------------------------------ in

    def take(self, line: Line, need: Need, most_input: int = 0) -> Take | None:
        """Go at once, if nobody waits and there is room; not where others have to be asked.

        With ``most_input``, the bytes of its input, it may leave tickets for others.
        """
        with self._lock:
            now, share = self.clock(), 1.0
            if self.shared is not None:
                if self._asks(line):
                    return None
                share = self.shared.part(now)
            if line.queue.waiting or line.blocked > now:
                return None
            line.blocked = 0.0
            if line.tickets:
                line.take_back()
            if line.wait(need, now, share) and not (
                line.queue.take_back() and not line.wait(need, now, share)
            ):
                return None
            take = line.take(need, now)
            if most_input and self.shared is None:
                line.leave_tickets(most_input, now)
                if line.tickets:
                    line.queue.ticketed.add(line)
            return take

    async def wait(self, line: Line, need: Need, priority: int, longest: float) -> Take:
        """Go when it is its turn.

        Raises `RateLimitError` when that takes more than ``longest`` seconds: at once, if that is
        foreseen.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[OrchestratorError | None] = loop.create_future()
        wake = partial(_call, loop, partial(_set, done))
        waiter = Waiter(line, need, priority, self.clock(), longest, wake, loop)
        self._enter(waiter)
        timer = loop.call_later(longest, self._late, waiter) if 0 < longest < inf else None
        try:
            error = await done
        except BaseException:
            self._abandon(waiter)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if error is None:
            return waiter.taken
        try:
            raise error
        finally:
            del error, done, wake  # the error leads to this frame: no circle

    def wait_here(self, line: Line, need: Need, priority: int, longest: float) -> Take:
        """`wait` for a thread, which it blocks. Other processes are not asked."""
        woken = threading.Event()
        told: list[OrchestratorError | None] = []

        def wake(error: OrchestratorError | None) -> None:
            told.append(error)
            woken.set()

        waiter = Waiter(line, need, priority, self.clock(), longest, wake)
        try:
            soonest = self._enter(waiter)
            while not woken.wait(_pause(soonest, waiter.deadline - self.clock())):
                if self.clock() >= waiter.deadline:
                    self._late(waiter)
                soonest = self.serve(line.queue)
        except BaseException:
            self._abandon(waiter)
            raise
        if (error := told.pop()) is None:
            return waiter.taken
        try:
            raise error
        finally:
            del error  # no circle

    def foresee(self, line: Line, need: Need, priority: int) -> float:
        """Seconds that a caller who came now would wait."""
        with self._lock:
            return line.ahead(need, priority, self.clock())

    # ------------------------------------------------------------ out

    def settle(self, take: Take, used: Need, seconds: float | None = None) -> None:
        """What went in is out again, and used that much; it took so many seconds."""
        line = take.line
        with self._lock:
            if take.ends is not None and used[0]:
                need = take.need
                for gate, stamp, kind in take.ends:
                    gate.end(stamp, need[kind], used[kind], seconds)
            else:
                line.settle(take, used, seconds)
            if take.marks is not None and self.shared is not None:
                self.shared.settle(take, used)
            if line.queue.waiting:
                self._serve(line.queue)

    def learn(
        self,
        line: Line,
        headers: Mapping[str, str],
        *,
        ok: bool = True,
        refused: bool = False,
        rest: float | None = None,
    ) -> None:
        """A reply came. ``refused``: it is a 429, and asks to ``rest`` for so many seconds."""
        if type(headers) is dict:  # others look without case themselves
            headers = {name.lower(): value for name, value in headers.items()}
        with self._lock:
            now = self.clock()
            line.follow(headers, now, refused=refused)
            if refused:
                line.refused(rest, now)
                if rest is not None and self.shared is not None and line.common:
                    self.shared.block(line, rest)
            elif ok:
                line.answered()
            self._serve(line.queue)

    def serve(self, queue: ProviderQueue) -> float:
        """Look who may go now that time has passed; the seconds until somebody else may."""
        with self._lock:
            return self._serve(queue)

    def close(self) -> None:
        """Nobody goes any more; who waits is told so."""
        with self._lock:
            self._closed = True
            for queue in self._queues.values():
                for waiter in queue.everybody():
                    queue.quit(waiter)
                    waiter.wake(ClosedError("the orchestrator was closed; make a new one"))

    def view(self, lines: Iterable[Line]) -> "tuple[RateLimit, ...]":
        """The limits of these lines as they stand."""
        from llm_orchestrator.pipeline.limits.view import view  # only who asks pays for it

        with self._lock:
            for queue in self._queues.values():
                queue.take_back()
            return view(lines, self.clock())

    def waiting(self) -> dict[str, int]:
        """How many wait, by provider."""
        return {name: queue.waiting for name, queue in self._queues.items()}

    def after_fork(self) -> None:
        """In a child: who waits, or is under way, is so in the parent."""
        self._lock = threading.Lock()
        self._queues = {name: ProviderQueue() for name in self._queues}
        for line in self._lines:
            line.queue = self._queues[line.provider]
            line.alone()

    # ------------------------------------------------------------ inside; the lock is held below

    def _enter(self, waiter: Waiter) -> float:
        """Stand in line, and go if that is possible; the seconds until somebody may."""
        line = waiter.line
        with self._lock:
            if self._closed:
                raise ClosedError("the orchestrator was closed; make a new one")
            line.queue.take_back()
            expected = line.ahead(waiter.need, waiter.priority, waiter.since)
            if expected > waiter.deadline - waiter.since:
                raise self._refused(line, waiter.need, expected)
            line.queue.join(waiter)
            soonest = self._serve(line.queue)
            self._expire(waiter)
            return soonest

    def _expire(self, waiter: Waiter, *, late: bool = False) -> None:
        """Refuse who still stands in line when its time is over."""
        line = waiter.line
        if not waiter.gone and (late or self.clock() >= waiter.deadline):
            line.queue.quit(waiter)
            wait = line.ahead(waiter.need, waiter.priority, self.clock())
            waiter.end(self._refused(line, waiter.need, wait))
            self._serve(line.queue)

    def _serve(self, queue: ProviderQueue) -> float:
        if not queue.waiting:
            return inf
        now = self.clock()
        share = 1.0 if self.shared is None else self.shared.part(now)
        soonest = queue.serve(now, self._go, share)
        if soonest < inf:
            self._arm(queue, soonest + _SOON_S, now)
        return soonest

    def _go(self, waiter: Waiter) -> None:
        if not self._asks(waiter.line):
            waiter.end(None)
            return
        assert self.shared is not None  # noqa: S101 - for the type checker
        assert waiter.take is not None  # noqa: S101 - same
        assert waiter.loop is not None  # noqa: S101 - threads ask nobody
        self.shared.ask(waiter.loop, waiter.take, partial(self._answered, waiter))

    def _asks(self, line: Line) -> bool:
        return self.shared is not None and line.common and self.shared.up

    def _answered(self, waiter: Waiter, wait: float | None, lacks: str) -> None:
        """The shared count has room (0) or has not; ``None``: it does not answer."""
        with self._lock:
            now = self.clock()
            line, take = waiter.line, waiter.take
            assert take is not None  # noqa: S101 - for the type checker
            if wait == 0 and not waiter.ended:
                waiter.end(None)
                return
            self._undo(take)
            waiter.take = None
            if wait:
                line.blocked = max(line.blocked, now + wait)
            if self._closed:
                waiter.end(ClosedError("the orchestrator was closed; make a new one"))
            elif wait and now + wait > waiter.deadline:
                gate = next((one for one in line.gates if one.name == lacks), None)
                waiter.end(_refusal(line, gate, wait))
            elif not waiter.ended:
                line.queue.join(waiter)
            self._serve(line.queue)
            self._expire(waiter)

    def _late(self, waiter: Waiter) -> None:
        """End a waiter whose time is over, unless `_answered` is to end it."""
        with self._lock:
            self._expire(waiter, late=True)

    def _abandon(self, waiter: Waiter) -> None:
        """Let a cancelled waiter go, even if it was let through at that moment."""
        with self._lock:
            line, take = waiter.line, waiter.take
            if waiter.ended and take is not None:
                self._undo(take)
            waiter.ended = True
            line.queue.quit(waiter)
            self._serve(line.queue)

    def _undo(self, take: Take) -> None:
        take.line.settle(take, _NOTHING, None)
        if take.marks is not None and self.shared is not None:
            self.shared.settle(take, _NOTHING)

    def _refused(self, line: Line, need: Need, wait: float) -> RateLimitError:
        return _refusal(line, next(iter(line.short(need, self.clock())), None), wait)

    # ------------------------------------------------------------ time

    def _arm(self, queue: ProviderQueue, seconds: float, now: float) -> None:
        """Serve again then, on the loop of somebody who waits; threads look by themselves."""
        due = now + seconds
        if queue.due is not None and now < queue.due <= due:
            return
        loop = queue.loop
        if loop is None or loop.is_closed():
            open_ones = (one.loop for one in queue.everybody() if one.loop is not None)
            loop = next((one for one in open_ones if not one.is_closed()), None)
            if loop is None:
                return
        queue.due = due
        _call(loop, lambda: loop.call_later(seconds, self._tick, queue))

    def _tick(self, queue: ProviderQueue) -> None:
        with self._lock:
            queue.due = None
            self._serve(queue)


_ALL: WeakSet[Keeper] = WeakSet()


def _after_fork() -> None:
    for keeper in list(_ALL):
        keeper.after_fork()


os.register_at_fork(after_in_child=_after_fork)


def _refusal(line: Line, gate: Gate | None, wait: float) -> RateLimitError:
    why = f": {gate.words}" if gate is not None else ""
    return RateLimitError(
        f"Rate limit exceeded for model {line.model}{why}; there is room in {wait:.1f} s",
        provider=line.provider or None,
        model=line.model,
        code="rate_limit",
        retry_after=wait,
        unsent=True,
    )


def _pause(soonest: float, left: float) -> float:
    """How long a thread sleeps before it looks again; others wake it if it may go before."""
    return max(0.0, min(soonest + _SOON_S, left, _LONGEST_PAUSE_S))


def _call(
    loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: object
) -> None:
    """Call it on that loop: now, if this is its thread."""
    try:
        here = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    if here is loop:
        function(*arguments)
        return
    with suppress(RuntimeError):  # the loop has ended, and who waited on it with it
        loop.call_soon_threadsafe(function, *arguments)


def _set(done: "asyncio.Future[OrchestratorError | None]", error: OrchestratorError | None) -> None:
    if not done.done():
        done.set_result(error)
