"""The time that bulk runs live by: the system's, or that of a simulator."""

import asyncio
import time
from typing import Protocol, TypeAlias
from urllib.error import URLError
from urllib.request import urlopen

import msgspec

from llm_orchestrator.errors import ConfigError

_LOOK_S = 0.25
"""Real seconds between two looks at a simulator's clock: somebody may turn it."""
_TIMEOUT_S = 10.0


class Clock(Protocol):
    """Tells the time of providers and deadlines, and waits by it."""

    @property
    def speed(self) -> float:
        """How many of its seconds pass in a real one."""
        ...

    def now(self) -> float:
        """Seconds since 1970."""
        ...

    def wall(self) -> float:
        """Seconds since 1970 in the real world: leases and timeouts of HTTP are measured by it."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for so many of its seconds."""
        ...

    async def refresh(self) -> None:
        """See whether the clock was turned."""
        ...


ClockLike: TypeAlias = Clock | str | None
"""A clock, the address of a simulator that has one, or ``None`` for that of this machine."""


class SystemClock:
    """The clock of this machine."""

    speed = 1.0

    def now(self) -> float:
        return time.time()

    def wall(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    async def refresh(self) -> None:
        return


class _Shown(msgspec.Struct):
    now: float
    speed: float


_read = msgspec.json.Decoder(_Shown).decode


class SimulatedClock:
    """The virtual clock of a simulator at this address, read from its ``/_clock``.

    Between two looks it goes on by itself at the simulator's speed. Raises `ConfigError` when
    nobody tells the time there.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/") + "/_clock"
        self._base: float | None = None
        self._at = 0.0
        self._speed = 1.0

    @property
    def speed(self) -> float:
        """How many virtual seconds pass in a real one."""
        self._known()
        return self._speed

    def now(self) -> float:
        """Virtual seconds since 1970."""
        return self._known() + (time.monotonic() - self._at) * self._speed

    def wall(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait for so many virtual seconds, or until the clock was turned that far."""
        until = self.now() + seconds
        while (left := until - self.now()) > 0:
            await asyncio.sleep(min(left / self._speed, _LOOK_S))
            if left / self._speed > _LOOK_S:
                await self.refresh()

    async def refresh(self) -> None:
        """Read the clock, in a thread."""
        await asyncio.to_thread(self._look)

    def _known(self) -> float:
        if self._base is None:
            self._look()
        assert self._base is not None  # noqa: S101 - for the type checker
        return self._base

    def _look(self) -> None:
        try:
            with urlopen(self._url, timeout=_TIMEOUT_S) as reply:  # noqa: S310 - the user's own
                shown = _read(reply.read())
        except (URLError, OSError, ValueError, msgspec.MsgspecError) as error:
            raise ConfigError(f"no simulator tells the time at {self._url}: {error}") from None
        self._base, self._at, self._speed = shown.now, time.monotonic(), shown.speed
