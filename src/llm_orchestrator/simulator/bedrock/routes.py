"""The paths of Bedrock: the runtime and the lists of the control plane."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Final

from aiohttp import web

from llm_orchestrator.simulator import failover, paging
from llm_orchestrator.simulator.bedrock.content import only
from llm_orchestrator.simulator.bedrock.converse import Converse, read_prompt
from llm_orchestrator.simulator.bedrock.errors import constraint, invalid
from llm_orchestrator.simulator.bedrock.invoke import Invoke
from llm_orchestrator.simulator.bedrock.service import (
    by_profile,
    find,
    geography,
    named,
    region_of,
)
from llm_orchestrator.simulator.body import json_body
from llm_orchestrator.simulator.exchange import Exchange
from llm_orchestrator.simulator.free import free_reply
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World

_ACCOUNT: Final = "123456789012"


class BedrockRoutes:
    """Handlers for one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._wire = Converse()

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """All paths under a prefix such as /bedrock."""
        model = f"{prefix}/model/{{model:[^/]+}}"
        return [
            web.post(f"{model}/converse", self.converse),
            web.post(f"{model}/converse-stream", self.converse_stream),
            web.post(f"{model}/invoke", self.invoke),
            web.post(f"{model}/count-tokens", self.count),
            web.get(f"{prefix}/foundation-models", self.models),
            web.get(f"{prefix}/foundation-models/{{model:[^/]+}}", self.model),
            web.get(f"{prefix}/inference-profiles", self.profiles),
        ]

    async def converse(self, request: web.Request) -> web.StreamResponse:
        return await Exchange(self._world, self._wire, request).run()

    async def converse_stream(self, request: web.Request) -> web.StreamResponse:
        return await Exchange(self._world, Converse(stream=True), request).run()

    async def invoke(self, request: web.Request) -> web.StreamResponse:
        return await Exchange(self._world, Invoke(), request).run()

    async def count(self, request: web.Request) -> web.StreamResponse:
        return await free_reply(self._world, self._wire, "count", request, self._count)

    async def models(self, request: web.Request) -> web.StreamResponse:
        return await free_reply(self._world, self._wire, "models", request, self._list)

    async def model(self, request: web.Request) -> web.StreamResponse:
        return await free_reply(self._world, self._wire, "models", request, self._one)

    async def profiles(self, request: web.Request) -> web.StreamResponse:
        return await free_reply(self._world, self._wire, "profiles", request, self._profiles)

    async def _count(self, request: web.Request) -> dict[str, Any]:
        body = await json_body(request)
        name = named(request.match_info["model"])
        model = find(name, region_of(request.headers), self._world, counting=True)
        kind, value = only(body.get("input"), "input")
        if kind == "invokeModel":
            value = _invoked(value)
        if not isinstance(value, dict):
            raise invalid("Malformed input request: #/input: expected type: JSONObject.")
        return {"inputTokens": read_prompt(value, model).input_tokens}

    def _every(self) -> list[Model]:
        simulated = (self._world.models.find("bedrock", name) for name in failover.MODELS)
        return [*self._world.models.of("bedrock"), *(model for model in simulated if model)]

    async def _list(self, request: web.Request) -> dict[str, Any]:
        """All models but inference profiles, in one page."""
        region = region_of(request.headers) or "us-east-1"
        shown = [_show(m, region, self._world) for m in self._every() if not geography(m)]
        filters = {
            "byOutputModality": "outputModalities",
            "byInferenceType": "inferenceTypesSupported",
            "byProvider": "providerName",
        }
        for query, field in filters.items():
            wanted = request.query.get(query)
            if wanted is not None:
                shown = [model for model in shown if wanted in model[field]]
        return {"modelSummaries": shown}

    async def _one(self, request: web.Request) -> dict[str, Any]:
        name = named(request.match_info["model"])
        model = self._world.models.find("bedrock", name)
        if model is None or geography(model):
            raise Refusal(
                404,
                f"Could not resolve the foundation model from the model identifier: {name}",
                outcome="404 no model",
            )
        region = region_of(request.headers) or "us-east-1"
        return {"modelDetails": _show(model, region, self._world)}

    async def _profiles(self, request: web.Request) -> dict[str, Any]:
        region = region_of(request.headers) or "us-east-1"
        every = [model for model in self._every() if geography(model)]
        size = request.query.get("maxResults", "100")
        if not size.isdigit() or not 1 <= int(size) <= 1000:
            raise constraint(size, "maxResults", "have value between 1 and 1000")
        start = _start(request.query.get("nextToken", ""))
        end = start + int(size)
        body: dict[str, Any] = {
            "inferenceProfileSummaries": [_profile(model, region) for model in every[start:end]]
        }
        if end < len(every):
            body["nextToken"] = paging.token(end)
        return body


def _invoked(value: Any) -> Any:
    """The body inside of a count for InvokeModel: base64 of JSON, with messages as Claude's."""
    try:
        body = json.loads(base64.b64decode(str(value["body"])))
        messages = body["messages"]
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise invalid("The body of invokeModel must be JSON with messages.") from None
    turns = []
    for message in messages if isinstance(messages, list) else []:
        content = message.get("content") if isinstance(message, dict) else None
        blocks = [{"text": content}] if isinstance(content, str) else content
        texts = [{"text": b.get("text")} for b in blocks or [] if isinstance(b, dict)]
        turns.append({"role": message.get("role"), "content": texts})
    return {"messages": turns}


def _start(token: str) -> int:
    position = paging.start(token)
    if position is None:
        raise invalid("Invalid nextToken.")
    return position


def _show(model: Model, region: str, world: World) -> dict[str, Any]:
    embeds = model.mode == "embedding"
    maker = model.id.partition(".")[0].title() if "." in model.id else "Simulator"
    old = bool(model.retired or model.deprecated)
    lifecycle: dict[str, Any] = {"status": "LEGACY" if old else "ACTIVE"}
    if model.retired:
        lifecycle["endOfLifeTime"] = f"{model.retired[:10]}T00:00:00Z"
    del world
    return {
        "modelArn": f"arn:aws:bedrock:{region}::foundation-model/{model.id}",
        "modelId": model.id,
        "modelName": model.id.partition(".")[2].replace("-", " ").title() or model.id,
        "providerName": maker,
        "inputModalities": ["TEXT", "IMAGE"] if model.can("vision") and not embeds else ["TEXT"],
        "outputModalities": ["EMBEDDING" if embeds else "TEXT"],
        "responseStreamingSupported": not embeds,
        "customizationsSupported": [],
        "inferenceTypesSupported": [] if by_profile(model) else ["ON_DEMAND"],
        "modelLifecycle": lifecycle,
    }


def _profile(model: Model, region: str) -> dict[str, Any]:
    inner = model.id.partition(".")[2]
    return {
        "inferenceProfileName": f"{geography(model).upper()} {inner}",
        "description": f"Routes requests to {inner} within a geography.",
        "inferenceProfileArn": f"arn:aws:bedrock:{region}:{_ACCOUNT}:inference-profile/{model.id}",
        "inferenceProfileId": model.id,
        "models": [{"modelArn": f"arn:aws:bedrock:{region}::foundation-model/{inner}"}],
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
        "createdAt": "2026-01-01T00:00:00Z",
        "updatedAt": "2026-01-01T00:00:00Z",
    }
