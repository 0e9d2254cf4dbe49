"""Prompt caches of the providers: OpenAI's finds prefixes by itself, Anthropic's needs marks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from llm_orchestrator.simulator import tokens
from llm_orchestrator.simulator.ask import Segment
from llm_orchestrator.simulator.clock import Clock

BLOCK: Final = 128
LOOKBACK: Final = 20
LIFETIMES: Final = {"5m": 300.0, "1h": 3600.0}
AUTOMATIC: Final = 600.0


@dataclass(frozen=True, slots=True)
class CacheUse:
    """Tokens of one prompt that were read from the cache and written to it."""

    read: int = 0
    write_5m: int = 0
    write_1h: int = 0


class Cache:
    """Prefixes seen, by account and model. Shorter prefixes than `minimum` are not cached."""

    def __init__(self, clock: Clock, minimum: int = 1024) -> None:
        self._clock = clock
        self._minimum = minimum
        self._until: dict[bytes, tuple[float, float]] = {}

    def reset(self) -> None:
        """Forget everything."""
        self._until.clear()

    def _alive(self, key: bytes) -> bool:
        """Whether this prefix is cached; a hit starts its lifetime anew."""
        found = self._until.get(key)
        if found is None or found[0] < self._clock.ticks():
            return False
        self._keep(key, found[1])
        return True

    def _keep(self, key: bytes, lifetime: float) -> None:
        self._until[key] = (self._clock.ticks() + lifetime, lifetime)

    def automatic(self, owner: str, segments: Sequence[Segment]) -> CacheUse:
        """OpenAI's way: the longest seen prefix in steps of 128 tokens; writing is free."""
        total = sum(segment.tokens for segment in segments)
        if total < self._minimum:
            return CacheUse()
        text = "\x1e".join(segment.text for segment in segments)
        running, start, size = hashlib.blake2b(owner.encode(), digest_size=16), 0, 0
        keys = []
        for end in tokens.boundaries(text, BLOCK):
            running.update(text[start:end].encode("utf-8", "replace"))
            start, size = end, size + BLOCK
            if self._minimum <= size <= total:
                keys.append((size, running.digest()))
        read = max((size for size, key in keys if self._alive(key)), default=0)
        for _, key in keys:
            self._keep(key, AUTOMATIC)
        return CacheUse(read=read)

    def marked(self, owner: str, segments: Sequence[Segment]) -> CacheUse:
        """Anthropic's way: reads up to the longest cached prefix, writes up to the last mark."""
        running, size = hashlib.blake2b(owner.encode(), digest_size=16), 0
        steps: list[tuple[int, bytes]] = []
        for segment in segments:
            running.update(f"{len(segment.text)}:{segment.text}".encode("utf-8", "replace"))
            size += segment.tokens
            steps.append((size, running.digest()))
        marks = [
            number
            for number, segment in enumerate(segments)
            if segment.mark and steps[number][0] >= self._minimum
        ]
        near = {n for mark in marks for n in range(max(0, mark - LOOKBACK), mark + 1)}
        read = max((steps[n][0] for n in near if self._alive(steps[n][1])), default=0)
        written, done = {"5m": 0, "1h": 0}, read
        for mark in marks:
            end, key = steps[mark]
            if end > done:
                written[segments[mark].mark] += end - done
                done = end
                self._keep(key, LIFETIMES[segments[mark].mark])
        return CacheUse(read, written["5m"], written["1h"])
