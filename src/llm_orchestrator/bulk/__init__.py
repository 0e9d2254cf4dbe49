"""Bulk runs: many rows, in batches of providers or one by one, each paid once."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_orchestrator.bulk.queue.names import BatchJobType as BatchJobType
    from llm_orchestrator.bulk.queue.names import BatchProvider as BatchProvider
    from llm_orchestrator.bulk.queue.processor import BatchProcessor as BatchProcessor
    from llm_orchestrator.bulk.queue.scheduler import BatchScheduler as BatchScheduler

_EXPORTS = {
    "BatchJobType": "queue.names",
    "BatchProcessor": "queue.processor",
    "BatchProvider": "queue.names",
    "BatchScheduler": "queue.scheduler",
}
__all__ = ["BatchJobType", "BatchProcessor", "BatchProvider", "BatchScheduler"]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
