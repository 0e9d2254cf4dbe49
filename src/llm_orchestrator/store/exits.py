"""What must still be done when the process ends: by itself, by ``sys.exit`` or by SIGTERM.

Outcomes wait up to 50 ms for their group, so a program that does not close what it has opened
could end before they are written. From the first ledger on, the end of the process waits for them:

* the normal end, by `atexit`, and that of a child of `multiprocessing`, which has hooks of its own;
* SIGTERM, where its default action is in place when the first ledger is made in the main thread.
  The rows are written, then the default action is taken: the process ends by SIGTERM as before.
  A program with a handler of its own keeps it, and has the normal end after it.

SIGKILL runs nothing: what is lost then are outcomes of the last 50 ms, never an attempt.
"""

import atexit
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic
from types import FrameType
from typing import Any, TypeAlias

_PATIENCE_S = 10.0
"""How long the end of the process waits for the store."""
_Rest: TypeAlias = "weakref.WeakMethod[Callable[[], None]]"


class _Exits:
    """The writers of this process and what comes before their end."""

    def __init__(self) -> None:
        self._before: list[Callable[[], None]] = []
        self._ready = False
        self._forget()

    def _forget(self) -> None:
        """In a forked child: the threads stayed with the parent."""
        self._writers: dict[threading.Thread, tuple[SimpleQueue[Any], _Rest]] = {}
        self._child = False

    def install(self) -> None:
        """Take part in the end of the process; once, at the first call."""
        if not self._ready:
            self._ready = True
            atexit.register(self.finish)
            os.register_at_fork(after_in_child=self._forget)
            here = threading.current_thread() is threading.main_thread()
            if here and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                signal.signal(signal.SIGTERM, self._terminated)

    def before(self, work: Callable[[], None]) -> None:
        """Do this first, so that what it books is written too."""
        self.install()
        self._before.append(work)

    def watch(
        self, thread: threading.Thread, tickets: "SimpleQueue[Any]", rest: Callable[[], None]
    ) -> None:
        """Wait for this writer at the end; a None among its tickets tells it to stop.

        ``rest`` is a method of its ledger, which may be gone by then: called once it has stopped.
        """
        self._writers = {one: end for one, end in self._writers.items() if one.is_alive()}
        self._writers[thread] = tickets, weakref.WeakMethod(rest)
        if "multiprocessing.process" in sys.modules and not self._child:
            self._child = True
            _at_end_of_child(self.finish)

    def finish(self) -> None:
        """Write what is left and stop the writers; returns when that is done, or after 10 s."""
        try:
            for work in reversed(self._before):
                work()
        finally:  # also when somebody presses Ctrl-C again
            self._write()

    def _write(self) -> None:
        until = monotonic() + _PATIENCE_S
        writers = list(self._writers.items())
        for _, (tickets, _) in writers:
            tickets.put(None)
        for thread, (_, method) in writers:
            thread.join(max(0.0, until - monotonic()))
            if (rest := method()) is not None and not thread.is_alive():
                rest()

    def _terminated(self, number: int, _: FrameType | None) -> None:
        # In a thread of its own: the main thread may be stopped inside one of our locks.
        worker = threading.Thread(target=self.finish, name="llmo-exit", daemon=True)
        worker.start()
        worker.join(_PATIENCE_S)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _at_end_of_child(work: Callable[[], None]) -> None:
    from multiprocessing import parent_process, util

    if parent_process() is not None:
        util.Finalize(None, work, exitpriority=0)


exits = _Exits()
