"""A worker: goes on with runs, begins nights, tells alerts and calls back, as one of many.

The durable engine wakes it; what is to be done stands in our tables. Each worker proposes the same
entry for the same slot of time, and the engine gives it to one of them. Work of a worker that died
is free when its lease ends, and is found at the next slot.
"""

import asyncio
import fcntl
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path
from typing import IO

from llm_orchestrator.bulk.background import BackgroundRunner
from llm_orchestrator.bulk.clock import Clock
from llm_orchestrator.bulk.opening import work_folder
from llm_orchestrator.bulk.queue import alerts, callbacks
from llm_orchestrator.bulk.queue.settling import settle_all
from llm_orchestrator.bulk.queue.upkeep import upkeep
from llm_orchestrator.config.schema import Config
from llm_orchestrator.durable.engine import Durable
from llm_orchestrator.engine.notify import Notifier
from llm_orchestrator.errors import ClosedError, OrchestratorError
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_jobs import MARK
from llm_orchestrator.store.bulk_rows import RunRow, RunState

log = logging.getLogger("llm_orchestrator")

Begin = Callable[[], None]

_LOOK_S = 2.0
"""How often a worker looks for runs that nobody drives."""
_NOTICE_S = 5.0
_UPKEEP_S = 60.0
"""How often it looks whether an audit is due, at most."""
_TIDY_S = 600.0
_OPEN: tuple[RunState, ...] = ("planned", "running", "cancelling")


