"""The one thread that writes: it takes what has gathered and commits it in one transaction."""

import asyncio
import concurrent.futures
import enum
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from typing import TypeAlias, TypeVar

from llm_orchestrator.store.bad_rows import write
from llm_orchestrator.store.budget_control import BudgetControl
from llm_orchestrator.store.connect import connect, retire_dead
from llm_orchestrator.store.executor import HEARTBEAT_S, Executor
from llm_orchestrator.store.outage import Outage
from llm_orchestrator.store.rows import AttemptRow, CallRow, Group, SettlementRow
from llm_orchestrator.store.spill import Spill, drain
from llm_orchestrator.store.urls import Target

log = logging.getLogger("llm_orchestrator")


class Committed(enum.Enum):
    """What became of a row: in the store, or only in memory and the spill file for now."""

    YES = "yes"
    NO = "no"


AnyFuture: TypeAlias = "asyncio.Future[Committed] | concurrent.futures.Future[Committed]"
Ticket: TypeAlias = tuple[asyncio.AbstractEventLoop | None, Sequence[AnyFuture]]
"""Who waits for the group that is written next.

Those of threads without a loop wait for the outcomes, too.
"""
SOON: Ticket = (None, ())
"""Nobody waits, but there are outcomes."""
_DELAY_S = 0.05
"""How long such an outcome may stay in memory."""
_MANY = 1000
_LOOK_S = 1.0
"""How often to look for dead processes while something is refused."""
_Item = TypeVar("_Item")


def _take(items: deque[_Item]) -> list[_Item]:
    """What is in the deque now; other threads may go on appending."""
    return [items.popleft() for _ in range(len(items))]


