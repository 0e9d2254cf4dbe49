"""Requests about files and batches: they cost nothing, and fail when a rule says so."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from os import SEEK_END
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.delivery import hang_up
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.front import Front
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World, account_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_PART: Final = 1 << 18
_WRONG: Final = b'{"error":{"message":"Something went wrong.","type":"server_error"}}\n'
_PAGE: Final = b"<html><head><title>502 Bad Gateway</title></head></html>\n"


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose key was checked: whose it is, and the fault that a rule has for it."""

    request: web.Request
    account: str
    fault: Fault | None = None

    def path(self, name: str) -> str:
        """A part of the path."""
        return self.request.match_info[name]

    @property
    def query(self) -> Mapping[str, str]:
        """The query of the address."""
        return self.request.query

    @property
    def batch_fault(self) -> Fault | None:
        """What is to become of the batch that this request makes."""
        return self.fault if self.fault and self.fault.stage == "batch" else None


Answer = Callable[[Call], Awaitable[Any]]


class HandlerMaker:
    """Makes handlers of one provider's operations: they check keys and play the faults of rules."""

    def __init__(self, world: World, front: Front) -> None:
        self._world = world
        self._front = front

    def __call__(self, operation: str, answer: Answer, status: int = 200) -> Handler:
        """A handler: the answer is a JSON value, or a reply of its own."""

        async def handler(request: web.Request) -> web.StreamResponse:
            return await self._handle(request, operation, answer, status)

        return handler

    async def _handle(
        self, request: web.Request, operation: str, answer: Answer, status: int
    ) -> web.StreamResponse:
        world, front = self._world, self._front
        request_id = front.request_id(world, world.number())
        headers = {front.id_header: request_id} if front.id_header else {}
        entry = self._entry(operation, request_id)
        world.log.append(entry)
        try:
            account = account_of(front.key(request))
            entry["account"] = account
            await front.admit(world, request)
            fault = world.faults.ruled(front.provider, account, "", operation)
            if fault and (ended := await self._before(request, fault)):
                entry |= {"action": fault.name, "status": ended.status}
                return ended
            given = await answer(Call(request, account, fault))
            if fault and (ended := await self._after(request, fault)):
                entry |= {"action": fault.name, "status": ended.status}
                return ended
            if isinstance(given, web.StreamResponse):
                entry["status"] = given.status
                return given
            body, headers["Content-Type"] = encode(given), "application/json"
        except Refusal as refusal:
            body, more = front.refused(refusal, request_id)
            status, headers = refusal.status, headers | more
            entry |= {"action": refusal.outcome, "status": status}
        entry["status"] = status
        return web.Response(status=status, body=body, headers=headers)

    def _entry(self, operation: str, request_id: str) -> dict[str, Any]:
        world, provider = self._world, self._front.provider
        return {
            "time": world.clock.now(),
            "t": round(world.clock.ticks() - world.started, 4),
            "provider": provider,
            "wire": f"{provider}.batches.{operation}",
            "account": "none",
            "request_id": request_id,
            "model": None,
            "action": operation,
            "status": 200,
        }

    async def _before(self, request: web.Request, fault: Fault) -> web.StreamResponse | None:
        """What a fault does in place of the operation."""
        if fault.name == "bad-gateway":
            return web.Response(status=502, body=_PAGE, content_type="text/html")
        if fault.stage == "status":
            message = "The server had an error while processing your request."
            if fault.status == 429:
                message = "Rate limit reached. Please try again later."
            raise Refusal(
                fault.status or 500, message, retry_after=fault.retry_after, outcome=fault.name
            )
        if fault.stage in {"socket", "late"}:
            if fault.stage == "late" or fault.name == "silence":
                await self._world.clock.wait(fault.seconds)
            if fault.stage == "socket":
                return _gone(request, reset=fault.name == "reset")
        return None

    async def _after(self, request: web.Request, fault: Fault) -> web.StreamResponse | None:
        """What a fault does to the reply of an operation that has taken place."""
        if fault.name in {"lost-reply", "lost-reply-reset"}:
            await self._world.clock.wait(fault.seconds)
            return _gone(request, reset=fault.name.endswith("reset"))
        if fault.name == "error-after-accept":
            message = "The server had an error while processing your request."
            raise Refusal(fault.status, message, outcome=fault.name)
        return None


def _gone(request: web.Request, *, reset: bool) -> web.Response:
    hang_up(request, reset=reset)
    return web.Response(status=499)


async def send_file(
    call: Call, path: Path, kind: str, headers: dict[str, str] | None = None
) -> web.StreamResponse:
    """A file as it is on disk, or the range asked for.

    A fault of a stream ends it half way; with `error-body` something else comes in its place.
    """
    request, fault = call.request, call.fault
    if fault is not None and fault.name == "error-body":
        return web.Response(body=_WRONG, content_type="application/json")
    broken = fault is not None and fault.stage == "stream"
    response = web.StreamResponse(headers={"Content-Type": kind} | (headers or {}))
    with path.open("rb") as file:
        size = file.seek(0, SEEK_END)
        start, end = _range(request.headers.get("Range", ""), size)
        if (start, end) != (0, size):
            response.set_status(206)
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        file.seek(start)
        response.content_length = end - start
        left = (end - start) // 2 if broken else end - start
        await response.prepare(request)
        while left and (data := file.read(min(_PART, left))):
            left -= len(data)
            await response.write(data)
    if broken and fault is not None:
        if fault.name == "stall":
            await asyncio.sleep(fault.seconds)
        hang_up(request, reset=fault.name == "cut-reset")
        return response
    await response.write_eof()
    return response


def _range(header: str, size: int) -> tuple[int, int]:
    """From which byte to which; all of them when nothing sensible is asked for."""
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", header)
    if not found or int(found[1]) >= size:
        return 0, size
    return int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
