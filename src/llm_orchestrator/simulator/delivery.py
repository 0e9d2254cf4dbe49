"""Sending a reply, with its pace and its fault, and counting what was generated on the way."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from aiohttp import web

from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.clock import Clock
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.frames import BREAKS, Break, Frame, Step, script
from llm_orchestrator.simulator.latency import Pace
from llm_orchestrator.simulator.prices import Usage
from llm_orchestrator.simulator.wire import Reply, Wire

_LIE: Final = 64  # how many bytes a wrong Content-Length promises too much
_TICK: Final = 0.0005


class Pacer:
    """The schedule of one reply: when each token is due. `extra` delays the first, in seconds."""

    def __init__(self, clock: Clock, pace: Pace, extra: float = 0.0) -> None:
        self._clock = clock
        self._token = clock.scaled(pace.token)
        self._due = clock.ticks() + clock.scaled(pace.first) + extra
        self._begun = False

    def delay(self, tokens: int) -> float:
        """Seconds from now until these tokens are there."""
        self._due += self._token * (tokens if self._begun else tokens - 1)
        self._begun = True
        return self._due - self._clock.ticks()


@dataclass(slots=True)
class Delivery:
    """One reply on its way to one client."""

    request: web.Request
    wire: Wire
    reply: Reply
    usage: Usage  # grows while tokens are generated
    headers: dict[str, str]
    pacer: Pacer
    fault: Fault | None
    settled: Callable[[str], None]  # called with the outcome before the client can see the end

    async def send(self) -> web.StreamResponse:
        """Send the reply; returns when all is sent or the fault has ended it."""
        if self.reply.ask.stream:
            return await self._stream()
        return await self._plain()

    async def _wait(self, seconds: float) -> None:
        await self.reply.world.clock.wait(seconds)

    @property
    def _name(self) -> str:
        return self.fault.name if self.fault else ""

    # ---------------------------------------------------------------- streams

    async def _stream(self) -> web.StreamResponse:
        frames = self.wire.frames(self.reply)
        headers = self.headers | {"Content-Type": self.wire.stream_type}
        headers["Cache-Control"] = "no-cache"
        response = web.StreamResponse(headers=headers)
        steps = self.wire.wrapped(script(frames, self.fault, self.wire.spare(self.reply)))
        if self._name == "wrong-length":
            known = list(steps)
            sizes = (len(step.data) for step in known if isinstance(step, Frame))
            response.content_length = sum(sizes) + _LIE
            steps = iter(known)
        await response.prepare(self.request)
        await self._play(response, steps)
        return response

    async def _play(self, response: web.StreamResponse, steps: Iterable[Step]) -> None:
        pending = bytearray()
        outcome = "ok"
        for step in steps:
            if isinstance(step, Break):
                await self._flush(response, pending)
                await self._wait(step.seconds)
                self.settled(self._name)
                if step.how != "end":
                    hang_up(self.request, reset=step.how == "reset")
                return
            if step.tokens:
                delay = self.pacer.delay(step.tokens)
                if delay > _TICK:
                    await self._flush(response, pending)
                    await self._wait(delay)
                self.usage.output_tokens += step.tokens
                self.usage.reasoning_tokens += step.tokens if step.thought else 0
            pending += step.data
            if step.part == "done":
                outcome = self._name or "ok"
        self.settled(self._name or outcome)
        await self._flush(response, pending)

    async def _flush(self, response: web.StreamResponse, pending: bytearray) -> None:
        data = bytes(pending)
        pending.clear()
        if self._name != "split-utf8":
            if data:
                await response.write(data)
            return
        for piece in split_inside_characters(data):
            await response.write(piece)
            await self._wait(0.001)

    # ---------------------------------------------------------------- plain replies

    async def _plain(self) -> web.StreamResponse:
        total = self.reply.usage.output_tokens
        name = self._name
        if name in BREAKS or name == "error-mid":
            total = min(total, self.fault.after if self.fault else 0)
        elif name == "error-first":
            total = 0
        late = name == "slow-first"
        response = web.StreamResponse(headers=self.headers | {"Content-Type": "application/json"})
        data = encode(self.wire.plain(self.reply))
        if late:
            response.content_length = len(data)
            await response.prepare(self.request)
        await self._generate(total)
        if name in {"error-first", "error-mid"}:
            data = self.wire.spare(self.reply).error_body
        elif name in {"malformed", "cut-clean"}:
            data = data[: len(data) * 2 // 3]
        if not late and name != "split-utf8":
            response.content_length = len(data) + (_LIE if name == "wrong-length" else 0)
        await self._whole(response, data)
        return response

    async def _generate(self, tokens: int) -> None:
        """Let the time of these tokens pass; what is done counts even when the client leaves."""
        thought = self.reply.usage.reasoning_tokens
        delay = self.pacer.delay(1)
        rest = self.pacer.delay(tokens - 1) if tokens > 1 else delay
        started = self.reply.world.clock.ticks()
        try:
            await self._wait(max(delay, rest))
        except asyncio.CancelledError:
            spent = self.reply.world.clock.ticks() - started - delay
            share = spent / (rest - delay) if rest > delay else 1.0
            tokens = max(0, min(tokens, int(tokens * share)))
            raise
        finally:
            self.usage.output_tokens += tokens
            self.usage.reasoning_tokens += min(thought, tokens)

    async def _whole(self, response: web.StreamResponse, data: bytes) -> None:
        if not response.prepared:
            await response.prepare(self.request)
        self.settled(self._name or "ok")
        if self._name in {"cut", "cut-reset", "stall"}:
            await response.write(data[: len(data) // 2])
            await self._wait(self.fault.seconds if self.fault else 0)
            hang_up(self.request, reset=self._name == "cut-reset")
            return
        if self._name == "split-utf8":
            await self._flush(response, bytearray(data))
        else:
            await response.write(data)
        if self._name == "wrong-length":
            hang_up(self.request)


def hang_up(request: web.Request, *, reset: bool = False) -> None:
    """Close the connection without ending the reply; `reset` sends RST in place of FIN."""
    transport = request.transport
    if transport is None:
        return
    if reset:
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()


def split_inside_characters(data: bytes) -> list[bytes]:
    """Cut bytes so that each character of several bytes is torn apart."""
    cuts = [n for n in range(1, len(data)) if data[n] & 0xC0 == 0x80]
    edges = [0, *cuts, len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]
