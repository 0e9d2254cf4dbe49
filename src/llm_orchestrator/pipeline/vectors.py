"""Vectors of texts that are kept, one by one: whoever embeds a text again does not pay for it."""

import asyncio
import struct
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import Reply
from llm_orchestrator.types.usage import Usage

if TYPE_CHECKING:
    from llm_orchestrator.pipeline.cache import Cache
    from llm_orchestrator.pipeline.cache_policy import CachePolicy


class Vector(msgspec.Struct, frozen=True, gc=False):
    """The vector of one text."""

    data: bytes
    """Its numbers, eight bytes each, the lowest first."""
    cost_pico: Pico | None = None
    """Its part of what its request has cost, by its length."""

    @property
    def numbers(self) -> tuple[float, ...]:
        """The numbers, exact."""
        return struct.unpack(f"<{len(self.data) // 8}d", self.data)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Vector).decode


class CachedVectors:
    """The texts of one call, with vectors from the cache and new ones."""

    def __init__(
        self,
        cache: "Cache",
        policy: "CachePolicy",
        target: Candidate,
        texts: Sequence[str],
        dimensions: int | None,
    ) -> None:
        self._cache = cache
        self._policy = policy
        self._target = target
        self._texts = texts
        self._times = Counter(texts)
        self._keys = {
            text: cache.keys.of_text(text, target, dimensions, policy.tenant)
            for text in self._times
        }
        self._found: dict[str, tuple[float, ...]] = {}
        self.saved: Pico | None = None
        """What the vectors from the cache had cost, as far as that is known."""

    async def look(self) -> None:
        """Find what the cache has of the texts."""
        if self._policy.refresh:
            return
        keys = self._keys.values()
        bodies = await asyncio.gather(*(self._cache.look(key, self._policy.ttl) for key in keys))
        for text, body in zip(self._keys, bodies, strict=True):
            vector = None if body is None else _read(body)
            if vector is not None:
                self._found[text] = vector.numbers
                if vector.cost_pico is not None:
                    self.saved = (self.saved or 0) + vector.cost_pico * self._times[text]

    @property
    def missing(self) -> list[str]:
        """The texts that have to be embedded, each once."""
        return [text for text in self._keys if text not in self._found]

    def keep(
        self, texts: Sequence[str], vectors: Sequence[Sequence[float]], cost: Pico | None
    ) -> None:
        """Put in what a request has brought."""
        whole = sum(map(len, texts))
        for text, numbers in zip(texts, vectors, strict=True):
            self._found[text] = tuple(numbers)
            part = None if cost is None else cost * len(text) // whole
            body = _encode(Vector(struct.pack(f"<{len(numbers)}d", *numbers), part))
            key, policy, row = self._keys[text], self._policy, self._target
            self._cache.put(
                key, body, policy.ttl, policy.tenant, row.provider.name, row.model.id, part
            )

    @property
    def vectors(self) -> tuple[tuple[float, ...], ...]:
        """One for each text, in their order."""
        return tuple(self._found[text] for text in self._texts)

    def reply(self) -> Reply:
        """The reply to a call whose texts were all in the cache."""
        name, model = self._target.provider.name, self._target.model.id
        return Reply("", name, model, self.saved, Usage(), (), "stop", "")


def _read(body: bytes) -> Vector | None:
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
