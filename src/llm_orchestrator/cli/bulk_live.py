"""A live view of a run: per batch its state, what is done, what it costs; quiet in pipes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_orchestrator.bulk.face import BulkRun


@contextmanager
def live(run: "BulkRun") -> Iterator[None]:
    """Show the run while it goes on."""
    del run
    yield
