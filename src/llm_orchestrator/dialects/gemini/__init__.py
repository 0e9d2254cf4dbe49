"""Gemini's generateContent, on AI Studio and on Vertex (which differ in their rows' quirks).

Source: https://ai.google.dev/api/generate-content and the official SDK's types.
"""

from llm_orchestrator.dialects.gemini.decode import decode
from llm_orchestrator.dialects.gemini.encode import encode, encode_count
from llm_orchestrator.dialects.gemini.errors import error
from llm_orchestrator.dialects.gemini.others import (
    decode_count,
    decode_embeddings,
    encode_embeddings,
    list_models,
    most_texts,
    read_models,
)
from llm_orchestrator.dialects.gemini.stream import events

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
