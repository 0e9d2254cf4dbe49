"""Open models on Vertex AI: OpenAI's chat at Google's addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from llm_orchestrator.simulator.ask import Ask
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.compat.chat import CompatChat, CompatWriter
from llm_orchestrator.simulator.exchange import Exchange
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.gemini import errors
from llm_orchestrator.simulator.gemini.place import Google, Place, place_of
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World


class VertexChat(CompatChat):
    """Chat completions of `endpoints/openapi`; models carry the name of their publisher."""

    provider = "vertex"
    name = "vertex.chat"
    id_header = ""
    writer = CompatWriter

    def __init__(self, place: Place) -> None:
        self._google = Google(place)

    def key(self, request: web.Request) -> str:
        return self._google.key(request)

    def bad_key(self) -> Refusal:
        return self._google.bad_key()

    async def admit(self, world: World, request: web.Request) -> None:
        await self._google.admit(world, request)

    def error(self, refusal: Refusal, request_id: str) -> Any:
        del request_id
        return errors.body(refusal)

    def refused(self, refusal: Refusal, request_id: str) -> tuple[bytes, dict[str, str]]:
        """When to try again is in the body, not in a header."""
        return encode(self.error(refusal, request_id)), {"Content-Type": "application/json"}

    def model(self, body: Mapping[str, Any], world: World) -> Model:
        name = str(body.get("model"))
        model = world.models.find(self.provider, name)
        if model is None or not ("/" in name or model.simulated):
            message = f"Invalid Endpoint id. Model {name} was not found."
            raise Refusal(404, message, outcome="404 no model")
        return model

    def fault(self, fault: Fault, ask: Ask) -> Refusal:
        if fault.name == "content-filter":
            return super().fault(fault, ask)
        return errors.for_fault(fault, ask.model.context)


class VertexChatRoutes:
    """Handlers for one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self, base: str) -> list[web.RouteDef]:
        """All paths under the one of a project and location."""
        return [web.post(f"{base}/endpoints/openapi/chat/completions", self.post)]

    async def post(self, request: web.Request) -> web.StreamResponse:
        return await Exchange(self._world, VertexChat(place_of(request)), request).run()
