"""Cohere: chat and embeddings of its API v2, models and tokens of v1.

Source: https://docs.cohere.com/v2/reference and the official SDK's types. ``base_url`` is without
a version, as both are used; one at its end is left out.
"""

from llm_orchestrator.dialects.cohere.decode import (
    decode,
    decode_count,
    decode_embeddings,
    read_models,
)
from llm_orchestrator.dialects.cohere.encode import (
    encode,
    encode_count,
    encode_embeddings,
    list_models,
    most_texts,
)
from llm_orchestrator.dialects.cohere.errors import error
from llm_orchestrator.dialects.cohere.stream import events

__all__ = [
    "decode",
    "decode_count",
    "decode_embeddings",
    "encode",
    "encode_count",
    "encode_embeddings",
    "error",
    "events",
    "list_models",
    "most_texts",
    "read_models",
]
