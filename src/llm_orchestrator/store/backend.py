"""What the writer asks of a database."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from llm_orchestrator.store.balance import Entry
from llm_orchestrator.store.budget_control import Plan
from llm_orchestrator.store.executor import Executor
from llm_orchestrator.store.rows import Group

SCHEMA_LOCK = 0x6C6C6D6F
"""Key of PostgreSQL's advisory lock under which one process at a time makes the schema."""


class Backend(Protocol):
    """One connection to a store, used by one thread at a time. Opens itself when needed."""

    errors: tuple[type[Exception], ...]
    """Base of what the database raises."""
    data_errors: tuple[type[Exception], ...]
    """What is raised for rows that the store will never take; all else is the store's fault."""

    def open(self) -> None:
        """Connect; make the schema, or bring it up to date."""

    def write(self, group: Group, plan: Plan | None = None) -> Entry | None:
        """Commit all rows or none; rows that are already there are left alone.

        ``plan`` says what the rows do to budgets, and its entry which of them are written.
        """

    def enrol(self, executor: Executor, now_us: int) -> None:
        """Say that this process writes, or still does."""

    def living(self) -> list[Executor]:
        """The processes that have not ended, as far as the store knows."""

    def retire(self, executor_ids: Sequence[str], now_us: int) -> None:
        """Note the end of processes: attempts that they left unsettled are now unknown."""

    def query(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a SELECT, one by one; ``?`` marks a parameter."""

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run one statement that changes rows, by itself; how many. ``?`` marks a parameter."""

    def execute_many(self, sql: str, rows: Iterable[Sequence[object]]) -> int:
        """Run one statement once for each row; how many rows it changed."""

    def transaction(self) -> AbstractContextManager[None]:
        """What is executed within is committed together, or not at all.

        In SQLite nobody else writes meanwhile; in PostgreSQL lock what must not change.
        """

    def close(self) -> None:
        """Disconnect."""
