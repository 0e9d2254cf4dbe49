"""From a configuration to somebody who can drive runs."""

from pathlib import Path

from llm_orchestrator.bulk.clock import ClockLike, SimulatedClock, SystemClock
from llm_orchestrator.bulk.runner import Runner
from llm_orchestrator.config.paths import store_url
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.urls import data_dir


def open_runner(runtime: Runtime, clock: ClockLike = None) -> Runner:
    """A runner over the configuration's store; ``clock`` may be the address of a simulator."""
    store = BulkStore(store_url(runtime.config))
    if isinstance(clock, str):
        clock = SimulatedClock(clock)
    return Runner(runtime, store, folder=work_folder(store), clock=clock or SystemClock())


def work_folder(store: BulkStore) -> Path:
    """Where the files of batches lie until they are read: beside the store, if that is a file."""
    target = store.target
    base = Path(target.place).parent if target.kind == "sqlite" else data_dir()
    return base / "bulk"
