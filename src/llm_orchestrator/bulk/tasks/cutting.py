"""Tasks whose answers are cut to what a cap pays for, and answers that were cut."""

import msgspec

from llm_orchestrator.bulk.rows.row import Data
from llm_orchestrator.bulk.tasks.task import Asked, Task
from llm_orchestrator.store.bulk_rows import CUT, ItemState, Unit
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.request import Request

_WHOLE = 0.9
"""From this part of the model's maximum on, it was the model's own limit that cut an answer."""


def told(most: int) -> str:
    """Why an item cannot succeed whose limit is the user's."""
    return (
        f"{CUT}: the {most:,} tokens that the task or the row allows are too few for its answer; "
        "ask it again with a larger max_tokens (rejects.jsonl has such rows)"
    )


def verdict(task: Task, unit: Unit, model: Model, written: int) -> tuple[ItemState, str]:
    """What becomes of an item whose answer of so many tokens was cut.

    It is asked again only where the limit was not the user's, and can be raised.
    """
    own, most = task.options.get("max_tokens"), model.max_output
    if own is not None:
        return ItemState.FAILED, told(int(own))
    if unit.max_tokens is not None:
        return ItemState.RETRY, f"{CUT}: its answer is longer than {unit.max_tokens:,} tokens"
    if most is not None and written >= most * _WHOLE:
        text = f"{CUT}: {model.id} writes no more than {most:,} tokens; ask one that does"
        return ItemState.FAILED, text
    return ItemState.RETRY, f"{CUT}: the provider has cut its answer at {written:,} tokens"


def cut(task: Task, most: int | None) -> Task:
    """The task, whose answers have so many tokens at most where it does not say it itself.

    What it asks has the same digest: an answer that is there is not asked again.
    """
    if most is None or task.options.get("max_tokens") is not None:
        return task
    form = task.form

    def shorter(row: Data) -> tuple[Asked, bytes]:
        asked, content = form(row)
        if isinstance(asked, Request) and asked.max_tokens is None:
            asked = msgspec.structs.replace(asked, max_tokens=most)
        return asked, content

    return msgspec.structs.replace(task, form=shorter)
