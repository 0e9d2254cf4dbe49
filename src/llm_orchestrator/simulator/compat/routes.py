"""The paths of the providers that follow OpenAI, each under its own prefix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from llm_orchestrator.simulator.compat.agent import PerplexityAgent
from llm_orchestrator.simulator.compat.chat import CompatChat
from llm_orchestrator.simulator.compat.deepinfra import DeepInfra, DeepInfraEmbeddings
from llm_orchestrator.simulator.compat.groq import Groq
from llm_orchestrator.simulator.compat.mistral import Mistral, MistralEmbeddings
from llm_orchestrator.simulator.compat.openrouter import OpenRouter, OpenRouterEmbeddings
from llm_orchestrator.simulator.compat.perplexity import Perplexity, PerplexityEmbeddings
from llm_orchestrator.simulator.compat.together import Together, TogetherEmbeddings
from llm_orchestrator.simulator.exchange import Exchange
from llm_orchestrator.simulator.free import free_reply
from llm_orchestrator.simulator.wire import Wire
from llm_orchestrator.simulator.world import World


@dataclass(frozen=True, slots=True)
class Provider:
    """What one provider serves; `posts` maps more paths to their wires."""

    chat: CompatChat
    posts: dict[str, Callable[[], Wire]]


PROVIDERS: Final = (
    Provider(Groq(), {}),
    Provider(Mistral(), {"/embeddings": MistralEmbeddings}),
    Provider(Together(), {"/embeddings": TogetherEmbeddings}),
    Provider(
        Perplexity(), {"/v1/embeddings": PerplexityEmbeddings, "/v1/responses": PerplexityAgent}
    ),
    Provider(OpenRouter(), {"/embeddings": OpenRouterEmbeddings}),
    Provider(DeepInfra(), {"/embeddings": DeepInfraEmbeddings}),
)
"""The providers that follow OpenAI."""


class CompatRoutes:
    """Handlers of one provider for one world."""

    def __init__(self, world: World, provider: Provider) -> None:
        self._world = world
        self._provider = provider
        self._chat = provider.chat

    def routes(self) -> list[web.RouteDef]:
        """All paths under the provider's prefix."""
        prefix, models = self._chat.prefix, f"{self._chat.prefix}{self._chat.models_path}"
        posts = {"/chat/completions": self._chat.__class__} | self._provider.posts
        found = [web.post(f"{prefix}{path}", self._post(wire)) for path, wire in posts.items()]
        return [
            *found,
            web.get(models, self.models),
            web.get(f"{models}/{{model:.+}}", self.model),
        ]

    def _post(self, wire: Callable[[], Wire]) -> Any:
        async def handler(request: web.Request) -> web.StreamResponse:
            return await Exchange(self._world, wire(), request).run()

        return handler

    async def models(self, request: web.Request) -> web.StreamResponse:
        return await free_reply(self._world, self._chat, "models", request, self._list)

    async def model(self, request: web.Request) -> web.StreamResponse:
        return await free_reply(self._world, self._chat, "models", request, self._one)

    async def _list(self, request: web.Request) -> Any:
        return self._chat.listing(self._world, request)

    async def _one(self, request: web.Request) -> Any:
        return self._chat.one(self._world, request.match_info["model"])
