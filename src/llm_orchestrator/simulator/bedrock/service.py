"""What all endpoints of Bedrock share: who may call, which models there are, and errors."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import web

from llm_orchestrator.simulator.bedrock import errors, sigv4
from llm_orchestrator.simulator.body import encode, raw_body
from llm_orchestrator.simulator.front import Front
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World

_GEO: Final = re.compile(r"(us-gov|us|eu|apac|jp|au|ca|in|global)\.(.+)")
_REGIONS: Final = {
    "us": r"us-(east|west)-\d|ca-central-1",
    "us-gov": r"us-gov-.*",
    "eu": r"eu-.*",
    "apac": r"ap-.*",
    "jp": r"ap-northeast-[13]",
    "au": r"ap-southeast-[246]",
    "ca": r"ca-.*",
    "in": r"ap-south-\d",
    "global": r".*",
}
_BY_PROFILE: Final = re.compile(
    r"anthropic\.claude-(3-5-haiku|3-5-sonnet-20241022|3-7|[a-z]+-[4-9])|amazon\.nova-(premier|2-)"
    r"|meta\.llama(3-[123]|4)|deepseek\.r1|sim-profile"
)
"""Models that have no on-demand capacity of their own."""


class Bedrock(Front):
    """Keys, ids and errors; `model_id` is what the path names."""

    provider = "bedrock"
    id_header = "x-amzn-RequestId"

    def request_id(self, world: World, number: int) -> str:
        seed = f"{world.seed}/bedrock/{number}".encode()
        return str(uuid.UUID(bytes=hashlib.blake2b(seed, digest_size=16).digest(), version=4))

    def key(self, request: web.Request) -> str:
        """The access key id of a signature, or a bearer key."""
        header = request.headers.get("Authorization", "")
        kind, _, token = header.partition(" ")
        if kind.lower() == "bearer" and token.strip():
            return token.strip()
        if kind.startswith("AWS4"):
            return sigv4.read(header).access_key
        message = "Missing Authentication Token"
        raise Refusal(403, message, type="MissingAuthenticationTokenException")

    def bad_key(self) -> Refusal:
        message = "The security token included in the request is invalid."
        return Refusal(403, message, type="UnrecognizedClientException")

    async def admit(self, world: World, request: web.Request) -> None:
        """A bearer key, or a signature by a known secret that is neither old nor expired."""
        key, headers = self.key(request), request.headers
        if not headers["Authorization"].startswith("AWS4"):
            if not world.takes(key):
                message = "Authentication failed: Please make sure your API Key is valid."
                raise Refusal(403, message, type="AccessDeniedException", outcome="403 bad key")
            return
        secret, token = world.aws_secret(key), headers.get("X-Amz-Security-Token", "")
        if secret is None or (key.startswith("ASIA") and not token):
            raise self.bad_key()
        if token.startswith("expired"):
            message = "The security token included in the request is expired"
            raise Refusal(403, message, type="ExpiredTokenException")
        sigv4.verify(request, await raw_body(request), secret, world.clock.now())

    def error(self, refusal: Refusal, request_id: str) -> Any:
        del request_id
        return {"message": refusal.message}

    def refused(self, refusal: Refusal, request_id: str) -> tuple[bytes, dict[str, str]]:
        headers = {
            "Content-Type": "application/json",
            "x-amzn-ErrorType": errors.kind(refusal),
        }
        return encode(self.error(refusal, request_id)), headers


def region_of(headers: Mapping[str, str]) -> str:
    """The region that a request was signed for; a bearer key names none."""
    header = headers.get("Authorization", "")
    return sigv4.read(header).region if header.startswith("AWS4") else ""


def named(path: str) -> str:
    """A model id from a path: percent-encoded, and perhaps an ARN."""
    name = unquote(path)
    return name.rpartition("/")[2] if name.startswith("arn:") else name


def find(name: str, region: str, world: World, *, counting: bool = False) -> Model:
    """The model of this id or inference profile, as seen from a region; any id may count."""
    if not name or re.search(r"[^A-Za-z0-9_.:@-]", name):
        raise errors.constraint(name, "modelId", "satisfy regular expression pattern")
    geo = _GEO.fullmatch(name)
    if geo and region and not re.fullmatch(_REGIONS[geo[1]], region):
        raise _unknown()
    simulated = geo is not None and geo[2].startswith(("sim-", "fb-"))
    model = world.models.find("bedrock", geo[2] if geo and simulated else name)
    elsewhere = re.fullmatch(r"sim-only-(.+)", name)
    if model is None or (elsewhere and elsewhere[1] != region):
        raise _unknown()
    if model.id == "sim-denied":
        message = "You don't have access to the model with the specified model ID."
        raise Refusal(403, message, type="AccessDeniedException")
    if geo is None and not counting and _BY_PROFILE.match(name):
        raise errors.invalid(
            f"Invocation of model ID {name} with on-demand throughput isn’t supported. Retry your "
            "request with the ID or ARN of an inference profile that contains this model."
        )
    return model


def by_profile(model: Model) -> bool:
    """Whether a model can only be called through an inference profile."""
    return bool(_BY_PROFILE.match(model.id))


def geography(model: Model) -> str:
    """The geography in front of the id of an inference profile, or nothing."""
    geo = _GEO.fullmatch(model.id)
    return geo[1] if geo else ""


def _unknown() -> Refusal:
    refusal = errors.invalid("The provided model identifier is invalid.")
    refusal.outcome = "400 no model"
    return refusal
