"""Model lists, embeddings and token counts: the same beside both of OpenAI's chat wires."""

from base64 import b64decode
from collections.abc import Sequence
from struct import unpack
from typing import Any
from urllib.parse import quote

import msgspec

from llm_orchestrator.dialects import listed, reported
from llm_orchestrator.dialects.base import UNREADABLE, plausible, unreadable, unsupported
from llm_orchestrator.dialects.openai_faults import REQUEST_ID
from llm_orchestrator.types.http import HTTPCall, HTTPReply
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.usage import Usage

_encode_json = msgspec.json.Encoder().encode
_JSON = {"Content-Type": "application/json"}


def address(target: Candidate, path: str) -> str:
    """The whole address of a path, which may hold the model's name."""
    if "{" in path:
        path = path.replace("{model}", quote(target.model.id, safe=""))
    return target.provider.base_url + path


def renamed(body: dict[str, Any], target: Candidate) -> dict[str, Any]:
    """The body with the field names that the provider knows."""
    names = target.provider.quirks.rename
    return {names.get(name, name): value for name, value in body.items()} if names else body


def list_models(provider: Provider, page: str | None) -> HTTPCall:
    """``GET /models``; ``page`` is the query of a later page, where there are pages."""
    path = provider.quirks.models_path or "/models"
    if page:
        path = f"{path.partition('?')[0]}?{page}"
    return HTTPCall(provider.base_url + path, method="GET")


def most_texts(target: Candidate) -> int:
    """How many texts one request for vectors may hold."""
    return 2048


def encode_embeddings(texts: Sequence[str], target: Candidate, dimensions: int | None) -> HTTPCall:
    """The texts as one POST to ``/embeddings``."""
    if not target.can("embeddings"):
        raise unsupported("embeddings are not supported by this model", target)
    quirks = target.provider.quirks
    body: dict[str, Any] = {"model": target.model.id, "input": list(texts)}
    if quirks.embeddings_format:
        body["encoding_format"] = quirks.embeddings_format
    if dimensions:
        body["dimensions"] = dimensions
    url = address(target, quirks.embeddings_path or "/embeddings")
    return HTTPCall(url, _encode_json(renamed(body, target)), _JSON)


class _Listed(msgspec.Struct):
    """A model as any server of this wire lists it: all but the id is somebody's own addition."""

    id: str
    type: Any = None
    context_length: Any = None
    context_window: Any = None
    max_context_length: Any = None
    max_completion_tokens: Any = None
    top_provider: Any = None
    supported_parameters: Any = None
    architecture: Any = None
    capabilities: Any = None

    @property
    def context(self) -> int | None:
        """The context window in tokens, by any of its names."""
        return _size(self.context_length, self.context_window, self.max_context_length)

    @property
    def max_output(self) -> int | None:
        """The most tokens that an answer may have, by any of its names."""
        return _size(self.max_completion_tokens, _field(self.top_provider, "max_completion_tokens"))

    @property
    def mode(self) -> str:
        """What the model makes: vectors (``embedding``) or answers (``chat``)."""
        return "embedding" if self.type == "embedding" else "chat"

    @property
    def abilities(self) -> frozenset[str] | None:
        """What the list says that the model can do."""
        if _field(self.capabilities, "completion_chat") is True:
            return listed.of_flags(self.capabilities)
        if isinstance(self.supported_parameters, list):
            inputs = _field(self.architecture, "input_modalities")
            inputs = inputs if isinstance(inputs, list) else []
            spoken = (*_PARAMETERS, *(_INPUTS if inputs else ()))
            return listed.of_words([*self.supported_parameters, *inputs], spoken)
        return None


_PARAMETERS = ("tools", "structured_outputs", "reasoning", "temperature")
_INPUTS = ("image", "file", "audio")


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _size(*sizes: Any) -> int | None:
    return next((size for size in sizes if type(size) is int and size > 0), None)


class _ModelList(msgspec.Struct):
    data: list[_Listed]
    links: Any = None

    @property
    def following(self) -> str | None:
        """The query of the next page's address."""
        following = self.links.get("next") if isinstance(self.links, dict) else None
        return following.partition("?")[2] or None if isinstance(following, str) else None


_read_models = msgspec.json.Decoder(_ModelList | list[_Listed]).decode


def read_models(reply: HTTPReply, provider: Provider) -> tuple[list[Model], str | None]:
    """A page of the account's models; some servers send a bare array."""
    try:
        body = _read_models(reply.body)
    except UNREADABLE:
        target = Candidate(provider, Model(provider=provider.name, id=""))
        raise unreadable(reply, target, REQUEST_ID) from None
    lines, following = (body, None) if isinstance(body, list) else (body.data, body.following)
    models = [
        Model(
            provider=provider.name,
            id=line.id,
            context=line.context,
            max_output=line.max_output,
            abilities=line.abilities,
            mode=line.mode,
            known=False,
        )
        for line in lines
    ]
    return models, following


class _Vector(msgspec.Struct):
    embedding: str | list[float]
    index: int = 0


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None

    def read(self) -> Usage | None:
        return None if self.prompt_tokens is None else plausible(Usage(self.prompt_tokens))


class _Vectors(msgspec.Struct):
    data: list[_Vector]
    model: str | None = None
    usage: _Usage | None = None


_read_vectors = msgspec.json.Decoder(_Vectors).decode


def decode_embeddings(reply: HTTPReply, target: Candidate) -> tuple[list[list[float]], Response]:
    """The vectors in the order of the texts; plain base64 is little-endian float32."""
    try:
        body = _read_vectors(reply.body)
        coding = target.provider.quirks.embeddings_format
        vectors = [
            _floats(one.embedding, coding) for one in sorted(body.data, key=lambda one: one.index)
        ]
    except (ValueError, RecursionError):  # of msgspec, base64 and struct sizes alike
        raise unreadable(reply, target, REQUEST_ID) from None
    _, cost = reported.beside(reply.body, target.provider.quirks)
    return vectors, Response(
        (),
        "stop",
        body.usage.read() if body.usage else None,
        body.model or target.model.id,
        "",
        reply.header(REQUEST_ID),
        cost,
    )


def _floats(value: str | list[float], coding: str) -> list[float]:
    if isinstance(value, list):
        return value
    data = b64decode(value, validate=True)
    if coding == "base64_int8":
        return [float(number) for number in unpack(f"{len(data)}b", data)]
    if len(data) % 4:
        raise ValueError("not a whole number of floats")
    return list(unpack(f"<{len(data) // 4}f", data))


class _Count(msgspec.Struct):
    input_tokens: int


def decode_count(reply: HTTPReply, target: Candidate) -> int:
    """The number of input tokens."""
    try:
        return msgspec.json.decode(reply.body, type=_Count).input_tokens
    except UNREADABLE:
        raise unreadable(reply, target, REQUEST_ID) from None
