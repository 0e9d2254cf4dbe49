"""The ledger as the pipeline sees it: announce an attempt, add what came of it, flush."""

import asyncio
import concurrent.futures
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from random import random
from time import monotonic

from llm_orchestrator.errors import BudgetError, ClosedError, StoreError
from llm_orchestrator.store.budget_control import BudgetControl
from llm_orchestrator.store.executor import this_process
from llm_orchestrator.store.exits import exits
from llm_orchestrator.store.matching import Caller
from llm_orchestrator.store.rows import AttemptRow, CallRow, SettlementRow
from llm_orchestrator.store.urls import Target, parse_url
from llm_orchestrator.store.writer import SOON, AnyFuture, Committed, Writer
from llm_orchestrator.types.budget import Alert, Budget, Refusal
from llm_orchestrator.types.money import Pico, to_usd

PATIENCE_S = 30.0
"""How long an attempt waits for others whose holds are in its way."""


class Ledger:
    """Writes rows in groups from one thread; usable from any number of loops and threads.

    ``url`` as in ``store.url``; ``None`` is the default file. Nothing is opened before the first
    row. A forked child writes with a thread, a connection and an identity of its own.
    ``busy_timeout_s`` is how long a locked or silent store is waited for before rows are spilled.
    ``budgets`` are those of the configuration, beside the store's own; ``alerted`` is called from
    the writer's thread when a share of one is spent, and for what died before it was told where
    it ``adopts``. Without ``calls``, no rows of calls are written.
    """

    def __init__(
        self,
        url: str | os.PathLike[str] | None = None,
        *,
        clock: Callable[[], float] = time.time,
        busy_timeout_s: float = 5.0,
        budgets: Sequence[Budget] = (),
        alerted: Callable[[Alert], None] | None = None,
        adopts: bool = False,
        calls: bool = True,
    ) -> None:
        self._budgets = budgets
        self._alerted = alerted
        self._adopts = adopts
        self._calls = calls
        self.target: Target = parse_url(url)
        self._busy_timeout_s = busy_timeout_s
        self._clock = clock
        self._closed = False
        self._begin()
        _LEDGERS.add(self)
        exits.install()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        executor = this_process(int(self._clock() * 1e6))
        self._budget_control = BudgetControl(
            executor.executor_id, self._budgets, self._alerted, adopts=self._adopts
        )
        self._writer = Writer(
            self.target, executor, self._busy_timeout_s, self._clock, self._budget_control
        )
        self._thread: threading.Thread | None = None
        self._lanes: dict[asyncio.AbstractEventLoop, list[AnyFuture]] = {}
        self._late: threading.Thread | None = None
        self.executor_id = executor.executor_id

    def intent(self, row: AttemptRow) -> asyncio.Future[Committed]:
        """Write an attempt before it goes out; await the future before sending.

        `Committed.NO` says that the store cannot be written now: the row is kept for later, and a
        call under a budget must not go out. Sets ``row.executor_id``.
        """
        if self._closed:
            raise ClosedError("the ledger was closed")
        loop = asyncio.get_running_loop()
        row.executor_id = self.executor_id
        future: asyncio.Future[Committed] = loop.create_future()
        self._writer.attempts.append(row)
        lane = self._lanes.get(loop)
        if lane is None:
            self._lanes[loop] = [future]
            loop.call_soon(self._ship, loop)
            if self._thread is None:
                self._start()
        else:
            lane.append(future)
        return future

    async def admit(
        self,
        row: AttemptRow,
        *,
        capped: bool = False,
        patience_s: float = PATIENCE_S,
        again: bool = False,
    ) -> None:
        """Write an attempt, and hold what it can cost in every budget that it is charged to.

        With ``again`` another process may have written it, or be about to: it holds once.

        Raises `BudgetError` when it does not fit; where it would if others under way cost little,
        they are waited for, ``patience_s`` at most. Raises `StoreError` when the store cannot be
        written and the attempt is under a budget, or its call is ``capped``. An attempt that was
        refused is settled like any other, which leaves no trace.
        """
        if again:
            self._budget_control.again.add(row.attempt_id)
        try:
            committed = await self._admitted(row, patience_s)
        finally:
            self._budget_control.again.discard(row.attempt_id)
        if committed is Committed.NO and (capped or self._budget_control.covers(row)):
            raise StoreError(
                f"the ledger at {self.target.shown} cannot be written, so a call under a budget "
                "is refused: what it costs could not be held. See the warning in the log"
            )

    async def _admitted(self, row: AttemptRow, patience_s: float) -> Committed:
        until, pause = monotonic() + patience_s, 0.005
        while True:
            committed = await self.intent(row)
            refusal = self._budget_control.refused.get(row.attempt_id)
            if refusal is None:
                return committed
            if not refusal.may_pass or monotonic() >= until:
                raise _refused(refusal, f"{row.provider}/{row.model}")
            await asyncio.sleep(pause * (0.5 + random()))
            pause = min(2 * pause, 0.25)

    def room(
        self,
        session_id: str | None,
        user_id: str | None,
        key_id: str | None,
        tags: str | None,
        started_at: int,
    ) -> tuple[Pico, Pico] | None:
        """What the tightest budget of a caller has left: now, and once all others were free.

        As it was last seen; ``None`` when there is none, or none was seen yet.
        """
        return self._budget_control.room(Caller(session_id, user_id, key_id, tags, started_at))

    def add(self, row: SettlementRow | CallRow) -> None:
        """Write a row with a later group, at the latest after 50 ms; from any thread.

        What comes after `close` is written too: it was paid for all the same.
        """
        writer = self._writer
        if type(row) is SettlementRow:
            writer.settlements.append(row)
        elif type(row) is CallRow:
            if not self._calls:
                return
            writer.calls.append(row)
        else:
            raise TypeError(f"a {type(row).__name__} is no settlement and no call")
        if not writer.told:
            writer.told = True
            writer.tickets.put(SOON)
        if self._thread is None or self._closed:
            self._start()

    def _ship(self, loop: asyncio.AbstractEventLoop) -> None:
        self._writer.tickets.put((loop, self._lanes.pop(loop)))
        if self._closed:
            self._start()

    def _start(self) -> None:
        """See to it that a thread takes what was given."""
        with self._lock:
            if self._closed:
                self._start_late()
            elif self._thread is None:
                thread = threading.Thread(target=self._writer.run, name="llmo-ledger", daemon=True)
                thread.start()
                self._thread = thread
                exits.watch(thread, self._writer.tickets, self._rest)
                # Nobody can give it rows when the ledger is gone: it writes its last and ends.
                weakref.finalize(self, self._writer.tickets.put, None).atexit = False

    def _start_late(self) -> None:
        """After the end: a thread that writes once. One that has not begun takes this, too."""
        if self._late is not None:
            return
        self._late = thread = threading.Thread(
            target=self._write_late, name="llmo-ledger-late", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # the interpreter ends, and starts no more threads
            self._late = None
            self._writer.run_once()
        else:
            exits.watch(thread, self._writer.tickets, self._rest)

    def _write_late(self) -> None:
        with self._lock:
            self._late = None
        self._writer.run_once()

    def _rest(self) -> None:
        self._thread = None  # a row that still comes begins anew

    async def flush(self) -> Committed:
        """Wait until all rows given so far are written, or known to be unwritable for now."""
        return await asyncio.wrap_future(self._flushed())

    def flush_sync(self, timeout: float | None = None) -> Committed:
        """`flush` for threads without a loop, and for the exit; ``timeout`` in seconds."""
        try:
            return self._flushed().result(timeout)
        except concurrent.futures.TimeoutError:
            return Committed.NO

    def _flushed(self) -> concurrent.futures.Future[Committed]:
        future: concurrent.futures.Future[Committed] = concurrent.futures.Future()
        if self._thread is None and not self._closed and not self._pending():
            future.set_result(Committed.YES)
        else:
            self._writer.tickets.put((None, (future,)))
            if self._thread is None or self._closed:
                self._start()
        return future

    def _pending(self) -> bool:
        writer = self._writer
        return bool(writer.attempts or writer.settlements or writer.calls)

    async def close(self) -> None:
        """Write what is left and end the thread. A closed ledger takes no more intents."""
        await asyncio.to_thread(self.close_sync)

    def close_sync(self, timeout: float | None = 10.0) -> None:
        """`close` for threads without a loop; ``timeout`` in seconds."""
        if self._thread is None and self._pending():
            self._start()
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
        if thread is not None:
            self._writer.tickets.put(None)
            thread.join(timeout)


def _refused(refusal: Refusal, name: str) -> BudgetError:
    budget = refusal.budget
    return BudgetError(
        refusal.text(name),
        code="unpriced" if refusal.hold_pico is None else "budget",
        budget=budget.title(refusal.subject).removeprefix("the "),
        cap=budget.cap,
        spent=to_usd(refusal.spent_pico),
        held=to_usd(refusal.held_pico),
        hold=None if refusal.hold_pico is None else to_usd(refusal.hold_pico),
        resets_at=refusal.resets_at,
    )


_LEDGERS: weakref.WeakSet[Ledger] = weakref.WeakSet()
_INHERITED: list[Writer] = []
"""Writers of the parent. Closing their connections here would disturb the parent's."""


def _after_fork() -> None:
    for ledger in list(_LEDGERS):
        _INHERITED.append(ledger._writer)  # noqa: SLF001 - same module
        ledger._begin()  # noqa: SLF001 - same module


os.register_at_fork(after_in_child=_after_fork)
