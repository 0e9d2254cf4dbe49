"""The exact cache: the same request is paid once, however often and by however many it is asked."""

import logging
import os
import time
import weakref
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, Protocol

from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.pipeline.attempt import Call
from llm_orchestrator.pipeline.cache_key import Keys
from llm_orchestrator.pipeline.cache_policy import CachePolicy
from llm_orchestrator.pipeline.cached_reply import lifetime, pack, unpack
from llm_orchestrator.pipeline.flights import Flights, Lead
from llm_orchestrator.pipeline.outer import Answering, Batches, Streaming
from llm_orchestrator.pipeline.replies import pieces, response_of
from llm_orchestrator.store.cache import CacheStore
from llm_orchestrator.store.cache_memory import Memory
from llm_orchestrator.store.cache_rows import CacheRow, Found
from llm_orchestrator.types.events import EndEvent
from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.reply import Reply

log = logging.getLogger("llm_orchestrator")

_FRESH_US = 60_000_000
"""How long memory is trusted where answers also lie elsewhere, and may be cleared there."""


class Books(Protocol):
    """Who books calls that ended here."""

    def hit(self, call: Call, kept: Reply, parsed: object) -> Reply:
        """The reply to a call that is answered from the cache; books the call."""

    def failed(self, call: Call, error: BaseException) -> None:
        """A call ended without an answer; books it."""


