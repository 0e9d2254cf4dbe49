"""A store that cannot be written: what to tell the user, and when to try again."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from llm_orchestrator.errors import StoreError
from llm_orchestrator.store.connect import connect
from llm_orchestrator.store.executor import Executor
from llm_orchestrator.store.urls import Target

log = logging.getLogger("llm_orchestrator")
_FIRST_S = 0.2
_LONGEST_S = 10.0

_DAMAGED = (
    "The file is damaged or no SQLite database, and is left as it is. Move it away for a new one "
    "to be made, or repair it: sqlite3 OLD .recover | sqlite3 NEW."
)
_ADVICE = (
    (
        ("locked", "busy"),
        "Another process keeps it locked: end that process, or set store.url to another file.",
    ),
    (("full", "i/o error"), "Free some space on that disk, or set store.url to another one."),
    (
        ("not a database", "malformed", "corrupt"),
        _DAMAGED,
    ),
    (
        ("readonly", "unable to open", "permission", "not a directory", "is a directory"),
        "Check the path and its permissions, or set store.url or LLMO_HOME.",
    ),
)
_OTHER = "Check that the database runs and that store.url is right."


def reason_of(error: Exception, target: Target) -> str:
    """What went wrong in one line, without the password of the address."""
    text = " ".join(str(error).split()) or type(error).__name__
    if target.kind == "postgres":
        password = urlsplit(target.place).password
        if password:
            text = text.replace(unquote(password), "***").replace(password, "***")
    return text


def advice_for(error: Exception, reason: str) -> str:
    """What the user can do."""
    if isinstance(error, StoreError):
        return ""  # it says so itself
    low = reason.lower()
    for words, advice in _ADVICE:
        if any(word in low for word in words):
            return advice
    return _OTHER


class Outage:
    """One stretch of time in which the store cannot be written.

    `poll` tries the store from a thread of its own, so that the writer stays free to keep rows,
    and calls ``wake`` when it could be written.
    """

    def __init__(self, target: Target, executor: Executor, wake: Callable[[], None]) -> None:
        self._target = target
        self._executor = executor
        self._wake = wake
        self._delay = _FIRST_S
        self._next = time.monotonic() + _FIRST_S
        self._probe: threading.Thread | None = None
        self._told = False
        self.over = False

    def tell(self, error: Exception, spilled: Path | None) -> None:
        """Warn the user, once."""
        if self._told:
            return
        self._told = True
        reason = reason_of(error, self._target)
        log.warning(
            "the ledger at %s cannot be written: %s. %s Until then rows are kept in %s; "
            "calls under a budget are refused, others go on",
            self._target.shown,
            reason.rstrip("."),
            advice_for(error, reason),
            spilled or "memory, as no disk takes them",
        )

    def wait_s(self) -> float:
        """Seconds until `poll` has something to do."""
        return max(0.0, self._next - time.monotonic())

    def poll(self) -> None:
        """Start a try when it is time for one."""
        if self.wait_s() > 0 or (self._probe is not None and self._probe.is_alive()):
            return
        self.later()
        self._probe = threading.Thread(target=self._try, name="llmo-ledger-probe", daemon=True)
        self._probe.start()

    def later(self) -> None:
        """Wait twice as long before the next try."""
        self._delay = min(self._delay * 2, _LONGEST_S)
        self._next = time.monotonic() + self._delay

    def _try(self) -> None:
        backend = connect(self._target)
        try:
            backend.open()
            backend.enrol(self._executor, time.time_ns() // 1000)
        except Exception as error:  # noqa: BLE001 - any failure means: not yet
            log.debug("the ledger still cannot be written: %s", reason_of(error, self._target))
            return
        finally:
            backend.close()
        self.over = True
        self._wake()
