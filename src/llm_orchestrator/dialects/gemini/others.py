"""Model lists, embeddings and token counts."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from llm_orchestrator.dialects.base import UNREADABLE, plausible, unreadable, unsupported
from llm_orchestrator.dialects.gemini.decode import WireUsage, read_usage
from llm_orchestrator.dialects.gemini.encode import JSON, encode_json, url
from llm_orchestrator.types.http import HTTPCall, HTTPReply
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.usage import Usage

_PAGE = 100


def list_models(provider: Provider, page: str | None) -> HTTPCall:
    """``GET /models``, a hundred at a time; ``page`` is the token of the page before."""
    after = f"&pageToken={quote(page, safe='')}" if page else ""
    path = provider.quirks.models_path or "/models"
    return HTTPCall(f"{provider.base_url}{path}?pageSize={_PAGE}{after}", b"", JSON, method="GET")


class _Listed(msgspec.Struct, rename="camel"):
    name: str
    input_token_limit: int | None = None
    output_token_limit: int | None = None
    supported_generation_methods: list[str] | None = None


class _ModelList(msgspec.Struct, rename="camel"):
    models: list[_Listed] | None = None
    publisher_models: list[_Listed] | None = None
    next_page_token: str | None = None


def read_models(reply: HTTPReply, provider: Provider) -> tuple[list[Model], str | None]:
    """The models of a page, with their limits where the list has them."""
    try:
        body = msgspec.json.decode(reply.body, type=_ModelList)
    except UNREADABLE:
        target = Candidate(provider, Model(provider=provider.name, id=""))
        raise unreadable(reply, target) from None
    models = [
        Model(
            provider=provider.name,
            id=one.name.rpartition("/")[2],  # models/x, publishers/google/models/x
            context=one.input_token_limit,
            max_output=one.output_token_limit,
            mode="embedding" if _embeds(one) else "chat",
            known=False,
        )
        for one in body.models or body.publisher_models or ()
    ]
    return models, body.next_page_token or None


def _embeds(listed: _Listed) -> bool:
    methods = listed.supported_generation_methods or ()
    return "embedContent" in methods and "generateContent" not in methods


# ------------------------------------------------------------------ embeddings


def most_texts(target: Candidate) -> int:
    """How many texts one request for vectors may hold; newer models take one on Vertex."""
    predicts = target.provider.quirks.embed_method == "predict"
    return 1 if predicts and _newer(target.model.id) else 100


def encode_embeddings(texts: Sequence[str], target: Candidate, dimensions: int | None) -> HTTPCall:
    """Asks for one vector per text, by the method that the row and the model have."""
    if not target.can("embeddings"):
        raise unsupported("embeddings are not supported by this model", target)
    method = target.provider.quirks.embed_method or "batchEmbedContents"
    size = {} if dimensions is None else {"outputDimensionality": dimensions}
    body: dict[str, Any]
    if method == "predict" and _newer(target.model.id):
        # These are asked like a chat model there, one text at a time.
        if len(texts) > 1:
            raise unsupported("more than one text a call is not supported by this model", target)
        method = "embedContent"
        body = {"content": _content(texts[0])} | ({"embedContentConfig": size} if size else {})
    elif method == "predict":
        body = {"instances": [{"content": text} for text in texts]}
        body |= {"parameters": size} if size else {}
    else:
        name = {"model": f"models/{target.model.id.removeprefix('models/')}"}
        body = {"requests": [name | {"content": _content(text)} | size for text in texts]}
    return HTTPCall(url(target, method), encode_json(body), JSON)


def _newer(model: str) -> bool:
    return model.startswith("gemini-") and model != "gemini-embedding-001"


def _content(text: str) -> dict[str, Any]:
    return {"parts": [{"text": text}]}


class _Statistics(msgspec.Struct):
    token_count: float | None = None


class _Vector(msgspec.Struct):
    values: list[float]
    statistics: _Statistics | None = None


class _Prediction(msgspec.Struct):
    embeddings: _Vector


class _Vectors(msgspec.Struct, rename="camel"):
    embeddings: list[_Vector] | None = None
    embedding: _Vector | None = None
    predictions: list[_Prediction] | None = None
    usage_metadata: WireUsage | None = None


_read_vectors = msgspec.json.Decoder(_Vectors).decode


def decode_embeddings(reply: HTTPReply, target: Candidate) -> tuple[list[list[float]], Response]:
    """The vectors in the order of the texts; usage where the method reports it."""
    try:
        body = _read_vectors(reply.body)
    except UNREADABLE:
        raise unreadable(reply, target) from None
    if body.predictions is not None:
        found = [one.embeddings for one in body.predictions]
    elif body.embedding is not None:
        found = [body.embedding]
    else:
        found = body.embeddings or []
    if not found:
        raise unreadable(reply, target)
    usage = read_usage(body.usage_metadata) or _counted(found)
    vectors = [vector.values for vector in found]
    return vectors, Response((), "stop", usage, target.model.id)


def _counted(vectors: list[_Vector]) -> Usage | None:
    """The sum of what each vector says of its text; unknown when one of them is silent."""
    counts = [one.statistics.token_count for one in vectors if one.statistics]
    known = [int(count) for count in counts if count is not None]
    return plausible(Usage(sum(known))) if len(known) == len(vectors) else None


class _Count(msgspec.Struct, rename="camel"):
    total_tokens: int


def decode_count(reply: HTTPReply, target: Candidate) -> int:
    """The number of input tokens."""
    try:
        return msgspec.json.decode(reply.body, type=_Count).total_tokens
    except UNREADABLE:
        raise unreadable(reply, target) from None
