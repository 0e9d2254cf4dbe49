"""OpenAI Responses, as a wire to ask over.

Source: https://platform.openai.com/docs/api-reference/responses and the official SDK's types.

When this wire is used. The row of OpenAI speaks Chat Completions: nearly all of its models answer
there, it is older, and so are the many servers that imitate it. Responses is for what is only
there: a row's ``wires`` name such models (``o1-pro``, ``gpt-5-pro``, all of Perplexity's that are
made by others), and those alone change their wire. ``dialect: responses`` in a section of the
user's configuration asks all models of a provider over it, as for thoughts that are handed back
between turns with tools.

Nothing is kept at the provider: ``store`` is false, and thoughts come back encrypted
(``include``), to be sent again with the conversation.
"""

from llm_orchestrator.dialects.openai_faults import error
from llm_orchestrator.dialects.openai_lists import (
    decode_count,
    decode_embeddings,
    encode_embeddings,
    list_models,
    most_texts,
    read_models,
)
from llm_orchestrator.dialects.responses.decode import decode
from llm_orchestrator.dialects.responses.encode import encode, encode_count
from llm_orchestrator.dialects.responses.stream import events

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
