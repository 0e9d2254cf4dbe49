"""Runs driven in the background, on an event loop in a thread of its own."""

import asyncio
import logging
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from llm_orchestrator.bulk.clock import Clock
from llm_orchestrator.bulk.opening import open_runner
from llm_orchestrator.bulk.queue import settling
from llm_orchestrator.bulk.run import AsyncBulkRun
from llm_orchestrator.bulk.runner import ENDED, Runner
from llm_orchestrator.config.schema import Config
from llm_orchestrator.engine.build import build
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import ClosedError

T = TypeVar("T")
log = logging.getLogger("llm_orchestrator")

_WAITS_S = (2.0, 10.0, 60.0, 300.0)
"""How long a run that broke is left alone, after each time."""


class BackgroundRunner:
    """Drives runs for programs without an event loop.

    ``folder`` is where the files of batches lie; else beside the store.
    """

    def __init__(
        self, config: Config, *, clock: Clock | str | None = None, folder: Path | None = None
    ) -> None:
        self._config = config
        self._clock = clock
        self._folder = folder
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._runtime: Runtime | None = None
        self._runner: Runner | None = None
        self._closed = False
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._calls: set[asyncio.Task[Any]] = set()
        self._failures: dict[str, tuple[int, float]] = {}

    # ---------------------------------------------------------------- from any thread

    @property
    def runtime(self) -> Runtime:
        """What requests are made with."""
        return self.call(self._opened()).runtime

    @property
    def runner(self) -> Runner:
        """Who drives."""
        return self.call(self._opened())

    @property
    def busy(self) -> frozenset[str]:
        """The runs that are driven here."""
        return frozenset(self._busy)

    def begin(self, run_id: str) -> None:
        """Go on with a run, unless that is done here already; returns at once."""
        with suppress(ClosedError):
            self._submit(self._begin(run_id))

    def rests(self, run_id: str) -> bool:
        """Whether a run that broke is to be left alone for a while."""
        return self._failures.get(run_id, (0, 0.0))[1] > time.monotonic()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns; waits for it."""
        try:
            return self._submit(self._called(work)).result()
        except ClosedError:
            work.close()
            raise

    def close(self) -> None:
        """Stop at the next checkpoint, wait for that, and disconnect."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
            self._closed = True
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(self._close(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        with self._lock:  # else the loop could end before it has the work
            if self._closed:
                work.close()
                raise ClosedError("the queue was closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="llmo-queue", daemon=True
                )
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    # ---------------------------------------------------------------- on the loop

    async def _called(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine of `call`; `close` cancels those that are left."""
        task = asyncio.get_running_loop().create_task(work)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return await task

    async def _opened(self) -> Runner:
        if self._runner is None:
            self._runtime = build(self._config)
            self._runner = open_runner(self._runtime, self._clock)
            if self._folder is not None:
                self._runner.folder = self._runner.batch_lane.context.folder = self._folder
        return self._runner

    async def _begin(self, run_id: str) -> None:
        if run_id not in self._busy and not self._closed:
            task = asyncio.get_running_loop().create_task(self._drive(run_id))
            self._busy[run_id] = task
            task.add_done_callback(lambda _: self._busy.pop(run_id, None))

    async def _drive(self, run_id: str) -> None:
        try:
            runner = await self._opened()
            run = AsyncBulkRun(runner, run_id)
            if await run.wait() in ENDED:
                await asyncio.to_thread(settling.settle, runner.store, run_id, runner.micros())
            self._failures.pop(run_id, None)
        except Exception as error:  # noqa: BLE001 - whatever it is, other runs go on
            count = self._failures.get(run_id, (0, 0.0))[0]
            wait_s = _WAITS_S[min(count, len(_WAITS_S) - 1)]
            self._failures[run_id] = (count + 1, time.monotonic() + wait_s)
            log.warning("%s: %s: %s", run_id, type(error).__name__, error)

    async def _close(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.stop()
            if self._busy:
                await asyncio.wait(list(self._busy.values()))
        called = {task for task in self._calls if not task.done()}
        for task in called:
            task.cancel()
        await asyncio.gather(*called, return_exceptions=True)
        if runner is not None:
            await runner.close()
        if self._runtime is not None:
            await self._runtime.close()
