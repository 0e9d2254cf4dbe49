"""Azure OpenAI: deployments in place of models, a content filter in every reply."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from aiohttp import web

from llm_orchestrator.simulator.answers import Answer
from llm_orchestrator.simulator.ask import Ask
from llm_orchestrator.simulator.body import json_body
from llm_orchestrator.simulator.exchange import Exchange
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.frames import Frame
from llm_orchestrator.simulator.free import free_reply
from llm_orchestrator.simulator.front import nowhere
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.openai import errors
from llm_orchestrator.simulator.openai.chat import Chat, OpenAIWire
from llm_orchestrator.simulator.openai.embeddings import Embeddings
from llm_orchestrator.simulator.openai.replies import Writer, sse
from llm_orchestrator.simulator.openai.routes import OpenAIRoutes
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.responses.wire import Responses
from llm_orchestrator.simulator.wire import Wire
from llm_orchestrator.simulator.world import World

_SAFE: Final = {
    name: {"filtered": False, "severity": "safe"}
    for name in ("hate", "self_harm", "sexual", "violence")
}
_FOUND: Final = _SAFE | {"violence": {"filtered": True, "severity": "medium"}}


class AzureWords(OpenAIWire):
    """Keys, errors, headers and models; a deployment is named like its model."""

    provider = "azure"
    id_header = "apim-request-id"
    timing_header = ""

    def key(self, request: web.Request) -> str:
        own = request.headers.get("api-key", "").strip()
        if own or "Authorization" in request.headers:
            return own or super().key(request)
        message = (
            "Access denied due to missing subscription key. Make sure to include subscription key "
            "when making requests to an API."
        )
        raise Refusal(401, message, code="401", outcome="401 no key")

    def bad_key(self) -> Refusal:
        message = (
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to "
            "provide a valid key for an active subscription and use a correct regional API "
            "endpoint for your resource."
        )
        return Refusal(401, message, code="401", outcome="401 bad key")

    def error(self, refusal: Refusal, request_id: str) -> Any:
        del request_id
        body = errors.body(refusal)
        body["error"] |= refusal.details or {}
        if refusal.status == 429:
            body["error"]["code"] = refusal.code or "429"
        return body

    def model(self, body: Mapping[str, Any], world: World) -> Model:
        name = body.get("model")
        model = world.models.find("openai", name) if isinstance(name, str) else None
        if model is None:
            message = (
                "The API deployment for this resource does not exist. If you created the "
                "deployment within the last 5 minutes, please wait a moment and try again."
            )
            raise Refusal(404, message, code="DeploymentNotFound", outcome="404 no model")
        return model

    def fault(self, fault: Fault, ask: Ask) -> Refusal:
        if fault.name != "content-filter":
            return super().fault(fault, ask)
        inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": _FOUND}
        message = (
            "The response was filtered due to the prompt triggering Azure OpenAI's content "
            "management policy. Please modify your prompt and retry."
        )
        details = {"status": 400, "innererror": inner}
        outcome = "400 content_policy_violation"
        return Refusal(
            400, message, param="prompt", code="content_filter", details=details, outcome=outcome
        )

    def headers(self, world: World, account: str, model: str) -> dict[str, str]:
        """Resets are whole seconds."""
        headers = {"x-ms-region": "Simulated"}
        for what in ("requests", "tokens"):
            reading = world.limits.reading(account, model, what)
            headers[f"x-ratelimit-limit-{what}"] = str(reading.limit)
            headers[f"x-ratelimit-remaining-{what}"] = str(reading.remaining)
            headers[f"x-ratelimit-reset-{what}"] = str(math.ceil(reading.reset))
        return headers

    def unpack(self, body: dict[str, Any], request: web.Request) -> dict[str, Any]:
        """On the older paths the deployment is in the path, whatever the body says."""
        deployment = request.match_info.get("deployment")
        return body | ({"model": deployment} if deployment else {})


class AzureWriter(Writer):
    """The verdicts of the content filter, on the prompt and on each choice."""

    def _prompt(self) -> dict[str, Any]:
        return {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": _SAFE}]}

    def choice(self, index: int, answer: Answer) -> dict[str, Any]:
        found = _FOUND if answer.finish == "content_filter" else _SAFE
        return super().choice(index, answer) | {"content_filter_results": found}

    def plain(self) -> dict[str, Any]:
        return super().plain() | self._prompt()

    def chunk(self, index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        chunk = super().chunk(index, delta, finish)
        found = _FOUND if finish == "content_filter" else _SAFE
        chunk["choices"][0]["content_filter_results"] = (
            found if delta.get("content") or finish else {}
        )
        return chunk

    def frames(self) -> Iterator[Frame]:
        """The first chunk has no choices, only the verdict on the prompt."""
        head = self._head | {"id": "", "created": 0, "model": "", "choices": []}
        yield Frame("head", sse(head | self._prompt()))
        yield from super().frames()


class AzureChat(AzureWords, Chat):
    """Chat completions of Azure OpenAI."""

    name = "azure.chat"
    writer = AzureWriter


class AzureEmbeddings(AzureWords, Embeddings):
    """Embeddings of Azure OpenAI."""

    name = "azure.embeddings"


class AzureResponses(AzureWords, Responses):
    """Responses of Azure OpenAI."""

    name = "azure.responses"


class AzureRoutes:
    """Handlers for one world: the new paths, and the older ones with a deployment."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._wire = AzureChat()

    def routes(self) -> list[web.RouteDef]:
        """All paths under /azure."""
        new, old = "/azure/openai/v1", "/azure/openai/deployments/{deployment}"
        return [
            web.post(f"{new}/chat/completions", self._post(AzureChat)),
            web.post(f"{new}/embeddings", self._post(AzureEmbeddings)),
            web.post(f"{new}/responses", self._post(AzureResponses)),
            web.post(f"{new}/responses/input_tokens", self.count),
            web.get(f"{new}/models", self.models),
            web.post(f"{old}/chat/completions", self._dated(AzureChat)),
            web.post(f"{old}/embeddings", self._dated(AzureEmbeddings)),
            web.get("/azure/openai/models", self.models),
        ]

    def _post(self, wire: Callable[[], Wire]) -> Any:
        async def handler(request: web.Request) -> web.StreamResponse:
            return await Exchange(self._world, wire(), request).run()

        return handler

    def _dated(self, wire: Callable[[], Wire]) -> Any:
        async def handler(request: web.Request) -> web.StreamResponse:
            if "api-version" not in request.query:
                return nowhere(self._wire)
            return await Exchange(self._world, wire(), request).run()

        return handler

    async def models(self, request: web.Request) -> web.StreamResponse:
        return await free_reply(self._world, self._wire, "models", request, self._list)

    async def count(self, request: web.Request) -> web.StreamResponse:
        async def answer(request: web.Request) -> dict[str, Any]:
            ask = AzureResponses().read(await json_body(request), self._world)
            return {"object": "response.input_tokens", "input_tokens": ask.input_tokens}

        return await free_reply(self._world, self._wire, "count", request, answer)

    async def _list(self, _: web.Request) -> dict[str, Any]:
        return OpenAIRoutes(self._world).listing()