class Writer:
    """Takes rows from three deques and commits them. `run` is the body of its thread."""

    most_kept = 200_000
    """Rows kept in memory when neither the store nor a spill file takes them."""

    def __init__(
        self,
        target: Target,
        executor: Executor,
        timeout_s: float = 5.0,
        clock: Callable[[], float] = time.time,
        control: BudgetControl | None = None,
    ) -> None:
        self.attempts: deque[AttemptRow] = deque()
        self.settlements: deque[SettlementRow] = deque()
        self.calls: deque[CallRow] = deque()
        self.tickets: queue.SimpleQueue[Ticket | None] = queue.SimpleQueue()
        self.told = False
        """A `SOON` is among the tickets or was seen: no other one is needed."""
        self.executor = executor
        self.spill = Spill(target, executor.executor_id)
        self.budget_control = control or BudgetControl(executor.executor_id)
        self._target = target
        self._clock = clock
        self._backend = connect(target, timeout_s)
        self._outage: Outage | None = None
        self._recovering: Outage | None = None
        self._kept = Group()
        self._lost = 0
        self._drain: Generator[Group] | None = None
        self._enrolled = False
        self._open = 0
        self._beat = 0.0
        self._due: float | None = None
        """When outcomes must be written, on the monotonic clock; None: there are none."""
        self._turn = threading.Lock()
        """Held by the one thread that writes."""

    def run(self) -> None:
        """Serve until a None comes."""
        with self._turn:
            going = True
            while going:
                tickets = self._wait()
                going = None not in tickets
                try:
                    self._serve(tickets, everything=not going or self._all_wanted(tickets))
                    self._tend()
                except Exception:  # a fault of ours; without this thread every call would hang
                    with suppress(Exception):  # a log handler may be what raised
                        log.exception("the ledger's writer goes on after an error")
            self._finish()

    def run_once(self) -> None:
        """Write what came after the end of `run`, and end again."""
        with self._turn:
            self._serve(self._more(), everything=True)
            self._finish()

    def _serve(self, tickets: list[Ticket | None], *, everything: bool) -> None:
        if everything:
            # Before they are gathered: what is added after that is told anew.
            self.told, self._due = False, None
        committed = Committed.NO
        try:
            committed = self._commit(self._gather(everything=everything))
        finally:
            for ticket in tickets:
                if ticket is not None:
                    _report(ticket, committed)

    def _all_wanted(self, tickets: list[Ticket | None]) -> bool:
        """Whether outcomes are to be written now, not only intents."""
        if SOON in tickets and self._due is None:
            self._due = time.monotonic() + _DELAY_S
        if self._due is not None and time.monotonic() >= self._due:
            return True
        return any(t is not None and t[0] is None and t[1] for t in tickets)

    def _wait(self) -> list[Ticket | None]:
        """The tickets that have come, or none when it is time to tend to something."""
        try:
            tickets = [self.tickets.get(timeout=self._patience())]
        except queue.Empty:
            return []
        return tickets + self._more()

    def _more(self) -> list[Ticket | None]:
        """The tickets that are there already."""
        tickets = []
        while not self.tickets.empty():
            tickets.append(self.tickets.get_nowait())
        return tickets

    def _patience(self) -> float | None:
        """How long to wait for a ticket, in seconds."""
        if self._drain is not None and self._outage is None:
            return 0
        waits = [] if self._outage is None else [self._outage.wait_s()]
        if self._due is not None:
            waits.append(max(0.0, self._due - time.monotonic()))
        elif self._open > 0:
            waits.append(HEARTBEAT_S)
        return min(waits, default=None)

    def _gather(self, *, everything: bool) -> Group:
        # Those who wait, wait for intents. Outcomes are gathered for a while: in large groups
        # they cost a third, as a commit pays for every page that it touches.
        if not everything and len(self.settlements) + len(self.calls) < _MANY:
            return Group(_take(self.attempts))
        # Last things first: whatever belongs to a call that is taken here is then taken too.
        calls = _take(self.calls)
        settlements = _take(self.settlements)
        return Group(_take(self.attempts), settlements, calls)

    def _commit(self, group: Group) -> Committed:
        self._open += len(group.attempts) - len(group.settlements)
        if self._outage is not None:
            self._keep(group)
            return Committed.NO
        if not group:
            return Committed.YES
        try:
            if group.attempts or group.settlements:
                self._open_budgets()
            refused = write(self._backend, self._target, group, self.budget_control, admit=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, no row may be lost by it
            self._fail(group, error)
            return Committed.NO
        # Which future belongs to a refused intent is not known: none of them may go out.
        lacking = any(isinstance(row, AttemptRow) for row in refused)
        return Committed.NO if lacking else Committed.YES

    def _open_budgets(self) -> None:
        """See which budgets hold. Who spends under one says first that he lives."""
        self.budget_control.refresh(self._backend)
        if self.budget_control.book and not self._enrolled:
            self._beat = time.monotonic()
            self._backend.enrol(self.executor, self._now_us())
            self._see_others()

    def _see_others(self) -> None:
        """See who is dead, and what the dead have left."""
        retire_dead(self._backend, self._now_us(), self.budget_control)
        self.budget_control.adopt(self._backend)
        if not self._enrolled:
            self._enrolled = True
            self._drain = drain(self._target)

    def _fail(self, group: Group, error: Exception) -> None:
        """Begin an outage: keep the rows and tell the user."""
        self._backend.close()
        if self._drain is not None:
            self._drain.close()
            self._drain = None
        outage = self._outage or self._recovering
        if outage is None:
            outage = Outage(self._target, self.executor, self._wake)
        outage.over = False
        outage.later()
        self._outage, self._recovering = outage, None
        self._keep(group)
        outage.tell(error, self.spill.path)

    def _wake(self) -> None:
        self.tickets.put(SOON)

    def _keep(self, group: Group) -> None:
        if not group or self.spill.append(group):
            return
        if len(self._kept) >= self.most_kept:
            self._lost += len(group)
            return
        self._kept.extend(group)

    def _tend(self) -> None:
        """What is done when nobody waits: recover, catch up, say that we live."""
        if self._outage is not None:
            if self._outage.over:
                self._recover(self._outage)
            else:
                self._outage.poll()
        elif self._drain is not None:
            self._catch_up(self._drain)
        elif not self._enrolled or self._beat_due():
            self._enrol()

    def _beat_due(self) -> bool:
        """Whether others should hear of us, or we of others who hold what we were refused."""
        silent = time.monotonic() - self._beat
        if self.budget_control.refused and silent > _LOOK_S:
            return True
        return self._open > 0 and silent > HEARTBEAT_S

    def _recover(self, outage: Outage) -> None:
        self._outage, self._recovering = None, outage
        kept, self._kept = self._kept, Group()
        self.spill.close()
        try:
            if kept:
                write(self._backend, self._target, kept, self.budget_control)
        except Exception as error:  # noqa: BLE001 - the outage goes on
            self._fail(kept, error)
            return
        self._drain = drain(self._target)

    def _catch_up(self, groups: Generator[Group]) -> None:
        """Write one group out of the spill files."""
        try:
            group = next(groups, None)
            if group is not None:
                write(self._backend, self._target, group, self.budget_control)
                return
            if self.budget_control.book:
                self._see_others()  # what was kept of the dead is in the books only now
        except Exception as error:  # noqa: BLE001 - the rows stay in their file
            self._fail(Group(), error)
            return
        self._drain = None
        if self._recovering is not None:
            self._recovering = None
            log.warning("the ledger at %s is written again", self._target.shown)
        if self._lost:
            log.error("the ledger lost %d rows: no memory or disk was left for them", self._lost)
            self._lost = 0

    def _enrol(self) -> None:
        """Say that this process lives; the first time, see which others do not."""
        self._beat = time.monotonic()
        try:
            self._backend.enrol(self.executor, self._now_us())
            if not self._enrolled or self.budget_control.book:
                self._see_others()
        except Exception as error:  # noqa: BLE001 - as for any other write
            self._fail(Group(), error)

    def _now_us(self) -> int:
        return int(self._clock() * 1e6)

    def _finish(self) -> None:
        """Last words: what is left in memory, and that this process writes no more."""
        if self._kept:
            kept, self._kept = self._kept, Group()
            try:
                write(self._backend, self._target, kept, self.budget_control)
            except Exception:  # noqa: BLE001 - the last chance is a spill file
                self._keep(kept)
            lost = len(self._kept) + self._lost
            if lost:
                log.error("the ledger lost %d rows: neither the store nor a disk took them", lost)
        if self._enrolled and self._outage is None:
            try:
                self._backend.retire([self.executor.executor_id], self._now_us())
            except Exception as error:  # noqa: BLE001 - the next reader finds out by itself
                log.debug("could not sign off from the ledger: %s", error)
        if self._drain is not None:
            self._drain.close()  # the next process goes on with it
        self.spill.close()
        self._backend.close()


def _report(ticket: Ticket, committed: Committed) -> None:
    loop, futures = ticket
    if loop is None:
        _resolve(futures, committed)
        return
    try:
        loop.call_soon_threadsafe(_resolve, futures, committed)
    except RuntimeError:  # the loop was closed: nobody waits any more
        return


def _resolve(futures: Sequence[AnyFuture], committed: Committed) -> None:
    for future in futures:
        if not future.done():
            future.set_result(committed)
