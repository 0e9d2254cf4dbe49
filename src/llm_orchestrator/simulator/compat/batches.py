"""Batches of the providers that follow OpenAI's: Azure, Groq, DeepInfra and Perplexity."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from llm_orchestrator.simulator.batches.batch import Batch
from llm_orchestrator.simulator.batches.files import DAY, StoredFile
from llm_orchestrator.simulator.batches.handlers import Call
from llm_orchestrator.simulator.compat.agent import PerplexityAgent
from llm_orchestrator.simulator.compat.azure import AzureChat, AzureEmbeddings, AzureResponses
from llm_orchestrator.simulator.compat.deepinfra import DeepInfra, DeepInfraEmbeddings
from llm_orchestrator.simulator.compat.groq import Groq
from llm_orchestrator.simulator.compat.perplexity import Perplexity
from llm_orchestrator.simulator.front import nowhere
from llm_orchestrator.simulator.openai.batch_format import OpenAIFormat
from llm_orchestrator.simulator.openai.batches import FileBatches
from llm_orchestrator.simulator.openai.errors import invalid
from llm_orchestrator.simulator.world import World

_WINDOW: Final = re.compile(r"(\d{1,3})([hd])")
_LATER: Final = ("model", "usage")  # facts of OpenAI's batches that are newer than the others


class AzureBatches(FileBatches):
    """Azure OpenAI: OpenAI's, also on the older paths and with endpoints as those have them."""

    def __init__(self, world: World) -> None:
        wires = {
            "chat/completions": AzureChat,
            "responses": AzureResponses,
            "embeddings": AzureEmbeddings,
        }
        endpoints = {
            f"{start}{path}": wire for path, wire in wires.items() for start in ("/v1/", "/")
        }
        super().__init__(world, AzureChat(), OpenAIFormat("azure", endpoints))

    def dated(self, prefix: str) -> list[web.RouteDef]:
        """The older paths, which need a version in the query."""
        return [
            web.route(route.method, route.path, _versioned(route.handler))
            for route in self.routes(prefix)
        ]


def _versioned(answer: Any) -> Any:
    async def handler(request: web.Request) -> web.StreamResponse:
        if "api-version" not in request.query:
            return nowhere(AzureChat())
        found: web.StreamResponse = await answer(request)
        return found

    return handler


class GroqBatches(FileBatches):
    """Groq: chat alone, windows of up to a week, one list without pages."""

    purposes = ("batch",)

    def __init__(self, world: World) -> None:
        batch_format = OpenAIFormat(
            "groq", {"/v1/chat/completions": Groq}, most_bytes=100_000_000, one_model=False
        )
        super().__init__(world, Groq(), batch_format)

    def window(self, body: dict[str, Any]) -> float:
        found = _WINDOW.fullmatch(str(body.get("completion_window")))
        seconds = int(found[1]) * (3600.0 if found[2] == "h" else DAY) if found else 0.0
        if not DAY <= seconds <= 7 * DAY:
            message = "`completion_window` must be a duration from 24h to 7d"
            raise invalid(message, "completion_window", "invalid_value")
        return seconds

    def show(self, batch: Batch) -> dict[str, Any]:
        return _without(super().show(batch), _LATER)

    async def batches(self, call: Call) -> Any:
        found = await self.up_to_date(self.listed(call))
        return {"object": "list", "data": [self.show(batch) for batch in found]}


class DeepInfraBatches(FileBatches):
    """DeepInfra: as OpenAI's, for chat and embeddings."""

    purposes = ("batch",)

    def __init__(self, world: World) -> None:
        wires = {"/v1/chat/completions": DeepInfra, "/v1/embeddings": DeepInfraEmbeddings}
        super().__init__(world, DeepInfra(), OpenAIFormat("deepinfra", wires))


class PerplexityBatches(FileBatches):
    """Perplexity: the Responses wire alone; the same key twice makes one batch."""

    purposes = ("batch",)

    def __init__(self, world: World) -> None:
        batch_format = OpenAIFormat(
            "perplexity", {"/v1/responses": PerplexityAgent}, one_model=False
        )
        super().__init__(world, Perplexity(), batch_format)

    def window(self, body: dict[str, Any]) -> float:
        return super().window({"completion_window": body.get("completion_window") or "24h"})

    def token(self, call: Call) -> str:
        return call.request.headers.get("Idempotency-Key", "")

    def repeated(self, call: Call) -> Batch | None:
        return self.world.batches.by_token(self.provider, call.account, self.token(call))

    def show(self, batch: Batch) -> dict[str, Any]:
        return _without(super().show(batch), _LATER[:1])

    def show_file(self, file: StoredFile) -> dict[str, Any]:
        return _without(super().show_file(file), ("status_details",))


def _without(shown: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name not in names}
