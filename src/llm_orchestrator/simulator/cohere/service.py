"""What all endpoints of Cohere share: keys, ids, errors and models."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from llm_orchestrator.simulator.cohere import errors
from llm_orchestrator.simulator.front import Front
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World


class Cohere(Front):
    """The API of Cohere."""

    provider = "cohere"
    id_header = "x-debug-trace-id"

    def request_id(self, world: World, number: int) -> str:
        """Also the `id` in the body."""
        seed = f"{world.seed}/cohere/{number}".encode()
        return str(uuid.UUID(bytes=hashlib.blake2b(seed, digest_size=16).digest(), version=4))

    def key(self, request: web.Request) -> str:
        kind, _, key = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not key.strip():
            raise Refusal(401, "no api key supplied", outcome="401 no key")
        return key.strip()

    def bad_key(self) -> Refusal:
        return Refusal(401, "invalid api token", outcome="401 bad key")

    def error(self, refusal: Refusal, request_id: str) -> Any:
        return errors.body(refusal, request_id)

    def model(self, body: Mapping[str, Any], world: World, *, embeds: bool) -> Model:
        """The model asked for; `embeds` = the endpoint wants an embedding model."""
        name = body.get("model")
        if not isinstance(name, str) or not name:
            raise errors.invalid("model is required.")
        model = world.models.find(self.provider, name)
        if model is None:
            raise errors.no_model(name)
        if (model.mode == "embedding") is not embeds:
            endpoint = "embed" if embeds else "chat"
            raise errors.invalid(f"model '{name}' is not supported by the {endpoint} API.")
        return model
