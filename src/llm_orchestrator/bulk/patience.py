"""A database that is away for a while, as when it restarts, is waited for."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from llm_orchestrator.errors import StoreError

T = TypeVar("T")
log = logging.getLogger("llm_orchestrator")

_PAUSE_S = 1.0
_LONGEST_S = 300.0
_WORKED_S = 60.0
"""What has gone on for so long had a database: its next fault is another outage."""


async def patiently(
    work: Callable[[], Awaitable[T]],
    *,
    stopped: Callable[[], bool] = lambda: False,
    longest_s: float = _LONGEST_S,
) -> T:
    """What the work returns. It is begun again until the database is back, for five minutes.

    Raises other faults of the store at once, as waiting helps none of them.
    """
    since: float | None = None
    while True:
        begun = time.monotonic()
        try:
            return await work()
        except StoreError as error:
            if not error.retryable or stopped():
                raise
            now = time.monotonic()
            if since is None or now - begun > _WORKED_S:
                since = now
                log.warning("%s It is waited for, %.0f minutes at most", error, longest_s / 60)
            if now - since > longest_s:
                raise
        await asyncio.sleep(_PAUSE_S)
