"""All wires on one port: which path belongs to whom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from llm_orchestrator.simulator.anthropic.messages import Messages
from llm_orchestrator.simulator.anthropic.routes import AnthropicRoutes
from llm_orchestrator.simulator.batch_routes import batch_routes
from llm_orchestrator.simulator.bedrock.converse import Converse
from llm_orchestrator.simulator.bedrock.routes import BedrockRoutes
from llm_orchestrator.simulator.cohere.chat import Chat as CohereChat
from llm_orchestrator.simulator.cohere.routes import CohereRoutes
from llm_orchestrator.simulator.compat.azure import AzureChat, AzureRoutes
from llm_orchestrator.simulator.compat.routes import PROVIDERS, CompatRoutes
from llm_orchestrator.simulator.compat.vertex import VertexChatRoutes
from llm_orchestrator.simulator.control import Control
from llm_orchestrator.simulator.front import Front, nowhere
from llm_orchestrator.simulator.gemini.claude import ClaudeRoutes
from llm_orchestrator.simulator.gemini.generate import Generate
from llm_orchestrator.simulator.gemini.place import Place
from llm_orchestrator.simulator.gemini.routes import PROJECT, VERSIONS, GeminiRoutes
from llm_orchestrator.simulator.openai.chat import Chat
from llm_orchestrator.simulator.openai.routes import OpenAIRoutes
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_FRONTS: dict[str, Front] = {
    "openai": Chat(),
    "anthropic": Messages(),
    "gemini": Generate(Place("gemini", "v1")),
    "vertex": Generate(Place("vertex", "v1")),
    "bedrock": Converse(),
    "cohere": CohereChat(),
    "azure": AzureChat(),
    **{provider.chat.provider: provider.chat for provider in PROVIDERS},
}
_BEDROCK = ("/model/", "/model-invocation-job", "/foundation-models", "/inference-profiles")


def application(world: World) -> web.Application:
    """All wires and the control endpoints."""
    openai, anthropic = OpenAIRoutes(world), AnthropicRoutes(world)
    gemini, cohere = GeminiRoutes(world), CohereRoutes(world)
    app = web.Application(client_max_size=world.settings.max_body)
    app.add_routes(Control(world).routes())
    app.add_routes(batch_routes(world))
    for provider in PROVIDERS:
        app.add_routes(CompatRoutes(world, provider).routes())
    app.add_routes(AzureRoutes(world).routes())
    for prefix in ("/gemini", "/vertex", ""):
        app.add_routes(gemini.routes(prefix))
        place = f"{prefix}/{VERSIONS}/{PROJECT}"
        app.add_routes(ClaudeRoutes(world).routes(place))
        app.add_routes(VertexChatRoutes(world).routes(place))
    for prefix in ("/bedrock", ""):
        app.add_routes(BedrockRoutes(world).routes(prefix))
    for prefix in ("/cohere", ""):
        app.add_routes(cohere.routes(prefix))
    for tail, handlers in (
        ("/models", (openai.models, anthropic.models, gemini.models, cohere.models)),
        ("/models/{model:.+}", (openai.model, anthropic.model, gemini.model, cohere.model)),
    ):
        app.router.add_get(f"/openai/v1{tail}", handlers[0])
        app.router.add_get(f"/anthropic/v1{tail}", handlers[1])
        app.router.add_get(f"/gemini/{VERSIONS}{tail}", handlers[2])
        app.router.add_get(f"/cohere/v1{tail}", handlers[3])
        app.router.add_get(f"/v1{tail}", _shared(*handlers))
        app.router.add_get(f"/{VERSIONS}{tail}", handlers[2])
    for prefix in ("/openai/v1", "/v1"):
        app.add_routes(openai.routes(prefix))
    for prefix in ("/anthropic/v1", "/v1"):
        app.add_routes(anthropic.routes(prefix))
    app.router.add_route("*", "/{path:.*}", _nowhere)
    return app


def speaker(request: web.Request) -> str:
    """Whose wire a request is on: by its path, else by its headers."""
    first = request.path.split("/")[1]
    if first in _FRONTS:
        return first
    if request.path.startswith(_BEDROCK):
        return "bedrock"
    if request.path.startswith(("/v2/", "/v1/tokenize")):
        return "cohere"
    if "anthropic-version" in request.headers or request.path.startswith("/v1/messages"):
        return "anthropic"
    google = first.startswith(("v1alpha", "v1beta")) or ":" in request.path
    if google or "x-goog-api-key" in request.headers or "key" in request.query:
        return "gemini"
    return "cohere" if {"page_size", "endpoint"} & set(request.query) else "openai"


def _shared(openai: Handler, anthropic: Handler, gemini: Handler, cohere: Handler) -> Handler:
    handlers = {"anthropic": anthropic, "gemini": gemini, "cohere": cohere}

    async def handler(request: web.Request) -> web.StreamResponse:
        return await handlers.get(speaker(request), openai)(request)

    return handler


async def _nowhere(request: web.Request) -> web.Response:
    """A wrong path or method is refused in the words of the provider that was called.

    No middleware: aiohttp would keep each application that has one alive.
    """
    found = [await resource.resolve(request) for resource in request.app.router.resources()]
    known = any(methods and "*" not in methods for _, methods in found)
    status, message = (405, "Method Not Allowed") if known else (404, "Not Found")
    name = speaker(request)
    if name == "openai":
        message = f"Invalid URL ({request.method} {request.path})"
    refusal = Refusal(status, message)
    if name == "openai":
        refusal.type = "invalid_request_error"
    return nowhere(_FRONTS[name], refusal)
