"""The paths of Google's APIs: the Gemini API and Vertex AI."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from llm_orchestrator.simulator import failover, paging
from llm_orchestrator.simulator.body import json_body
from llm_orchestrator.simulator.exchange import Exchange
from llm_orchestrator.simulator.free import free_reply
from llm_orchestrator.simulator.front import nowhere
from llm_orchestrator.simulator.gemini import shape
from llm_orchestrator.simulator.gemini.embeddings import Embed
from llm_orchestrator.simulator.gemini.errors import invalid
from llm_orchestrator.simulator.gemini.generate import Generate, read_prompt
from llm_orchestrator.simulator.gemini.place import EMBEDDERS, OURS, Google, Place, place_of
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World

VERSIONS: Final = "{version:v1|v1alpha|v1beta|v1beta1}"
"""The versions of the API in a path."""

_MODEL: Final = "{model:[^/]+?}:{method:[A-Za-z]+}"
PROJECT: Final = "projects/{project}/locations/{location}"
"""The project and location in a path of Vertex AI."""


class GeminiRoutes:
    """Handlers for one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """What is posted, under a prefix such as /gemini; lists of models are apart."""
        base = f"{prefix}/{VERSIONS}"
        return [
            web.post(f"{base}/models/{_MODEL}", self.post),
            web.post(f"{base}/{PROJECT}/publishers/google/models/{_MODEL}", self.post),
            web.post(f"{base}/publishers/google/models/{_MODEL}", self.post),
            web.get(f"{base}/publishers/google/models", self.models),
            web.get(f"{base}/publishers/google/models/{{model}}", self.model),
            web.get(f"{base}/{PROJECT}/publishers/google/models/{{model}}", self.model),
        ]

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Any method of a model; what comes after the colon names it."""
        place, method = place_of(request), request.match_info["method"]
        if method == "generateContent":
            return await Exchange(self._world, Generate(place), request).run()
        if method == "streamGenerateContent":
            shown = request.query.get("alt", request.query.get("$alt", "json"))
            stream = "sse" if shown == "sse" else "array"
            return await Exchange(self._world, Generate(place, stream), request).run()
        if method in EMBEDDERS and (method != "predict" or place.provider == "vertex"):
            return await Exchange(self._world, Embed(place, method), request).run()
        if method == "countTokens":
            return await free_reply(self._world, Generate(place), "count", request, self._count)
        return nowhere(Generate(place))

    async def models(self, request: web.Request) -> web.StreamResponse:
        """A page of models."""
        place = place_of(request)
        return await free_reply(self._world, Generate(place), "models", request, self._list)

    async def model(self, request: web.Request) -> web.StreamResponse:
        """One model."""
        place = place_of(request)
        return await free_reply(self._world, Generate(place), "models", request, self._one)

    async def _count(self, request: web.Request) -> dict[str, Any]:
        place = place_of(request)
        body = shape.read(await json_body(request), shape.COUNT)
        inner = body.get("generateContentRequest", body)
        if inner is not body and "contents" in body:
            raise invalid("contents and generateContentRequest are mutually exclusive.")
        named = {"model": request.match_info["model"]}
        model = Google(place).model(named, self._world, "countTokens")
        ask = read_prompt(inner, model)
        pictures = ask.options["pictures"]
        text = ask.input_tokens - pictures
        details = [{"modality": "TEXT", "tokenCount": text}]
        if pictures:
            details.append({"modality": "IMAGE", "tokenCount": pictures})
        counts: dict[str, Any] = {"totalTokens": ask.input_tokens, "promptTokensDetails": details}
        if place.provider == "vertex":
            counts["totalBillableCharacters"] = sum(len(turn.text) for turn in ask.turns)
        return counts

    def _every(self, provider: str) -> list[Model]:
        listed = [m for m in self._world.models.of(provider) if OURS.match(m.id)]
        simulated = (self._world.models.find(provider, name) for name in failover.MODELS)
        return [*listed, *(model for model in simulated if model)]

    async def _one(self, request: web.Request) -> dict[str, Any]:
        place, name = place_of(request), request.match_info["model"]
        model = self._world.models.find(place.provider, name)
        if model is None:
            raise Refusal(
                404,
                f"Model is not found: {place.model_path(name)} for api version {place.version}",
                outcome="404 no model",
            )
        return _show(place, model)

    async def _list(self, request: web.Request) -> dict[str, Any]:
        place = place_of(request)
        every = self._every(place.provider)
        size = request.query.get("pageSize", "50")
        if not size.isdigit():
            raise invalid(f"Invalid value at 'page_size' (TYPE_INT32), \"{size}\"", "page_size")
        start = _start(request.query.get("pageToken", ""))
        end = start + (min(int(size), 1000) or 50)
        shown = [_show(place, model) for model in every[start:end]]
        body: dict[str, Any] = {
            "models" if place.provider == "gemini" else "publisherModels": shown
        }
        if end < len(every):
            body["nextPageToken"] = paging.token(end)
        return body


def _start(token: str) -> int:
    position = paging.start(token)
    if position is None:
        raise invalid("Invalid page token.", "page_token")
    return position


def _show(place: Place, model: Model) -> dict[str, Any]:
    if place.provider == "vertex":
        return {
            "name": f"publishers/google/models/{model.id}",
            "versionId": "default",
            "launchStage": "GA",
        }
    if model.mode == "embedding":
        methods = ["embedContent", "countTextTokens", "countTokens", "asyncBatchEmbedContent"]
    else:
        methods = ["generateContent", "countTokens", "createCachedContent", "batchGenerateContent"]
    shown = {
        "name": f"models/{model.id}",
        "version": "001",
        "displayName": model.id.replace("-", " ").title(),
        "description": "A model of the simulator's catalogue.",
        "inputTokenLimit": model.context,
        "outputTokenLimit": model.max_output,
        "supportedGenerationMethods": methods,
    }
    thinks = model.abilities is not None and model.can("reasoning")
    sampling = {"temperature": 1, "topP": 0.95, "topK": 64, "maxTemperature": 2}
    return (
        shown | (sampling if model.can("sampling") else {}) | ({"thinking": True} if thinks else {})
    )
