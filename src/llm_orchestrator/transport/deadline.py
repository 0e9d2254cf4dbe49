"""Time limits without a timer per wait: one sweeper looks at all waits of a loop.

`asyncio.timeout` makes and cancels a timer for every wait, which a stream has hundreds of. Here a
wait only notes until when it may last. Limits are kept to within `_TICK` seconds.
"""

import asyncio
from math import inf

from llm_orchestrator.transport.base import Limits

_TICK = 0.05


class Sweeper:
    """Cancels the tasks of one loop whose wait has lasted too long."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watched: set[Deadline] = set()
        self._running = False

    def add(self, deadline: "Deadline") -> None:
        """Look after the deadline until it is discarded."""
        self._watched.add(deadline)
        if not self._running:
            self._running = True
            self._loop.call_later(_TICK, self._sweep)

    def discard(self, deadline: "Deadline") -> None:
        """Look no longer."""
        self._watched.discard(deadline)

    def _sweep(self) -> None:
        now = self._loop.time()
        for deadline in self._watched:
            if deadline.due < now:
                deadline.fire()
        if self._watched:
            self._loop.call_later(_TICK, self._sweep)
        else:
            self._running = False


_sweepers: dict[asyncio.AbstractEventLoop, Sweeper] = {}


def sweeper(loop: asyncio.AbstractEventLoop) -> Sweeper:
    """The sweeper of the loop."""
    found = _sweepers.get(loop)
    if found is None:
        for other in [other for other in list(_sweepers) if other.is_closed()]:
            _sweepers.pop(other, None)
        found = _sweepers[loop] = Sweeper(loop)
    return found


class Deadline:
    """The time limits of one attempt; ``fired`` names the one that was passed.

    Around each wait: `begin`, wait, `end`. When the limit passes, the waiting task is cancelled;
    `passed` tells that cancellation from one by somebody else. Time that the caller spends between
    two waits counts for the total only.
    """

    __slots__ = (
        "_asked",
        "_first",
        "_flowing",
        "_idle",
        "_last",
        "_loop",
        "_phase",
        "_sweeper",
        "_task",
        "due",
        "fired",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: Limits) -> None:
        now = loop.time()
        self._loop = loop
        self._first = now + limits.first
        self._last = now + limits.total
        self._idle = limits.idle
        self._flowing = False
        self._phase = ""
        self._task: asyncio.Task[object] | None = None
        self._asked = 0
        """How often the task had been cancelled before it began to wait."""
        self.due = inf
        self.fired = ""
        self._sweeper = sweeper(loop)
        self._sweeper.add(self)

    def begin(self) -> None:
        """The current task starts to wait."""
        self._wait()
        if self._flowing:
            self._phase, due = "idle", self._loop.time() + self._idle
        else:
            self._phase, due = "first_token", self._first
        if due > self._last:
            self._phase, due = "total", self._last
        self.due = due

    def connecting(self, seconds: float) -> None:
        """The current task starts to wait for a connection, so long at most."""
        self._wait()
        self._phase = "connect"
        self.due = min(self._loop.time() + seconds, self._first, self._last)

    def _wait(self) -> None:
        self._task = task = asyncio.current_task(self._loop)
        self._asked = 0 if task is None else task.cancelling()

    @property
    def is_flowing(self) -> bool:
        """Whether the answer has begun."""
        return self._flowing

    def flowing(self) -> None:
        """The answer has begun: from now on only silence counts."""
        self._flowing = True

    def end(self) -> None:
        """The wait is over."""
        self.due = inf

    def fire(self) -> None:
        """The limit has passed: wake the waiting task."""
        self.due = inf
        self.fired = self._phase
        if self._task is not None:
            self._task.cancel()

    def passed(self) -> bool:
        """In an ``except CancelledError``: whether it was this deadline, now taken back."""
        self.due = inf
        if not self.fired or self._task is None:
            return False
        # Somebody else cancelled as well, during the wait: theirs wins.
        return self._task.uncancel() <= self._asked

    def close(self) -> None:
        """Nothing more to look after."""
        self.due = inf
        self._task = None
        self._sweeper.discard(self)
