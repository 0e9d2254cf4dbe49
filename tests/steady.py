"""A loop whose time passes only while the machine has time for it."""

import asyncio
import selectors

_STEP_S = 0.02


class _Slices(selectors.DefaultSelector):
    """Waits a step at a time, so that time which was waited for can be told from time lost."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout if timeout is None else min(timeout, _STEP_S))


class SteadyLoop(asyncio.SelectorEventLoop):
    """For tests of time limits in which both sides live in one loop.

    However long the machine stands still, no more than a few steps pass for timers: a limit of a
    quarter of a second is not reached because something else kept the processors busy.
    """

    def __init__(self) -> None:
        self._seen = self._steady = 0.0
        super().__init__(_Slices())

    def time(self) -> float:
        now = super().time()
        self._steady += min(now - self._seen, 2 * _STEP_S)
        self._seen = now
        return self._steady
