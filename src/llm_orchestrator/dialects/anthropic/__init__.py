"""Anthropic Messages, in both live API versions.

Source: https://platform.claude.com/docs/en/api/messages and the official SDK's types.
"""

from llm_orchestrator.dialects.anthropic.decode import (
    decode,
    decode_count,
    decode_embeddings,
    read_models,
)
from llm_orchestrator.dialects.anthropic.encode import (
    encode,
    encode_count,
    encode_embeddings,
    list_models,
    most_texts,
)
from llm_orchestrator.dialects.anthropic.errors import error
from llm_orchestrator.dialects.anthropic.stream import events

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
