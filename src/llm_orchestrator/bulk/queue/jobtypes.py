"""Job types: what is asked of a job's data, and of whom by default.

Names are open: a type of the configuration (``bulk.job_types``) adds one or replaces a built-in
one, and data that bring their own messages need no type at all.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from llm_orchestrator.bulk.rows.row import RowError
from llm_orchestrator.bulk.tasks.builtin import BUILT_IN
from llm_orchestrator.bulk.tasks.files import load_task
from llm_orchestrator.bulk.tasks.task import Task
from llm_orchestrator.config.read import nearest
from llm_orchestrator.errors import InvalidRequestError

JOB_ID = "job_id"
"""The column of a job's own id."""


class Job(msgspec.Struct, frozen=True):
    """A job's data, and the task that makes a request of them."""

    task: Task
    row: Mapping[str, Any]
    """Without an id: `with_id` adds it."""
    model: str | None
    """Whom the data name; ``None``: one of the task's models, or the provider's default."""

    def with_id(self, job_id: str) -> Mapping[str, Any]:
        """The row of a run."""
        return {**self.row, JOB_ID: job_id}


class JobTypes:
    """The built-in types and the user's own; ``own`` are mappings as in a task's YAML file."""

    def __init__(self, own: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._known = {**BUILT_IN, **(own or {})}
        self._tasks: dict[str, Task] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All types that have a template."""
        return tuple(self._known)

    def task(self, name: str) -> Task:
        """The task of a type; raises `InvalidRequestError` for one without a template."""
        found = self._tasks.get(name)
        if found is None:
            if name not in self._known:
                hint = nearest(name, self._known)
                raise InvalidRequestError(f"the job type {name!r} has no template; {hint}")
            given = {**self._known[name], "id": JOB_ID}
            found = self._tasks[name] = load_task(given, name=name)
        return found

    def read(self, name: str, data: Mapping[str, Any]) -> Job:
        """The job of these data; raises `InvalidRequestError` for data that ask for nothing."""
        if not isinstance(data, Mapping):
            raise InvalidRequestError(f"data: expected a mapping, got {type(data).__name__}")
        model = data.get("model")
        if model is not None and not isinstance(model, str):
            raise InvalidRequestError("data.model: expected the name of a model")
        row = {key: value for key, value in data.items() if key not in {"model", JOB_ID}}
        if "messages" in row:
            task = self._as_is(name)
        elif name in self._known:
            task = self.task(name)
        else:
            raise InvalidRequestError(
                f"data: there are no messages, and the job type {name!r} has no template to make "
                f"some; give data.messages, or one of {', '.join(self._known)}, or write the "
                f"template under bulk.job_types.{name}"
            )
        job = Job(task, row, model)
        try:
            task.item(job.with_id("-"))
        except RowError as error:
            raise InvalidRequestError(f"data: {error.reason}") from None
        return job

    def _as_is(self, name: str) -> Task:
        key = f"{name} as it is"
        found = self._tasks.get(key)
        if found is None:
            found = self._tasks[key] = load_task({"as_is": True, "id": JOB_ID}, name=name)
        return found
