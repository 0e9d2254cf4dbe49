"""Looks at a budget again and again, past all code of ours: at its window, and at the rows."""

import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import psycopg

_SAMPLE = """
SELECT w.spent_pico, w.held_pico,
  (SELECT COALESCE(SUM(cost_pico), 0) FROM settlements)
    + (SELECT COALESCE(SUM(hold_pico), 0) FROM budget_holds WHERE unknown),
  (SELECT COALESCE(SUM(hold_pico), 0) FROM budget_holds WHERE NOT unknown)
FROM budget_windows AS w
"""
_EVERY_S = 0.005


class Seen(msgspec.Struct):
    """What was seen; amounts in pico-dollars."""

    samples: int = 0
    spent: int = 0
    """What was spent when it was last seen."""
    highest: int = 0
    """The most that was spent and held by the budget's window."""
    highest_by_rows: int = 0
    """The same as the sum of all costs and holds."""
    different: int = 0
    """Samples in which the two did not agree."""


class Watch:
    """A thread with a connection of its own, from `start` to `stop`."""

    def __init__(self, store: str) -> None:
        self._store = store
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.seen = Seen()

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> Seen:
        """What was seen."""
        self._over.set()
        self._thread.join()
        return self.seen

    def _run(self) -> None:
        look, close = reader(self._store)
        while not self._over.wait(_EVERY_S):
            for row in look(_SAMPLE):
                spent, held, spent_rows, held_rows = map(int, row)
                self.seen.samples += 1
                self.seen.spent = spent
                self.seen.highest = max(self.seen.highest, spent + held)
                self.seen.highest_by_rows = max(self.seen.highest_by_rows, spent_rows + held_rows)
                self.seen.different += (spent, held) != (spent_rows, held_rows)
        close()


def reader(store: str) -> tuple[Callable[[str], list[Any]], Callable[[], None]]:
    """Runs a query on a store, which may not be there yet; and what ends that."""
    if store.startswith("postgres"):
        server = psycopg.connect(store, autocommit=True)

        def ask(sql: str) -> list[Any]:
            try:
                return server.execute(sql.encode()).fetchall()
            except psycopg.errors.UndefinedTable:
                return []

        return ask, server.close
    path = store.removeprefix("sqlite:///")
    until = time.monotonic() + 30
    while True:
        try:
            file = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)
            file.execute("SELECT 1 FROM budget_windows")
            break
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
    return lambda sql: file.execute(sql).fetchall(), file.close
