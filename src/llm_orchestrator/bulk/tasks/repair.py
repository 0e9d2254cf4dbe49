"""What is asked for an item: its row, and where its answer did not fit the schema, a repair."""

import msgspec

from llm_orchestrator.bulk.answers import decode_answer
from llm_orchestrator.bulk.tasks.task import Asked, Task
from llm_orchestrator.store.bulk_rows import ItemRow
from llm_orchestrator.types.request import Message, Request

_MOST = 20_000
"""Characters of the old answer that are shown."""


def asked_for(task: Task, row: ItemRow) -> Asked:
    """What is asked for an item, with its fault if its answer is to be repaired.

    Raises `RowError`.
    """
    asked, _ = task.form(msgspec.json.decode(row.row))
    if row.repaired and row.result is not None and isinstance(asked, Request):
        return repair_request(asked, row)
    return asked


def repair_request(request: Request, row: ItemRow) -> Request:
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
