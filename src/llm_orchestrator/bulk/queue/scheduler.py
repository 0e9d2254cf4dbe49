"""The nightly run of the queue, and the worker that sees to it."""

import datetime as dt
import signal
from collections.abc import Mapping
from pathlib import Path
from queue import SimpleQueue
from types import FrameType, TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

import msgspec

from llm_orchestrator.bulk.clock import Clock, SimulatedClock, SystemClock
from llm_orchestrator.bulk.queue import upkeep
from llm_orchestrator.bulk.queue.nights import Nights
from llm_orchestrator.bulk.queue.placing import Placing
from llm_orchestrator.bulk.queue.worker import Worker
from llm_orchestrator.config import load
from llm_orchestrator.config.budgets import check_zone
from llm_orchestrator.config.bulk import read_time
from llm_orchestrator.config.paths import store_url
from llm_orchestrator.config.schema import Config
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_rows import new_work_id

_LEASE_S = 60.0
"""How soon another worker goes on with a night whose worker died while it made the runs."""


class BatchScheduler:
    """Runs the queue every night at ``schedule_time``, and works at all runs meanwhile.

    ``config`` is a path to a YAML file, a mapping, or ``None`` for the environment; what is left
    out here is as it says (`bulk.schedule_time`, ``BATCH_SCHEDULE_TIME``, ...). ``zone`` is a time
    zone's name. ``name`` tells schedules of one store apart: of the same name, any number of
    workers on any machines run each night once. One scheduler can work in a process at a time.
    Raises `ConfigError`.
    """

    def __init__(
        self,
        schedule_time: dt.time | str | None = None,
        check_interval_seconds: float | None = None,
        *,
        zone: str | None = None,
        name: str = "nightly",
        config: str | Path | Mapping[str, Any] | Config | None = None,
        clock: Clock | str | None = None,
    ) -> None:
        self.config = _merged(
            config if isinstance(config, Config) else load(config),
            schedule_time,
            check_interval_seconds,
            zone,
        )
        bulk = self.config.bulk
        self.name = name
        self.clock: Clock = (
            SimulatedClock(clock) if isinstance(clock, str) else clock or SystemClock()
        )
        given = schedule_time if isinstance(schedule_time, dt.time) else None
        self.nights = Nights(
            given or dt.time(*read_time(bulk.schedule_time)), ZoneInfo(bulk.zone), self.clock
        )
        self.check_interval_seconds = bulk.check_interval
        self.store = BulkStore(store_url(self.config))
        self._owner = f"night_{new_work_id()}"
        self._worker: Worker | None = None
        # Not an Event: a signal may come while the main thread holds its lock.
        self._ends: SimpleQueue[None] = SimpleQueue()

    # ---------------------------------------------------------------- nights

    def begin_night(self) -> list[str] | None:
        """Run the queue if it is time and nobody has; the batches, or ``None`` if it is not.

        The first night of a schedule is the next one that comes. A night that all workers slept
        through is made up for.
        """
        nights, now = self.store.nights, self._micros()
        date = self.nights.latest().isoformat()
        found = self.store.wait(nights.take_over, self.name, self._owner, _LEASE_S)
        if found is None:
            if not self.store.wait(nights.begin, self.name, date, self._owner, _LEASE_S, at=now):
                return None
            began = now
        else:
            date, began = found.local_date, found.begun_at
        made, jobs = self._place(began)
        self.store.wait(nights.end, self.name, date, at=self._micros(), jobs=jobs)
        return made

    def run_now(self) -> list[str]:
        """Run all that waits, at once; the ids of the batches. Tonight's run comes all the same."""
        made, _ = self._place(self._micros())
        return made

    def _place(self, before: int) -> tuple[list[str], int]:
        """Runs of what was queued by then; also how many jobs."""
        worker, made, jobs = self._working(), [], 0
        placing = Placing(worker.background.runtime, self.store)
        for run_id, count in placing.all(at=self._micros(), before=before):
            made.append(run_id)
            jobs += count
        worker.wake("runs")
        return made, jobs

    # ---------------------------------------------------------------- the worker

    def start(self) -> Self:
        """Begin to work, in the background of this process."""
        self.store.wait(
            self.store.nights.skip,
            self.name,
            self.nights.latest().isoformat(),
            at=self._micros(),
        )
        self._working().start()
        return self

    def stop(self) -> None:
        """Stop: what is under way ends at its next checkpoint, and others go on with it."""
        self._ends.put(None)
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop()
        self.store.close()

    def run_forever(self, *, run_now: bool = False) -> None:
        """Work until the process gets SIGTERM or SIGINT, and stop in order. In the main thread."""

        def asked(_number: int, _frame: FrameType | None) -> None:
            self._ends.put(None)

        old = {one: signal.signal(one, asked) for one in (signal.SIGTERM, signal.SIGINT)}
        try:
            self.start()
            if run_now:
                self.run_now()
            self._ends.get()
        finally:
            self.stop()
            for number, handler in old.items():
                signal.signal(number, handler)

    def status(self) -> dict[str, Any]:
        """The schedule, the next night, the latest ones and audit. Times are ISO 8601."""
        zone = self.nights.zone
        return {
            "schedule": self.name,
            "schedule_time": self.nights.time.strftime("%H:%M"),
            "time_zone": zone.key,
            "check_interval_seconds": self.check_interval_seconds,
            "next_run": self.nights.next().isoformat(),
            "jobs_queued": self.store.wait(self.store.jobs.queued),
            "nights": [
                {
                    "date": one.local_date,
                    "begun_at": dt.datetime.fromtimestamp(one.begun_at / 1e6, zone).isoformat(),
                    "finished": one.ended_at is not None,
                    "jobs": one.jobs,
                }
                for one in self.store.wait(self.store.nights.listed, self.name)
            ],
            "audit_interval_seconds": self.config.bulk.audit_interval,
            **upkeep.status(self.store, zone),
        }

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _working(self) -> Worker:
        if self._worker is None:
            self._worker = Worker(
                self.config,
                self.store,
                self.clock,
                check_s=self.check_interval_seconds,
                night=self._on_night,
            )
        return self._worker

    def _on_night(self) -> None:
        self.begin_night()

    def _micros(self) -> int:
        return int(self.clock.now() * 1e6)


def _merged(
    config: Config, time: dt.time | str | None, check_s: float | None, zone: str | None
) -> Config:
    """The configuration with what was said here; raises `InvalidRequestError`."""
    changes: dict[str, Any] = {}
    try:
        if isinstance(time, str):
            read_time(time)
            changes["schedule_time"] = time
        if zone is not None:
            check_zone(zone)
            changes["zone"] = zone
    except ValueError as error:
        raise InvalidRequestError(str(error)) from None
    if check_s is not None:
        if not check_s > 0:
            raise InvalidRequestError("check_interval_seconds must be more than 0")
        changes["check_interval"] = float(check_s)
    bulk = msgspec.structs.replace(config.bulk, **changes)
    return msgspec.structs.replace(config, bulk=bulk)
