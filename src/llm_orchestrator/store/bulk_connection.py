"""The connection to the tables of bulk runs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from llm_orchestrator.errors import StoreError
from llm_orchestrator.store.backend import Backend
from llm_orchestrator.store.connect import connect
from llm_orchestrator.store.outage import advice_for, reason_of
from llm_orchestrator.store.urls import Target

_SET_S = 60.0
"""How often the clock of a server is looked at."""


class BulkConnection:
    """The connection that the aggregates share. What the database raises becomes `StoreError`."""

    def __init__(self, target: Target, timeout_s: float) -> None:
        self.target = target
        self._backend = connect(target, timeout_s)
        self._ahead: float | None = None
        """Of our monotonic clock: that of the server."""
        self._set_at = 0.0

    @property
    def postgres(self) -> bool:
        """Whether rows must be locked one by one."""
        return self.target.kind == "postgres"

    def wall(self) -> float:
        """Unix seconds, for leases: by the server's clock, as those of machines may differ."""
        if not self.postgres:
            return time.time()
        begun = time.monotonic()
        if self._ahead is None or begun - self._set_at > _SET_S:
            with self() as backend:
                sql = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS FLOAT)"
                ((now,),) = list(backend.query(sql))
            self._set_at = time.monotonic()
            self._ahead = now - (begun + self._set_at) / 2
        return time.monotonic() + self._ahead

    @contextmanager
    def __call__(self, *, atomic: bool = False) -> Iterator[Backend]:
        """The backend; ``atomic``: what is done is one transaction."""
        backend = self._backend
        faults: tuple[type[Exception], ...] = (*backend.errors, *backend.data_errors, OSError)
        try:
            if atomic:
                with backend.transaction():
                    yield backend
            else:
                yield backend
        except faults as error:
            reason = reason_of(error, self.target)
            told = StoreError(
                f"the bulk runs at {self.target.shown} cannot be read or written: "
                f"{reason.rstrip('.')}. {advice_for(error, reason)}"
            )
            told.retryable = self.postgres and _passes(error)  # type: ignore[misc]
            raise told from error

    def close(self) -> None:
        """Disconnect; the next use connects again."""
        self._backend.close()


def _passes(error: Exception) -> bool:
    """Whether a server may be well again soon: it restarts, or cannot be reached."""
    from psycopg import OperationalError

    return isinstance(error, OperationalError)
