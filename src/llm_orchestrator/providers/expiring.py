"""A value that expires, fetched in a thread, once for all who wait for it."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from copy import copy
from time import time
from typing import Any, Generic, TypeVar
from weakref import WeakSet

T = TypeVar("T")

_LEAST = 10.0
"""Seconds that a value is used however soon it expires: a source may hand out old ones."""


class Expiring(Generic[T]):
    """What ``fetch`` returned, until ``margin`` seconds before it expires.

    ``fetch`` blocks and returns the value with its expiry (seconds since 1970). It runs in one
    thread at a time, whichever event loops ask. When it fails and the old value has not expired
    yet, that is used instead.
    """

    def __init__(self, fetch: Callable[[], tuple[T, float]], margin: float = 240.0) -> None:
        self._fetch = fetch
        self._margin = margin
        self._lock = threading.Lock()
        self._held: tuple[T, float] | None = None
        self._due = 0.0
        self._pending: Future[T] | None = None
        _all.add(self)

    async def get(self) -> T:
        """The value; raises what ``fetch`` raises."""
        held = self._held
        if held is not None and time() < self._due:
            return held[0]
        with self._lock:
            pending = self._pending
            if pending is None:
                pending = self._pending = Future()
                threading.Thread(
                    target=self._run, args=(pending,), name="credentials", daemon=True
                ).start()
        try:
            # Shielded: one who stops waiting must not cancel it for the others.
            return await asyncio.shield(asyncio.wrap_future(pending))
        except Exception as error:  # noqa: BLE001 - whatever it is, each who waits gets one to keep
            raise copy(error) from None

    @property
    def held(self) -> T | None:
        """The value as it is now, expired or not."""
        return None if self._held is None else self._held[0]

    def forget(self) -> None:
        """It was refused: fetch anew for the next who asks."""
        self._held = None

    def after_fork(self) -> None:
        """In a child process there is no thread that fetches."""
        self._lock = threading.Lock()
        self._pending = None

    def _run(self, pending: Future[T]) -> None:
        try:
            held = self._fetch()
        except BaseException as error:  # noqa: BLE001 - handed to all who wait
            old = self._held
            self._pending = None
            if old is not None and time() < old[1]:
                pending.set_result(old[0])
            else:
                pending.set_exception(error)
            return
        self._due = max(held[1] - self._margin, min(held[1], time() + _LEAST))
        self._held = held
        self._pending = None
        pending.set_result(held[0])


_all: WeakSet[Expiring[Any]] = WeakSet()


def _after_fork() -> None:
    for kept in _all:
        kept.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
