"""A task: what is asked of each row, and of whom by default."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from llm_orchestrator.bulk.rows.row import Data, RowError
from llm_orchestrator.bulk.tasks.templates import missing
from llm_orchestrator.types.batch import Texts
from llm_orchestrator.types.request import OutputSchema, Request

TaskKind: TypeAlias = Literal["chat", "embedding", "media"]
Asked: TypeAlias = Request | Texts
Form: TypeAlias = Callable[[Data], tuple[Asked, bytes]]
"""What a row asks, and bytes that differ whenever two rows ask for something else."""


class TaskItem(msgspec.Struct, frozen=True, gc=False):
    """What one row asks in one task."""

    user_id: str
    """The row's own id."""
    request: Asked
    digest: str
    """Of the task and its name, the id and everything that is asked, as 32 hexadecimal digits: what
    has the same one has been asked before."""


class Task(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A task, ready to turn rows into requests; made by `tasks.load_task`."""

    name: str
    kind: TaskKind = "chat"
    id: str = "id"
    """The column that holds the row's own id."""
    model: str | None = None
    models: tuple[str, ...] = ()
    """Whom it asks when the run names nobody; ``model`` is the first of them."""
    options: Mapping[str, Any] = {}
    """What the request says beside its messages, such as ``max_tokens``."""
    schema: OutputSchema | None = None
    parse: Callable[[str], Any] | None = None
    """Reads an answer by the schema: the value; raises `OutputError`. ``None`` without one."""
    dimensions: int | None = None
    columns: frozenset[str] = frozenset()
    """Names that its templates use; a template may do without some of them."""
    spec: Mapping[str, Any]
    """What it was made from, as JSON data: `load_task` makes the same one of it again."""
    digest: str
    """Of everything that changes an answer, as 32 hexadecimal digits. The models are not in it: an
    answer by another model is an answer all the same."""
    form: Form

    def item(self, row: Data) -> TaskItem:
        """What the row asks; raises `RowError`."""
        user_id = self.user_id(row)
        asked, content = self.form(row)
        seed = f"{self.digest}{self.name}\0{user_id}\0".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(seed + content, digest_size=16).hexdigest()
        return TaskItem(user_id, asked, digest)

    def user_id(self, row: Data) -> str:
        """The row's own id as text; raises `RowError`."""
        try:
            value = row[self.id]
        except KeyError:
            error = missing(self.id, row, "id")
            raise RowError(error.reason, "id") from None
        if type(value) is str:
            if value:
                return value
        elif isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        what = "is empty" if value is None or value == "" else f"is a {type(value).__name__}"
        raise RowError(f"the id {what} (column {self.id!r})", "id")
