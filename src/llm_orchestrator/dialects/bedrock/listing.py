"""Which models an account has: the foundation models, then its inference profiles."""

from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from llm_orchestrator.dialects.base import UNREADABLE, unreadable
from llm_orchestrator.dialects.bedrock.errors import REQUEST_ID
from llm_orchestrator.types.http import HTTPCall, HTTPReply
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider

_PROFILES = "/inference-profiles?maxResults=1000"
_MORE = "&nextToken="
_MODES = {"TEXT": "chat", "EMBEDDING": "embedding"}


def list_models(provider: Provider, page: str | None) -> HTTPCall:
    """``GET /foundation-models``, then pages of ``/inference-profiles``, on the control host.

    Many models answer only to the id of an inference profile; ``page`` is the rest of an address.
    """
    path = provider.quirks.models_path or "/foundation-models"
    control = provider.base_url.replace("bedrock-runtime", "bedrock", 1)
    return HTTPCall(control + (page or path), method="GET")


class _Summary(msgspec.Struct, rename="camel"):
    model_id: str
    output_modalities: list[str] | None = None
    inference_types_supported: list[str] | None = None


class _Profile(msgspec.Struct, rename="camel"):
    inference_profile_id: str
    status: str | None = None


class _Lists(msgspec.Struct, rename="camel"):
    """Either list: the service answers each with its own name."""

    model_summaries: list[_Summary] | None = None
    inference_profile_summaries: list[_Profile] | None = None
    next_token: str | None = None


_read = msgspec.json.Decoder(_Lists).decode


def read_models(reply: HTTPReply, provider: Provider) -> tuple[list[Model], str | None]:
    """The models of a page that write text or vectors and can be asked by that id."""
    try:
        body = _read(reply.body)
    except UNREADABLE:
        body = _Lists()
    if body.model_summaries is not None:
        models = [
            Model(provider=provider.name, id=one.model_id, mode=mode, known=False)
            for one in body.model_summaries
            if (mode := _mode(one.output_modalities)) and _on_demand(one.inference_types_supported)
        ]
        return models, _PROFILES
    if body.inference_profile_summaries is not None:
        models = [
            Model(provider=provider.name, id=one.inference_profile_id, known=False)
            for one in body.inference_profile_summaries
            if one.status in {None, "ACTIVE"}
        ]
        token = body.next_token
        return models, _PROFILES + _MORE + quote(token, safe="") if token else None
    target = Candidate(provider, Model(provider=provider.name, id=""))
    raise unreadable(reply, target, REQUEST_ID)


def _mode(modalities: Sequence[str] | None) -> str:
    """What the model makes, empty for pictures and sound alone; what is not said may be text."""
    if modalities is None:
        return "chat"
    return next((_MODES[word] for word in modalities if word in _MODES), "")


def _on_demand(types: Sequence[str] | None) -> bool:
    return types is None or "ON_DEMAND" in types
