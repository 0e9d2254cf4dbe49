"""Bedrock Converse: one wire for the models of many makers, streamed in binary frames.

Source: botocore's service models of bedrock-runtime and bedrock, and the user guide of Bedrock.
"""

from llm_orchestrator.dialects.bedrock.decode import decode, decode_count
from llm_orchestrator.dialects.bedrock.embeddings import (
    decode_embeddings,
    encode_embeddings,
    most_texts,
)
from llm_orchestrator.dialects.bedrock.encode import encode, encode_count
from llm_orchestrator.dialects.bedrock.errors import error
from llm_orchestrator.dialects.bedrock.listing import list_models, read_models
from llm_orchestrator.dialects.bedrock.stream import events

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
