"""OpenAI Chat Completions, and the many servers that speak it.

Source: https://platform.openai.com/docs/api-reference/chat and the official SDK's types.
"""

from llm_orchestrator.dialects.openai.decode import decode
from llm_orchestrator.dialects.openai.encode import encode, encode_count
from llm_orchestrator.dialects.openai.stream import events
from llm_orchestrator.dialects.openai_faults import error
from llm_orchestrator.dialects.openai_lists import (
    decode_count,
    decode_embeddings,
    encode_embeddings,
    list_models,
    most_texts,
    read_models,
)

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
