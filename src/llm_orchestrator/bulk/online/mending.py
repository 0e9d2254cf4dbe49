"""Asking for an answer again that did not fit its schema, with what was wrong with it."""

import msgspec

from llm_orchestrator.bulk.answers import decode_answer
from llm_orchestrator.store.bulk_rows import ItemRow
from llm_orchestrator.types.request import Message, Request

_MOST = 20_000
"""Characters of the old answer that are shown."""


def mended(request: Request, row: ItemRow) -> Request:
    """The request with the old answer and its fault; ``row`` has both."""
    text = decode_answer(row.result or b"{}").text[:_MOST]
    fault = (row.error or "").partition(": ")[2] or "it is not what was asked for"
    return msgspec.structs.replace(
        request,
        messages=(
            *request.messages,
            Message("assistant", text or "(nothing)"),
            Message("user", f"This cannot be used: {fault}. Answer again, with the JSON alone."),
        ),
    )
