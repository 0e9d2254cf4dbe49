"""The paths of OpenAI's API: what generates, and what is free."""

from __future__ import annotations

import calendar
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from llm_orchestrator.simulator import failover
from llm_orchestrator.simulator.body import json_body
from llm_orchestrator.simulator.exchange import Exchange
from llm_orchestrator.simulator.free import free_reply
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.openai import errors
from llm_orchestrator.simulator.openai.chat import Chat
from llm_orchestrator.simulator.openai.embeddings import Embeddings
from llm_orchestrator.simulator.responses.wire import Responses, no_response
from llm_orchestrator.simulator.world import World

_EPOCH = 1_715_367_049
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class OpenAIRoutes:
    """Handlers for one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._wire = Chat()

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """All paths under a prefix such as /openai/v1."""
        return [
            web.post(f"{prefix}/chat/completions", self.chat),
            web.post(f"{prefix}/embeddings", self.embeddings),
            web.post(f"{prefix}/responses", self.responses),
            web.post(f"{prefix}/responses/input_tokens", self.count),
            web.get(f"{prefix}/responses/{{response}}", self.kept),
            web.delete(f"{prefix}/responses/{{response}}", self.forget),
        ]

    async def chat(self, request: web.Request) -> web.StreamResponse:
        return await Exchange(self._world, Chat(), request).run()

    async def embeddings(self, request: web.Request) -> web.StreamResponse:
        return await Exchange(self._world, Embeddings(), request).run()

    async def responses(self, request: web.Request) -> web.StreamResponse:
        return await Exchange(self._world, Responses(), request).run()

    async def kept(self, request: web.Request) -> web.StreamResponse:
        """A response that was stored."""
        return await free_reply(self._world, self._wire, "responses", request, self._kept)

    async def forget(self, request: web.Request) -> web.StreamResponse:
        """Delete a stored response."""
        return await free_reply(self._world, self._wire, "responses", request, self._forget)

    async def models(self, request: web.Request) -> web.StreamResponse:
        """The list, in one page."""
        return await free_reply(self._world, self._wire, "models", request, self._list)

    async def model(self, request: web.Request) -> web.StreamResponse:
        return await free_reply(self._world, self._wire, "models", request, self._one)

    async def count(self, request: web.Request) -> web.StreamResponse:
        return await free_reply(self._world, self._wire, "count", request, self._count)

    async def _list(self, _: web.Request) -> dict[str, Any]:
        return self.listing()

    def listing(self) -> dict[str, Any]:
        """All models."""
        listed = self._world.models.of("openai")
        simulated = (self._world.models.find("openai", name) for name in failover.MODELS)
        every = [*listed, *(model for model in simulated if model)]
        return {"object": "list", "data": [_show(model) for model in every]}

    async def _one(self, request: web.Request) -> dict[str, Any]:
        name = request.match_info["model"]
        model = self._world.models.find("openai", name)
        if model is None:
            raise errors.no_model(name)
        return _show(model)

    async def _count(self, request: web.Request) -> dict[str, Any]:
        ask = Responses().read(await json_body(request), self._world)
        return {"object": "response.input_tokens", "input_tokens": ask.input_tokens}

    async def _kept(self, request: web.Request) -> Any:
        name = request.match_info["response"]
        found = self._world.kept.get(name)
        if found is None:
            raise no_response(name)
        return found["response"]

    async def _forget(self, request: web.Request) -> dict[str, Any]:
        name = request.match_info["response"]
        if self._world.kept.pop(name, None) is None:
            raise no_response(name)
        return {"id": name, "object": "response", "deleted": True}


def _show(model: Model) -> dict[str, Any]:
    created = _EPOCH
    if model.released:
        created = calendar.timegm(time.strptime(model.released[:10], "%Y-%m-%d"))
    owner = "simulator" if model.simulated else "system"
    shown = {"id": model.id, "object": "model", "created": created, "owned_by": owner}
    return shown | ({"shutdown_date": model.retired} if model.retired else {})
