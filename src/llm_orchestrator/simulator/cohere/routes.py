"""The paths of Cohere's API."""

from __future__ import annotations

import zlib
from typing import Any

from aiohttp import web

from llm_orchestrator.simulator import failover, paging, tokens
from llm_orchestrator.simulator.body import json_body
from llm_orchestrator.simulator.cohere.chat import Chat
from llm_orchestrator.simulator.cohere.embed import Embed
from llm_orchestrator.simulator.cohere.errors import invalid, no_model
from llm_orchestrator.simulator.exchange import Exchange
from llm_orchestrator.simulator.free import free_reply
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.world import World

_LONGEST = 65_536


class CohereRoutes:
    """Handlers for one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._wire = Chat()

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """What is posted, under a prefix such as /cohere; lists of models are apart."""
        return [
            web.post(f"{prefix}/v2/chat", self.chat),
            web.post(f"{prefix}/v2/embed", self.embed),
            web.post(f"{prefix}/v1/tokenize", self.tokenize),
        ]

    async def chat(self, request: web.Request) -> web.StreamResponse:
        return await Exchange(self._world, self._wire, request).run()

    async def embed(self, request: web.Request) -> web.StreamResponse:
        return await Exchange(self._world, Embed(), request).run()

    async def tokenize(self, request: web.Request) -> web.StreamResponse:
        return await free_reply(self._world, self._wire, "tokenize", request, self._tokenize)

    async def models(self, request: web.Request) -> web.StreamResponse:
        """A page of models."""
        return await free_reply(self._world, self._wire, "models", request, self._list)

    async def model(self, request: web.Request) -> web.StreamResponse:
        """One model."""
        return await free_reply(self._world, self._wire, "models", request, self._one)

    async def _tokenize(self, request: web.Request) -> dict[str, Any]:
        body = await json_body(request)
        name, text = body.get("model"), body.get("text")
        if not isinstance(name, str) or self._world.models.find("cohere", name) is None:
            raise no_model(str(name))
        if not isinstance(text, str) or not 1 <= len(text) <= _LONGEST:
            raise invalid(f"text must have 1 to {_LONGEST} characters.")
        parts = tokens.split(text)
        numbers = [zlib.crc32(part.encode("utf-8", "replace")) % 255_000 for part in parts]
        meta = {"api_version": {"version": "1"}}
        return {"tokens": numbers, "token_strings": parts, "meta": meta}

    async def _one(self, request: web.Request) -> dict[str, Any]:
        name = request.match_info["model"]
        model = self._world.models.find("cohere", name)
        if model is None:
            raise no_model(name)
        return _show(model)

    async def _list(self, request: web.Request) -> dict[str, Any]:
        simulated = (self._world.models.find("cohere", name) for name in failover.MODELS)
        every = [*self._world.models.of("cohere"), *(model for model in simulated if model)]
        shown = [_show(model) for model in every]
        endpoint = request.query.get("endpoint")
        if endpoint:
            shown = [model for model in shown if endpoint in model["endpoints"]]
        size = request.query.get("page_size", "20")
        if not size.isdigit() or not 1 <= int(size) <= 1000:
            raise invalid("page_size must be between 1 and 1000.")
        start = _start(request.query.get("page_token", ""))
        end = start + int(size)
        body: dict[str, Any] = {"models": shown[start:end]}
        if end < len(shown):
            body["next_page_token"] = paging.token(end)
        return body


def _start(token: str) -> int:
    position = paging.start(token)
    if position is None:
        raise invalid("page_token is not valid.")
    return position


def _show(model: Model) -> dict[str, Any]:
    embeds = model.mode == "embedding"
    names = {
        "tools": "tools",
        "schema": "json_schema",
        "vision": "vision",
        "reasoning": "reasoning",
    }
    known = model.abilities is not None
    features = [name for ability, name in names.items() if known and model.can(ability)]
    return {
        "name": model.id,
        "is_deprecated": bool(model.deprecated or model.retired),
        "endpoints": ["embed"] if embeds else ["chat"],
        "finetuned": False,
        "context_length": model.context,
        "default_endpoints": [],
        "features": features or None,
    }