class Worker:
    """One process's share of the work. ``night`` is called, on a thread, every ``check_s`` seconds.

    Raises `ConfigError` where the durable engine is not installed.
    """

    def __init__(
        self, config: Config, store: BulkStore, clock: Clock, *, check_s: float, night: Begin
    ) -> None:
        self._config = config
        self._store = store
        self._clock = clock
        self._check_s = check_s
        self._night = night
        self._lock_file: IO[str] | None = None
        self._over = threading.Event()
        self._looking = threading.Lock()
        self._poked = threading.Event()
        self._wanted: set[str] = set()
        self._heart: threading.Thread | None = None
        self._durable: Durable | None = None
        self._notifier = Notifier(config.notify, delivered=self._arrived)
        self._alert_sender = alerts.AlertSender(store, self._notifier)
        self.owner = ""
        self._claims = ""
        """As whom it claims runs."""
        self.background = BackgroundRunner(config, clock=clock)

    def start(self) -> None:
        """Begin to work."""
        folder = work_folder(self._store)
        folder.mkdir(parents=True, exist_ok=True)
        self.owner, self._lock_file = _identity(folder)
        durable = Durable(_address(self._store, folder), executor_id=self.owner, polling_s=0.5)
        durable.register("runs", self._on_runs)
        durable.register("night", self._on_night)
        durable.register("notices", self._on_notices)
        durable.register("upkeep", self._on_upkeep)
        self.background.runner  # noqa: B018 - what is wrong with the configuration shows now
        durable.start()
        self._durable = durable
        self._heart = threading.Thread(target=self._beat, name="llmo-heart", daemon=True)
        self._heart.start()

    def stop(self, timeout_s: int = 10) -> None:
        """Take nothing more; what is under way stops at its next checkpoint, for others."""
        self._over.set()
        self._poked.set()
        if self._heart is not None:
            self._heart.join()
        self.background.close()  # before all else: others may have its runs at once
        if self._durable is not None:
            self._durable.stop(timeout_s)
        if self._claims:
            self._store.wait(self._store.runs.release_all, self._claims)
        if self._notifier.busy:
            self._notifier.flush(timeout_s)
        if self._lock_file is not None:
            self._lock_file.close()

    def wake(self, name: str) -> None:
        """Do it now: ``runs``, ``night`` or ``notices``. Also from handlers."""
        self._wanted.add(name)
        self._poked.set()

    # ---------------------------------------------------------------- what wakes us

    def _beat(self) -> None:
        """Propose the entries of each slot; tidy up after those that are done."""
        tidy_at = time.monotonic()
        while not self._over.is_set():
            try:
                while self._wanted and self._durable is not None:  # a handler must not enqueue
                    self._durable.enqueue(self._wanted.pop(), "now", priority=10)
                self._propose("runs", _LOOK_S, 5)
                # Nights are those of the clock, which may be a simulator's.
                pace = max(min(1.0, self._check_s), self._check_s / self._clock.speed)
                self._propose("night", pace, 10)
                self._propose("notices", min(_NOTICE_S, self._check_s), 1)
                self._propose("upkeep", min(_UPKEEP_S, self._config.bulk.audit_interval), 1)
                if self._durable is not None and time.monotonic() >= tidy_at:
                    tidy_at = time.monotonic() + _TIDY_S
                    self._durable.tidy()
            except Exception as error:  # noqa: BLE001 - the database may be away for a while
                log.warning("the worker cannot be woken: %s: %s", type(error).__name__, error)
            self._poked.wait(min(1.0, self._check_s))
            self._poked.clear()

    def _propose(self, name: str, every_s: float, priority: int) -> None:
        if self._durable is not None:
            slot = int(time.time() / every_s)
            self._durable.enqueue_once(name, f"{every_s:g}", slot, priority=priority)

    # ---------------------------------------------------------------- what is done

    def _on_runs(self, _key: str) -> None:
        """Go on with the most urgent runs that nobody has, as many as there is room for."""
        for run_id in settle_all(self._store, self._micros()):
            log.debug("%s has results", run_id)
        with self._looking:
            self._fill()

    def _fill(self) -> None:
        room = self._config.bulk.worker_runs - len(self.background.busy)
        if self._over.is_set():
            return
        owner = self._claims = self.background.runner.owner
        lease = self._config.bulk.lease + _LOOK_S
        for run_id in self._store.wait(self._store.runs.unowned, _OPEN, 200):
            if room <= 0 or self._over.is_set():
                return
            run = self._store.wait(self._store.runs.get, run_id)
            if run is None or run_id in self.background.busy or self.background.rests(run_id):
                continue
            if self._store.wait(self._store.jobs.claim_run, run_id, owner, lease, self._most(run)):
                room -= 1
                self.background.begin(run_id)

    def _on_night(self, _key: str) -> None:
        if not self._over.is_set():
            asyncio.run(self._clock.refresh())
            self._night()

    def _on_notices(self, _key: str) -> None:
        now = self._micros()
        alerts.evaluate(self._store, now)
        self._alert_sender.tell()
        callbacks.arm(self._store, self._config.bulk.callbacks, now)
        callbacks.deliver(self._store)

    def _on_upkeep(self, _key: str) -> None:
        if not self._over.is_set():
            runner, every = self.background.runner, self._config.bulk.audit_interval
            with suppress(CancelledError, ClosedError):  # it stops, and others go on
                self.background.call(upkeep(runner.batch_lane, self.owner, every))

    def _most(self, run: RunRow) -> int:
        """How many runs of queued jobs its provider may have at once."""
        bulk = self._config.bulk
        provider = (run.name or "").removeprefix(MARK).partition("/")[0]
        return bulk.provider_limits.get(provider, bulk.provider_runs)

    def _micros(self) -> int:
        return int(self._clock.now() * 1e6)

    def _arrived(self, notice: object) -> None:
        try:
            alerts.arrived(self._store, notice)
        except OrchestratorError as error:  # then it may be told twice
            log.debug("cannot note that an alert arrived: %s", error)


def _identity(folder: Path) -> tuple[str, IO[str]]:
    """A name of this process that stays when it starts again, and the lock that keeps it ours."""
    for number in range(1, 1000):
        file = (folder / f"worker-{number}.lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            continue
        file.write(f"{os.getpid()}\n")
        file.flush()
        return f"{socket.gethostname()}-{number}", file
    raise OSError(f"too many workers have a lock in {folder}")


def _address(store: BulkStore, folder: Path) -> str:
    target = store.target
    if target.kind == "postgres":
        return target.place
    return f"sqlite:///{folder / 'durable.db'}"
