"""The paths of Anthropic's API: what generates, and what is free."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from llm_orchestrator.simulator import failover
from llm_orchestrator.simulator.anthropic import parameters
from llm_orchestrator.simulator.anthropic.errors import invalid
from llm_orchestrator.simulator.anthropic.messages import Messages
from llm_orchestrator.simulator.body import json_body
from llm_orchestrator.simulator.exchange import Exchange
from llm_orchestrator.simulator.free import free_reply
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World

_LINES = ("haiku", "sonnet", "opus", "fable", "mythos")


class AnthropicRoutes:
    """Handlers for one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._wire = Messages()

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """All paths under a prefix such as /anthropic/v1."""
        return [
            web.post(f"{prefix}/messages", self.messages),
            web.post(f"{prefix}/messages/count_tokens", self.count),
        ]

    async def messages(self, request: web.Request) -> web.StreamResponse:
        return await Exchange(self._world, self._wire, request).run()

    async def count(self, request: web.Request) -> web.StreamResponse:
        return await free_reply(self._world, self._wire, "count", request, self._count)

    async def models(self, request: web.Request) -> web.StreamResponse:
        return await free_reply(self._world, self._wire, "models", request, self._list)

    async def model(self, request: web.Request) -> web.StreamResponse:
        return await free_reply(self._world, self._wire, "models", request, self._one)

    async def _count(self, request: web.Request) -> dict[str, Any]:
        body = await json_body(request)
        ask = self._wire.read(body, request.headers, self._world, counting=True)
        return {"input_tokens": ask.input_tokens}

    async def _one(self, request: web.Request) -> dict[str, Any]:
        self._wire.version(request.headers)
        name = request.match_info["model"]
        model = self._world.models.find("anthropic", name)
        if model is None:
            raise Refusal(404, f"model: {name}", type="not_found_error")
        return self._show(model)

    async def _list(self, request: web.Request) -> dict[str, Any]:
        """A page, newest models first; retired ones only when asked for."""
        self._wire.version(request.headers)
        wanted = request.query.getall("lifecycle", None) or ["active", "deprecated"]
        listed = self._world.models.of("anthropic")
        listed = sorted(listed, key=lambda model: (model.released, model.id), reverse=True)
        simulated = (self._world.models.find("anthropic", name) for name in failover.MODELS)
        every = [m for m in [*listed, *(m for m in simulated if m)] if self._stage(m) in wanted]
        page, more = _page(request, [model.id for model in every])
        shown = [self._show(model) for model in every if model.id in page]
        return {
            "data": shown,
            "has_more": more,
            "first_id": shown[0]["id"] if shown else None,
            "last_id": shown[-1]["id"] if shown else None,
        }

    def _stage(self, model: Model) -> str:
        today = self._world.clock.today()
        if model.retired and model.retired <= today:
            return "retired"
        return "deprecated" if model.deprecated or model.retired else "active"

    def _show(self, model: Model) -> dict[str, Any]:
        line = next((line for line in _LINES if line in model.id), None)
        return {
            "type": "model",
            "id": model.id,
            "display_name": model.id.replace("-", " ").title(),
            "created_at": f"{model.released[:10] or '1970-01-01'}T00:00:00Z",
            "lifecycle": self._stage(model),
            "line": line,
            "max_input_tokens": model.context,
            "max_tokens": model.max_output,
            "capabilities": _capabilities(model),
            "deprecated_at": f"{model.deprecated[:10]}T00:00:00Z" if model.deprecated else None,
            "retires_at": f"{model.retired[:10]}T00:00:00Z" if model.retired else None,
        }


def _page(request: web.Request, names: list[str]) -> tuple[set[str], bool]:
    limit = request.query.get("limit", "20")
    if not limit.isdigit() or not 1 <= int(limit) <= 1000:
        raise invalid("limit: Input should be between 1 and 1000")
    start, end = 0, int(limit)
    after, before = request.query.get("after_id"), request.query.get("before_id")
    for name in (after, before):
        if name is not None and name not in names:
            raise invalid(f"Unknown model id {name} in the page cursor")
    if after is not None:
        start = names.index(after) + 1
        end = start + int(limit)
    elif before is not None:
        end = names.index(before)
        start = max(0, end - int(limit))
        return set(names[start:end]), start > 0
    return set(names[start:end]), end < len(names)


def _capabilities(model: Model) -> dict[str, Any]:
    yes, no = {"supported": True}, {"supported": False}

    def has(ability: str) -> dict[str, Any]:
        return yes if model.can(ability) else no

    thinks = has("reasoning")
    efforts = dict.fromkeys(parameters.EFFORTS, has("effort"))
    types = {name: yes if ok else no for name, ok in parameters.thinking_types(model).items()}
    return {
        "batch": yes,
        "citations": has("pdf"),
        "code_execution": no,
        "context_management": no,
        "effort": has("effort") | efforts,
        "image_input": has("vision"),
        "pdf_input": has("pdf"),
        "server_tools": no | {"web_search": no, "code_execution": no},
        "structured_outputs": has("schema"),
        "thinking": thinks | {"types": types},
    }
