"""Tasks whose answers are cut to what a cap pays for."""

import msgspec

from llm_orchestrator.bulk.rows import Data
from llm_orchestrator.bulk.task import Asked, Task
from llm_orchestrator.types.request import Request


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
