"""Claude on Vertex AI: Anthropic's wire at Google's addresses, with the model in the path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from aiohttp import web

from llm_orchestrator.simulator.anthropic.errors import invalid
from llm_orchestrator.simulator.anthropic.messages import Messages
from llm_orchestrator.simulator.ask import Ask
from llm_orchestrator.simulator.body import json_body
from llm_orchestrator.simulator.exchange import Exchange
from llm_orchestrator.simulator.frames import Frame
from llm_orchestrator.simulator.free import free_reply
from llm_orchestrator.simulator.gemini import errors
from llm_orchestrator.simulator.gemini.place import Google, Place, place_of
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.wire import Reply
from llm_orchestrator.simulator.world import World

_VERSIONS: Final = {"vertex-2023-10-16": "2023-06-01", "2026-10-21": "2026-10-21"}
_PING: Final = b'event: vertex_event\ndata: {"type":"ping"}\n\n'


class VertexMessages(Messages):
    """Messages by rawPredict: Anthropic refuses bodies, Google everything else."""

    provider = "vertex"
    name = "vertex.messages"

    def __init__(self, place: Place) -> None:
        self._google = Google(place)

    def key(self, request: web.Request) -> str:
        return self._google.key(request)

    def bad_key(self) -> Refusal:
        return self._google.bad_key()

    async def admit(self, world: World, request: web.Request) -> None:
        await self._google.admit(world, request)

    def error(self, refusal: Refusal, request_id: str) -> Any:
        if refusal.status in {400, 413}:
            return super().error(refusal, request_id)
        return errors.body(refusal)

    def headers(self, world: World, account: str, model: str) -> dict[str, str]:
        del world, account, model
        return {}

    def model(self, body: Mapping[str, Any], world: World) -> Model:
        name = str(body.get("model"))
        model = world.models.find(self.provider, name)
        if model is None or not name.startswith(("claude", "sim-", "fb-")):
            path = self._google.place.model_path(name).replace("/google/", "/anthropic/")
            message = (
                f"Publisher Model `{path}` was not found or your project does not have access to "
                "it. Please ensure you are using a valid model version."
            )
            raise Refusal(404, message, outcome="404 no model")
        return model

    def unpack(self, body: dict[str, Any], request: web.Request) -> dict[str, Any]:
        if "model" in body:
            raise invalid("model: Extra inputs are not permitted")
        return body | {"model": request.match_info["model"]}

    def parse(self, body: dict[str, Any], headers: Mapping[str, str], world: World) -> Ask:
        del headers  # the version is in the body
        return super().parse(*self.versioned(body), world)

    @staticmethod
    def versioned(body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """The body without its version, and the header that stands for it."""
        version = body.get("anthropic_version")
        if version is None:
            raise invalid("anthropic_version: Field required")
        if not isinstance(version, str) or version not in _VERSIONS:
            raise invalid(f'anthropic_version: "{version}" is not a valid version for this API')
        rest = {name: value for name, value in body.items() if name != "anthropic_version"}
        return rest, {"anthropic-version": _VERSIONS[version]}

    def frames(self, reply: Reply) -> Iterator[Frame]:
        yield Frame("head", _PING)
        yield from super().frames(reply)


class ClaudeRoutes:
    """Handlers for one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self, base: str) -> list[web.RouteDef]:
        """All paths under the one of a project and location."""
        models = f"{base}/publishers/anthropic/models"
        return [
            web.post(f"{models}/count-tokens:rawPredict", self.count),
            web.post(
                f"{models}/{{model:[^/]+?}}:{{method:rawPredict|streamRawPredict}}", self.post
            ),
        ]

    async def post(self, request: web.Request) -> web.StreamResponse:
        return await Exchange(self._world, VertexMessages(place_of(request)), request).run()

    async def count(self, request: web.Request) -> web.StreamResponse:
        wire = VertexMessages(place_of(request))

        async def answer(request: web.Request) -> dict[str, Any]:
            usual = {"anthropic_version": "vertex-2023-10-16"}
            body, headers = wire.versioned(usual | await json_body(request))
            ask = wire.read(body, headers, self._world, counting=True)
            return {"input_tokens": ask.input_tokens}

        return await free_reply(self._world, wire, "count", request, answer)
