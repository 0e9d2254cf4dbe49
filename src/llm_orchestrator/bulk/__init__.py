"""Bulk runs: many rows, in batches of providers or one by one, each paid once."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_orchestrator.bulk.batchnames import BatchJobType as BatchJobType
    from llm_orchestrator.bulk.batchnames import BatchProvider as BatchProvider
    from llm_orchestrator.bulk.queue import BatchProcessor as BatchProcessor
    from llm_orchestrator.bulk.scheduler import BatchScheduler as BatchScheduler

_EXPORTS = {
    "BatchJobType": "batchnames",
    "BatchProcessor": "queue",
    "BatchProvider": "batchnames",
    "BatchScheduler": "scheduler",
}
__all__ = ["BatchJobType", "BatchProcessor", "BatchProvider", "BatchScheduler"]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
