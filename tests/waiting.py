"""Waiting for what another task, thread or process does."""

import asyncio
from collections.abc import Callable


async def until(happened: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until it has happened, which it does soon; a process may have to start for it."""
    for _ in range(int(seconds * 100)):
        if happened():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it has not happened")
