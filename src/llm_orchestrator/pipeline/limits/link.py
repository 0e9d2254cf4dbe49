"""One event loop's connection to the shared count, and what waits to go over it."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from llm_orchestrator.pipeline.limits.connect import Connection

if TYPE_CHECKING:
    from llm_orchestrator.pipeline.limits.line import Take
    from llm_orchestrator.pipeline.limits.shared import Shared

Answer: TypeAlias = Callable[[float | None, str], None]
"""Told the seconds to wait, 0 for none, ``None`` for no answer; and the gate that lacks room."""
Op: TypeAlias = tuple[str, list[list[Any]]]
"""A take's name with its gates, or no name with what has changed; each gate begins with its key."""

PREFIX = "llmo:limits:"
LEASE_MS = 30_000
"""How long the slots of a process that died stay taken."""
_RENEW_S = 10.0
_SEEN_MS = 30_000
"""A process that asked nothing for so long does not count as one."""
_CONNECT_S = 1.0
_AT_ONCE = 256


class Link:
    """The connection of one loop, and what waits to go over it."""

    def __init__(self, shared: "Shared", loop: asyncio.AbstractEventLoop) -> None:
        self._shared = shared
        self._loop = loop
        self._ops: deque[tuple[Op, Take | None, Answer | None]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._client: Connection | None = None
        self._held: dict[str, list[str]] = {}
        """Slots that are taken: the name to its keys."""
        self._timer: asyncio.TimerHandle | None = None
        self._known = False

    def put(self, op: Op, take: "Take | None" = None, answer: Answer | None = None) -> None:
        """Send it with the next batch."""
        self._ops.append((op, take, answer))
        if running() is self._loop:
            self._begin()
        else:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._begin)

    def release(self, member: str) -> None:
        """Its slots are given back: no lease of them is renewed any more."""
        self._held.pop(member, None)

    async def close(self) -> None:
        """Send the rest and hang up."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            with suppress(Exception):
                await self._task
        await self._drop()

    def _begin(self) -> None:
        if self._task is None:
            self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._ops:
                batch = [self._ops.popleft() for _ in range(min(len(self._ops), _AT_ONCE))]
                answers = await self._exchange([op for op, _, _ in batch])
                for number, (op, take, answer) in enumerate(batch):
                    told = None if answers is None else answers[number]
                    self._deal(op, take, answer, told)
        finally:
            self._task = None

    def _deal(self, op: Op, take: "Take | None", answer: Answer | None, told: Any) -> None:
        if take is None or answer is None:
            return
        if told is None:
            answer(None, "")
        elif told and told[0] == -1:
            answer(told[1] / 1000, op[1][told[2] - 1][0])
        else:
            take.marks = told
            keys = [gate[0] for gate in op[1] if gate[1] == "s"]
            if keys:
                self._held[take.member] = keys
                self._renew_later()
            answer(0.0, "")

    async def _exchange(self, ops: Sequence[Op]) -> list[Any] | None:
        """The answers; ``None`` when Redis gave none in time."""
        shared = self._shared
        keys = {PREFIX + "processes": 1}
        written = [
            (member, [[keys.setdefault(PREFIX + g[0], len(keys) + 1), *g[1:]] for g in gates])
            for member, gates in ops
        ]
        arguments = (*keys, shared.me, _SEEN_MS, msgspec.json.encode(written))
        limit = shared.timeout if self._known else max(_CONNECT_S, shared.timeout)
        try:
            async with asyncio.timeout(limit):
                if self._client is None:
                    self._client = Connection(shared.url, shared.timeout)
                seen, *answers = await self._client.run(len(keys), *arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, calls go on without it
            shared.failed(error)
            await self._drop()
            return None
        self._known = True
        shared.answered(seen)
        told: list[Any] = answers
        return told

    async def _drop(self) -> None:
        client, self._client, self._known = self._client, None, False
        if client is not None:
            with suppress(Exception):
                async with asyncio.timeout(self._shared.timeout):
                    await client.close()

    def _renew_later(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(_RENEW_S, self._renew)

    def _renew(self) -> None:
        self._timer = None
        if self._held:
            gates = [[k, "r", m, LEASE_MS] for m, keys in self._held.items() for k in keys]
            if self._shared.up:
                self.put(("", gates))
            self._renew_later()


def running() -> asyncio.AbstractEventLoop | None:
    """The loop of this thread, if one runs."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
