"""What is wrong with a row though it can be read: its id was there before, or it is too long."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from llm_orchestrator.bulk.digests import Digests, digest_of
from llm_orchestrator.bulk.rows.row import Data, Row, RowError
from llm_orchestrator.bulk.tasks.task import Asked, Task
from llm_orchestrator.catalog.tokens import count_request, count_text, upper_bound_input
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.request import Media, Request


def screened(rows: Iterable[Row], tasks: Sequence[Task]) -> Iterator[Row]:
    """The rows, with an error in place of those whose id was there before: the first one counts."""
    columns = {task.id: task for task in tasks}
    seen = {column: Digests() for column in columns}
    for row in rows:
        if row.data is None:
            yield row
            continue
        error = None
        for column, task in columns.items():
            try:
                user_id = task.user_id(row.data)
            except RowError:
                continue  # each task says so itself
            if seen[column].add(digest_of(user_id), row.number) is not None:
                error = RowError(f"the id {user_id!r} was there before", "duplicate")
        if error is None:
            yield row
        else:
            yield Row(row.number, None, error, row.data)


def within(task: Task, models: Sequence[Model]) -> Task:
    """The task, which refuses rows that are longer than every one of the models can read."""
    limits = [(model.context, model) for model in models if model.context is not None]
    if not limits or len(limits) < len(models):
        return task  # nothing is known of one of them
    most, largest = max(limits, key=lambda pair: pair[0])
    form = task.form

    def checked(row: Data) -> tuple[Asked, bytes]:
        asked, content = form(row)
        if (size := _too_long(asked, most, largest)) is not None:
            what = f"about {size:,} tokens, and {largest.id} reads {most:,}"
            raise RowError(f"it is longer than every model can read: {what}", "context")
        return asked, content

    return msgspec.structs.replace(task, form=checked)


def _too_long(asked: Asked, most: int, model: Model) -> int | None:
    """Its tokens, when they are more than the model reads."""
    if isinstance(asked, Request):
        room = most - (asked.max_tokens or 0)
        if upper_bound_input(asked, model) <= room or _shows_media(asked):
            return None
        size = count_request(asked, model)
        return size + (asked.max_tokens or 0) if size > room else None
    for text in asked.texts:
        if len(text.encode("utf-8", "replace")) > most and (size := count_text(text, model)) > most:
            return size
    return None


def _shows_media(request: Request) -> bool:
    return any(
        isinstance(part, Media)
        for message in request.messages
        if not isinstance(message.content, str)
        for part in message.content
    )
