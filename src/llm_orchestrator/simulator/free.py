"""Requests that cost nothing: lists of models and counts of tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.front import Front
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World, account_of

Answer = Callable[[web.Request], Awaitable[Any]]


async def free_reply(
    world: World, front: Front, name: str, request: web.Request, answer: Answer
) -> web.Response:
    """The answer or its refusal; in the log, not on the bill."""
    request_id = front.request_id(world, world.number())
    entry: dict[str, Any] = {
        "time": world.clock.now(),
        "t": round(world.clock.ticks() - world.started, 4),
        "provider": front.provider,
        "wire": f"{front.provider}.{name}",
        "account": "none",
        "request_id": request_id,
        "model": request.match_info.get("model"),
        "action": "free",
        "status": 200,
    }
    world.log.append(entry)
    try:
        entry["account"] = account_of(front.key(request))
        await front.admit(world, request)
        body, status = encode(await answer(request)), 200
        headers = {"Content-Type": "application/json"}
    except Refusal as refusal:
        (body, headers), status = front.refused(refusal, request_id), refusal.status
        entry |= {"action": refusal.outcome, "status": status}
    if front.id_header:
        headers[front.id_header] = request_id
    return web.Response(status=status, body=body, headers=headers)