class Cache:
    """A guard round requests: gives answers that are kept, and keeps new ones.

    ``store`` is where answers lie beside this process's memory, if anywhere.
    """

    def __init__(
        self,
        books: Books,
        memory: Memory,
        store: CacheStore | None = None,
        *,
        entry_bytes: int = 2**20,
        keep_cut: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.keys = Keys()
        self.memory = memory
        self.store = store
        self._books = books
        self._entry_bytes = entry_bytes
        self._keep_cut = keep_cut
        self._clock = clock
        self._told = False
        self._flights = Flights()
        _CACHES.add(self)

    async def answer(self, call: Call, inner: Answering) -> Reply:
        """The reply, kept or new."""
        policy = call.cache_policy
        key = None if policy is None else self._key(policy)
        if policy is None or key is None:
            return await inner()
        lead = None
        if not policy.refresh:
            if (known := self._remembered(call, policy, key)) is not None:
                return known
            lead = self._flights.lead(key)
            if lead is None or self.store is not None:
                turn = await self._turn(call, policy, key, lead)
                if isinstance(turn, Reply):
                    return turn
                lead = turn
        notices = frozenset(call.notices)
        try:
            reply = await inner()
        except BaseException as error:
            if lead is not None:
                self._flights.lost(lead, failed=isinstance(error, OrchestratorError))
            raise
        self._keep(key, policy, reply, notices, lead)
        return reply

    async def stream(self, call: Call, inner: Streaming) -> Batches:
        """The events of the reply, kept or new."""
        policy = call.cache_policy
        key = None if policy is None else self._key(policy)
        lead = None
        if policy is not None and key is not None and not policy.refresh:
            call.begin()
            known = self._remembered(call, policy, key)
            if known is None:
                lead = self._flights.lead(key)
                turn = await self._turn(call, policy, key, lead)
                known = turn if isinstance(turn, Reply) else None
                lead = None if isinstance(turn, Reply) else turn
            if known is not None:
                yield (*pieces(response_of(known)), EndEvent(known))
                return
        notices = frozenset(call.notices)
        try:
            async with aclosing(inner()) as batches:
                async for batch in batches:
                    last = batch[-1]
                    if type(last) is EndEvent and policy is not None and key is not None:
                        self._keep(key, policy, last.reply, notices, lead)
                    if lead is None:
                        yield batch
                        continue
                    lead.progress += 1
                    lead.paused = True
                    yield batch
                    lead.paused = False
        except BaseException as error:
            if lead is not None:
                self._flights.lost(lead, failed=isinstance(error, OrchestratorError))
            raise
        if lead is not None:
            self._flights.lost(lead, failed=True)  # unless it has landed

    def _key(self, policy: CachePolicy) -> str | None:
        try:
            return self.keys.of(policy)
        except (TypeError, ValueError, RecursionError):
            return None  # it cannot be sent either, and that is told there

    def _remembered(self, call: Call, policy: CachePolicy, key: str) -> Reply | None:
        """The reply that is in memory."""
        found = self.memory.get(key, int(self._clock() * 1e6))
        return None if found is None else self._given(call, policy, key, found)

    async def _turn(
        self, call: Call, policy: CachePolicy, key: str, lead: Lead | None
    ) -> Reply | Lead | None:
        """The kept reply; or whom to ask for: a lead for all who wait, ``None`` for this call."""
        found: Found | None = None
        try:
            if lead is None:
                turn = await self._flights.turn(key)
                if isinstance(turn, Lead):
                    lead = turn
                elif isinstance(turn, Found):
                    found = turn
            if lead is not None and self.store is not None:
                found = await self.store.find(key)
            if found is None:
                return lead
            reply = self._given(call, policy, key, found)
            if reply is None:
                return lead
            if lead is not None:
                self._remember(key, found)
                self._flights.landed(lead, found)
        except BaseException as error:
            if lead is not None:
                self._flights.lost(lead, failed=False)
            if not call.done:
                self._books.failed(call, error)
            raise
        return reply

    def _given(self, call: Call, policy: CachePolicy, key: str, found: Found) -> Reply | None:
        """The reply of a kept answer; ``None`` when it is too old, or not what was asked for."""
        if not found.counts(int(self._clock() * 1e6), policy.ttl):
            return None
        kept = unpack(found.body)
        if kept is None:
            return None
        parsed: Any = None
        if policy.parse is not None and kept.finish_reason != "tool_calls":
            try:
                parsed = policy.parse(kept.content)
            except OrchestratorError:
                return None  # another type with the same schema
        if self.store is not None:
            self.store.hit(key)
        return self._books.hit(call, kept, parsed)

    def _keep(
        self,
        key: str,
        policy: CachePolicy,
        reply: Reply,
        notices: frozenset[str],
        lead: Lead | None,
    ) -> None:
        """Keep the answer, if it is one to keep, and give it to those who wait."""
        found = None
        try:
            seconds = lifetime(reply, policy.ttl, keep_cut=self._keep_cut)
            if seconds > 0:
                found = self._packed(key, policy, reply, notices, seconds)
        except Exception as error:  # noqa: BLE001 - the answer is paid for, and is given
            if not self._told:
                self._told = True
                log.warning("an answer could not be kept: %s", error)
        if lead is None:
            return
        if found is None:
            self._flights.lost(lead, failed=True)
        else:
            self._flights.landed(lead, found)

    def _packed(
        self, key: str, policy: CachePolicy, reply: Reply, notices: frozenset[str], seconds: float
    ) -> Found:
        body = pack(reply, notices)
        return self.put(
            key, body, seconds, policy.tenant, reply.provider, reply.model, reply.cost_pico
        )

    def put(
        self,
        key: str,
        body: bytes,
        seconds: float,
        tenant: str,
        provider: str,
        model: str,
        cost_pico: Pico | None,
    ) -> Found:
        """Keep what was made just now for so long, unless it is too large."""
        now_us = int(self._clock() * 1e6)
        found = Found(body, now_us, now_us + int(seconds * 1e6))
        if len(body) > self._entry_bytes:
            return found
        self._remember(key, found)
        if self.store is not None:
            self.store.put(
                CacheRow(
                    key=key,
                    body=body,
                    created_at=found.created_at,
                    expires_at=found.expires_at,
                    tenant=tenant,
                    provider=provider,
                    model=model,
                    cost_pico=cost_pico,
                )
            )
        return found

    async def look(self, key: str, ttl: float) -> bytes | None:
        """What is kept under the key and not too old; counted as given."""
        found = self.memory.get(key, int(self._clock() * 1e6))
        remembered = found is not None
        if found is None and self.store is not None:
            found = await self.store.find(key)
        if found is None or not found.counts(int(self._clock() * 1e6), ttl):
            return None
        if not remembered:
            self._remember(key, found)
        if self.store is not None:
            self.store.hit(key)
        return found.body

    def _remember(self, key: str, found: Found) -> None:
        until = found.expires_at
        if self.store is not None:
            until = min(until, int(self._clock() * 1e6) + _FRESH_US)
        self.memory.put(key, found, until)

    def forget_flights(self) -> None:
        """In a forked child: those who ask stayed with the parent."""
        self._flights = Flights()


_CACHES: weakref.WeakSet[Cache] = weakref.WeakSet()


def _after_fork() -> None:
    for cache in list(_CACHES):
        cache.forget_flights()


os.register_at_fork(after_in_child=_after_fork)
