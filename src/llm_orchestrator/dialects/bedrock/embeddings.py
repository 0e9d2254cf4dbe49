"""Vectors through InvokeModel: each maker has a body of its own, and no two answers are alike."""

from collections.abc import Sequence
from typing import Any

import msgspec

from llm_orchestrator.dialects.base import UNREADABLE, plausible, unreadable, unsupported
from llm_orchestrator.dialects.bedrock.encode import JSON, model_url
from llm_orchestrator.dialects.bedrock.errors import REQUEST_ID
from llm_orchestrator.types.http import HTTPCall, HTTPReply
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.usage import Usage

TOKEN_COUNT = "X-Amzn-Bedrock-Input-Token-Count"
"""The header that holds the input tokens where the body does not."""

_HEADERS = JSON | {"Accept": "application/json"}
_encode_json = msgspec.json.Encoder().encode


def most_texts(target: Candidate) -> int:
    """How many texts one request may hold: Amazon's own models take one, Cohere's 96."""
    return 96 if "cohere.embed" in target.model.id else 1


def encode_embeddings(texts: Sequence[str], target: Candidate, dimensions: int | None) -> HTTPCall:
    """The texts as one POST to ``/model/{id}/invoke``; Amazon's models take one text each."""
    name = target.model.id
    if "cohere.embed" in name:
        body = _cohere(texts, target, dimensions)
    elif "titan-embed" in name or "nova-" in name:
        if len(texts) > 1:
            why = "several texts in one request to a model that embeds one (cohere.embed takes 96)"
            raise unsupported(why, target)
        titan = "titan-embed" in name
        body = _titan(texts[0], target, dimensions) if titan else _nova(texts[0], dimensions)
    else:
        why = "embeddings of this model: Titan, Nova and Cohere Embed are known here"
        raise unsupported(why, target)
    return HTTPCall(model_url(target, name, "invoke"), _encode_json(body), _HEADERS)


def _titan(text: str, target: Candidate, dimensions: int | None) -> dict[str, Any]:
    body: dict[str, Any] = {"inputText": text}
    if "titan-embed-text-v2" in target.model.id:
        if dimensions:
            body["dimensions"] = dimensions
        return body | {"normalize": True}
    if dimensions:
        raise unsupported("a number of dimensions", target)
    return body


def _nova(text: str, dimensions: int | None) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "embeddingPurpose": "GENERIC_INDEX",
        "text": {"truncationMode": "NONE", "value": text},
    }
    if dimensions:
        parameters["embeddingDimension"] = dimensions
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": parameters}


def _cohere(texts: Sequence[str], target: Candidate, dimensions: int | None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "texts": list(texts),
        "input_type": "search_document",
        "embedding_types": ["float"],
    }
    if dimensions:
        if "-v3" in target.model.id:
            raise unsupported("a number of dimensions", target)
        body["output_dimension"] = dimensions
    return body


class _ByType(msgspec.Struct):
    float: list[list[float]]


class _One(msgspec.Struct):
    embedding: list[float]


class _Vectors(msgspec.Struct, rename="camel"):
    """The answer of any maker; each fills its own fields."""

    embedding: list[float] | None = None
    embeddings: list[list[float] | _One] | _ByType | None = None
    input_text_token_count: int | None = None


_read = msgspec.json.Decoder(_Vectors).decode


def decode_embeddings(reply: HTTPReply, target: Candidate) -> tuple[list[list[float]], Response]:
    """The vectors in the order of the texts, and the input tokens where they are told."""
    try:
        body = _read(reply.body)
    except UNREADABLE:
        body = _Vectors()
    found = body.embeddings
    if isinstance(found, _ByType):
        vectors = found.float
    elif found is not None:
        vectors = [one.embedding if isinstance(one, _One) else one for one in found]
    elif body.embedding is not None:
        vectors = [body.embedding]
    else:
        raise unreadable(reply, target, REQUEST_ID)
    tokens = body.input_text_token_count
    header = reply.header(TOKEN_COUNT) or ""
    if tokens is None and header.isascii() and header.isdigit() and len(header) < 16:
        tokens = int(header)
    usage = None if tokens is None else plausible(Usage(tokens))
    request_id = reply.header(REQUEST_ID)
    return vectors, Response((), "stop", usage, target.model.id, "", request_id)
