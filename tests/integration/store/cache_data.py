"""Answers to be kept."""

import time
from typing import Any

from llm_orchestrator.store.cache_rows import CacheRow

SECOND = 1_000_000


def row(key: str, **more: Any) -> CacheRow:
    """An answer that counts from now on, for Redis goes by the clock."""
    now = time.time_ns() // 1000
    given: dict[str, Any] = {
        "body": b'{"content":"yes"}',
        "created_at": now,
        "expires_at": now + 60 * SECOND,
    }
    return CacheRow(key=key, **(given | more))


def now_us() -> int:
    return time.time_ns() // 1000
