"""Where a request to Google went: the Gemini API, or a project and location of Vertex AI."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from llm_orchestrator.simulator.front import Front
from llm_orchestrator.simulator.gemini import errors
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World

_HOSTS = {"gemini": "generativelanguage.googleapis.com", "vertex": "aiplatform.googleapis.com"}
_LOCATION = re.compile(r"global|us|eu|[a-z]+-[a-z]+\d{1,2}")


@dataclass(frozen=True, slots=True)
class Place:
    """The path of a request, without the model's name."""

    provider: str
    version: str
    project: str = ""
    location: str = ""

    def model_path(self, model: str) -> str:
        """The name of a model as errors show it."""
        if self.provider == "gemini":
            return f"models/{model}"
        where = f"projects/{self.project}/locations/{self.location}/publishers/google"
        return f"{where}/models/{model}"


def place_of(request: web.Request) -> Place:
    """The place that the path names."""
    path = request.match_info
    version = path.get("version", "v1")
    if "project" in path:
        return Place("vertex", version, path["project"], path["location"])
    provider = "vertex" if "/publishers/" in request.path else "gemini"
    return Place(provider, version)


class Google(Front):
    """What all endpoints of Google share: keys, errors and models."""

    id_header = ""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.provider = place.provider

    def request_id(self, world: World, number: int) -> str:
        """The `responseId` in the body; there is no header."""
        return world.id("", 22, self.provider, number)

    def key(self, request: web.Request) -> str:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        plain = request.headers.get("x-goog-api-key") or request.query.get("key", "")
        key = token if kind.lower() == "bearer" else plain
        if key.strip():
            return key.strip()
        if self.provider == "gemini":
            raise Refusal(
                403,
                "Method doesn't allow unregistered callers (callers without established identity)."
                " Please use API Key or other form of API consumer identity to call this API.",
                outcome="403 no key",
            )
        raise self._no_token()

    def bad_key(self) -> Refusal:
        if self.provider == "gemini":
            message = "API key not valid. Please pass a valid API key."
            return errors.reason(400, message, "API_KEY_INVALID", _HOSTS["gemini"])
        return self._no_token()

    @staticmethod
    def _no_token() -> Refusal:
        message = (
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
            "cookie or other valid authentication credential."
        )
        return errors.reason(401, message, "ACCESS_TOKEN_TYPE_UNSUPPORTED", _HOSTS["vertex"])

    def error(self, refusal: Refusal, request_id: str) -> Any:
        del request_id
        return errors.body(refusal)

    async def admit(self, world: World, request: web.Request) -> None:
        await super().admit(world, request)
        if self.place.location and not _LOCATION.fullmatch(self.place.location):
            raise errors.invalid(f"Unsupported region for Vertex AI: {self.place.location}.")
        if self.place.project.endswith("-without-billing"):
            message = (
                "This API method requires billing to be enabled. Please enable billing on project "
                f"#{self.place.project} by visiting https://console.developers.google.com/billing/"
                f"enable?project={self.place.project} then retry."
            )
            raise errors.reason(403, message, "BILLING_DISABLED", _HOSTS["vertex"])

    def model(self, body: Mapping[str, Any], world: World, method: str) -> Model:
        """The model of the path."""
        name = str(body.get("model", ""))
        model = world.models.find(self.provider, name)
        elsewhere = re.match(r"sim-only-(.+)", name)
        if model is None or not OURS.match(model.id):
            raise self._no_model(name, method)
        if elsewhere and elsewhere[1] != self.place.location:
            raise self._no_model(name, method)
        if (model.mode == "embedding") is not (method in EMBEDDERS):
            raise self._no_model(name, method)
        return model

    def _no_model(self, name: str, method: str) -> Refusal:
        if self.provider == "gemini":
            message = (
                f"models/{name} is not found for API version {self.place.version}, or is not "
                f"supported for {method}. Call ListModels to see the list of available models and "
                "their supported methods."
            )
        else:
            message = (
                f"Publisher Model `{self.place.model_path(name)}` was not found or your project "
                "does not have access to it. Please ensure you are using a valid model version."
            )
        return Refusal(404, message, outcome="404 no model")


EMBEDDERS = frozenset({"embedContent", "batchEmbedContents", "predict"})
"""Methods of embedding models."""

OURS = re.compile(r"gem|deep-research|learnlm|medlm|text|multimodalembedding|sim-|fb-")
"""Models that Google publishes itself; Vertex AI also sells those of others."""
