"""The port over DBOS: wake a handler with a key, now or later, by priority, exactly one at a time.

What was measured, and is kept to here: each process has a stable executor id of its own (two
"local" ones steal each other's work); the application version is pinned, or an upgrade strands what
waits; nothing sleeps inside a workflow, a later look is a new entry with a delay under a key that
follows from the last one; finished entries are deleted, as the engine never does; and work of a
process that died is found by our own leases, because the open engine leaves it where it is.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from llm_orchestrator.errors import ConfigError

Handler: TypeAlias = Callable[[str], float | None]
"""Does one step for a key, on a thread of the engine; seconds until the next, or ``None``."""

_VERSION = "1"
_QUEUE = "llmo"
_HIGHEST = 10
_KEPT_MS = 3_600_000
log = logging.getLogger("llm_orchestrator")


class Durable:
    """Wakes handlers. One in a process, as DBOS itself is.

    ``address`` is ``sqlite:///path`` of a file of the engine's own, or that of a PostgreSQL
    database, where it has a schema of its own. ``executor_id`` is this process's, and stays the
    same when it starts again; ``concurrency`` is how many handlers run at once.
    """

    def __init__(
        self,
        address: str,
        *,
        executor_id: str,
        concurrency: int = 4,
        polling_s: float = 1.0,
    ) -> None:
        self._address = address
        self._executor_id = executor_id
        self._concurrency = concurrency
        self._polling_s = polling_s
        self._handlers: dict[str, Handler] = {}
        self._last: dict[tuple[str, str], int] = {}
        self._dbos: Any = None
        self._queue: Any = None
        self._wake: Any = None

    def register(self, name: str, handler: Handler) -> None:
        """Let entries of this name wake the handler. Before `start`."""
        self._handlers[name] = handler

    def start(self) -> None:
        """Begin to wake handlers. Raises `ConfigError` where the engine is not installed."""
        try:
            from dbos import DBOS
        except ImportError:
            raise ConfigError(
                "bulk workers need DBOS: python -m pip install 'llm-orchestrator[workers]'"
            ) from None
        logging.getLogger("dbos").setLevel(logging.ERROR)
        DBOS(
            config={
                "name": _QUEUE,
                "system_database_url": self._address,
                "application_version": _VERSION,
                "executor_id": self._executor_id,
                "log_level": "ERROR",
                "console_log_level": "ERROR",
                "scheduler_polling_interval_sec": 3600.0,
            }
        )

        @DBOS.step(name="llmo.step")
        def step(name: str, key: str) -> float | None:
            return self._step(name, key)

        def wake(name: str, key: str, number: int, priority: int) -> None:
            pause = step(name, key)
            if pause is not None:
                self._enqueue(name, key, number + 1, pause, priority)

        self._wake = DBOS.workflow(name="llmo.wake")(wake)
        self._dbos = DBOS
        DBOS.launch()
        self._queue = DBOS.register_queue(
            _QUEUE, worker_concurrency=self._concurrency, polling_interval_sec=self._polling_s
        )

    def enqueue(self, name: str, key: str, *, delay_s: float = 0.0, priority: int = 5) -> None:
        """Wake the handler with the key, again as long as it asks for that; 10 comes first.

        Not for handlers, which ask to be woken again by what they return.

        Every call begins a line of its own: handlers find out from our tables that there is
        nothing to do.
        """
        self._enqueue(name, f"{key}", time.time_ns(), delay_s, priority)

    def enqueue_once(self, name: str, key: str, number: int, *, priority: int = 5) -> None:
        """The same, if no process has done so with this number: it is woken once for all of them.

        Its handler must return ``None``: what it would look at again has the next number.
        """
        if self._last.get((name, key)) != number:
            self._enqueue(name, key, number, 0.0, priority)
            self._last[name, key] = number

    def _enqueue(self, name: str, key: str, number: int, delay_s: float, priority: int) -> None:
        from dbos import SetEnqueueOptions, SetWorkflowID

        delay = delay_s if delay_s > 0 else None
        turn = _HIGHEST + 1 - max(1, min(priority, _HIGHEST))  # theirs: the lowest comes first
        with (
            SetWorkflowID(f"{name}:{key}:{number}"),
            SetEnqueueOptions(priority=turn, delay_seconds=delay),
        ):
            self._queue.enqueue(self._wake, name, key, number, priority)

    def _step(self, name: str, key: str) -> float | None:
        """One step. What goes wrong is told, and tried again later: an entry must not be lost."""
        handler = self._handlers.get(name)
        if handler is None:
            return None
        try:
            return handler(key)
        except Exception as error:  # noqa: BLE001 - whatever it is, the entry goes on
            log.warning("%s %s: %s: %s", name, key, type(error).__name__, error)
            return 30.0

    def tidy(self, kept_ms: int = _KEPT_MS) -> int:
        """Delete entries that ended longer ago than that; how many."""
        before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - kept_ms / 1000))
        found = self._dbos.list_workflows(
            status=["SUCCESS", "ERROR", "CANCELLED"],
            name="llmo.wake",
            completed_before=before,
            limit=1000,
            load_input=False,
            load_output=False,
        )
        if found:
            self._dbos.delete_workflows([one.workflow_id for one in found])
        return len(found)

    def stop(self, timeout_s: int = 10) -> None:
        """Take no more; wait so long for handlers that are at it."""
        if self._dbos is not None:
            dbos, self._dbos = self._dbos, None
            dbos.destroy(destroy_registry=True, workflow_completion_timeout_sec=timeout_s)
            # What still lasts cannot be noted any more, and is done again: no news for anybody.
            logging.getLogger("dbos").setLevel(logging.CRITICAL)
