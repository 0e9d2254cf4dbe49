"""Waiting for what another task, thread or process does."""

import asyncio
from collections.abc import Callable


async def until(happened: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until it has happened, which it does soon."""
    for _ in range(int(seconds * 100)):
        if happened():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it has not happened")
