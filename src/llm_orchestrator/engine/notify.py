"""Alerts: in the log, and wherever the configuration sends them, until they have arrived.

A destination is a URL of Apprise (extra ``alerts``) or the name of a notifier, a callable of the
entry point group ``llm_orchestrator.notifiers`` that takes an `Alert` of a budget, or a `Notice` of
anything else. They are asked in a thread of their own. What could not be delivered is tried again,
also by the next process.
"""

import heapq
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from typing import Any, Literal, TypeAlias

import msgspec

from llm_orchestrator.errors import ConfigError
from llm_orchestrator.types.budget import Alert
from llm_orchestrator.types.secret import Secret

log = logging.getLogger("llm_orchestrator")

GROUP = "llm_orchestrator.notifiers"
WAITS_S = (2.0, 10.0, 60.0, 300.0, 900.0)
"""How long is waited after each failure; the last one again and again."""
_CHATTY = ("apprise", "requests", "urllib3")
"""Libraries that log parts of a URL, which is a secret."""

Place: TypeAlias = tuple[str, str, str]
"""Scope, subject and period of a budget."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something else that is told: what is wrong, or good to know, and what to do about it."""

    name: str
    subject: str
    severity: Literal["info", "warning"]
    action: str
    text: str
    """All of it in a sentence."""


AnyAlert: TypeAlias = Alert | Notice
Deliver: TypeAlias = Callable[[AnyAlert], object]


class Notifier:
    """Tells alerts. ``own`` are the destinations of some budgets, ``general`` those of all others.

    ``delivered`` is called, in the notifier's thread, when an alert has reached all of its
    destinations. Raises `ConfigError` for destinations that there are not.
    """

    def __init__(
        self,
        general: Sequence[Secret] = (),
        own: Mapping[Place, Sequence[Secret]] | None = None,
        delivered: Callable[[Any], None] | None = None,
        *,
        waits_s: Sequence[float] = WAITS_S,
    ) -> None:
        self._general = general
        self._own = own or {}
        self._delivered = delivered
        self._waits_s = waits_s
        self._made: dict[Secret, Deliver] = {}
        self._queue: queue.SimpleQueue[_Job | threading.Event] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        for one in self.destinations:
            _check(one)

    @property
    def destinations(self) -> list[Secret]:
        """All of them, each once."""
        own = [one for many in self._own.values() for one in many]
        return list(dict.fromkeys([*self._general, *own]))

    def of(self, alert: AnyAlert) -> Sequence[Secret]:
        """Where an alert goes."""
        if isinstance(alert, Notice):
            return self._general
        for subject in (alert.subject, ""):
            found = self._own.get((alert.scope, subject, alert.period))
            if found is not None:
                return found
        return self._general

    def tell(self, alert: AnyAlert) -> None:
        """Log an alert at once and send it soon; from any thread."""
        told = isinstance(alert, Notice) and alert.severity == "info"
        log.log(logging.INFO if told else logging.WARNING, "%s", alert.text)
        if destinations := self.of(alert):
            self._queue.put(_Job(alert, list(destinations)))
            self._start()

    def try_out(self, alert: AnyAlert) -> dict[str, bool]:
        """Send an alert once, now; whether it arrived, by destination as it may be shown."""
        return {
            f"{number}. {shown(one)}": self._try(one, alert)
            for number, one in enumerate(self.destinations, 1)
        }

    @property
    def busy(self) -> bool:
        """Whether it has had anything to deliver."""
        return self._thread is not None

    def flush(self, timeout_s: float) -> bool:
        """Wait until each alert was tried at least once; False when it takes too long."""
        tried = threading.Event()
        self._queue.put(tried)
        return tried.wait(timeout_s)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():  # as in a forked child
                self._thread = threading.Thread(target=self._run, name="llmo-alerts", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        waiting: list[tuple[float, int, _Job]] = []
        numbers = count()
        while True:
            patience = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
            try:
                job = self._queue.get(timeout=patience)
            except queue.Empty:
                job = heapq.heappop(waiting)[2]
            if isinstance(job, threading.Event):
                job.set()
                continue
            wait_s = self._work(job)
            if wait_s is not None:
                heapq.heappush(waiting, (time.monotonic() + wait_s, next(numbers), job))

    def _work(self, job: "_Job") -> float | None:
        """Try what is left to do; how long to wait before that is done again, in seconds."""
        job.left = [one for one in job.left if not self._try(one, job.alert)]
        if not job.left:
            if self._delivered is not None:
                try:
                    self._delivered(job.alert)
                except Exception as error:  # noqa: BLE001 - then it may be told twice
                    log.debug("cannot note that an alert arrived: %s", type(error).__name__)
            return None
        wait_s = self._waits_s[min(job.failures, len(self._waits_s) - 1)]
        job.failures += 1
        log.warning(
            "an alert did not reach %s; next try in %.0f s",
            ", ".join(shown(one) for one in job.left),
            wait_s,
        )
        return wait_s

    def _try(self, destination: Secret, alert: AnyAlert) -> bool:
        try:
            deliver = self._made.get(destination)
            if deliver is None:
                deliver = self._made[destination] = _made(destination.reveal())
            return deliver(alert) is not False
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
            # Not the error itself, which may hold the address.
            log.debug("%s failed with %s", shown(destination), type(error).__name__)
            return False


class _Job:
    """An alert, and where it did not arrive yet."""

    def __init__(self, alert: AnyAlert, left: list[Secret]) -> None:
        self.alert = alert
        self.left = left
        self.failures = 0


def shown(destination: Secret) -> str:
    """A destination without what is secret of it: ``slack://***``, or a notifier's name."""
    kind, mark, _ = destination.reveal().partition("://")
    return f"{kind}://***" if mark else kind


def _check(destination: Secret) -> None:
    name, is_url, _ = destination.reveal().partition("://")
    if is_url:
        if find_spec("apprise") is None:
            raise ConfigError(
                f"notify: {shown(destination)} needs Apprise: "
                "python -m pip install 'llm-orchestrator[alerts]'"
            )
        return
    from importlib.metadata import entry_points  # slow to load, and few have plug-ins

    if not entry_points(group=GROUP, name=name):
        known = ", ".join(sorted(one.name for one in entry_points(group=GROUP))) or "none"
        raise ConfigError(
            f"notify: expected a URL of Apprise or the name of a notifier, not {name!r} "
            f"(installed: {known})"
        )


def _made(text: str) -> Deliver:
    """What delivers to a destination."""
    if "://" not in text:
        from importlib.metadata import entry_points

        found: Any = next(iter(entry_points(group=GROUP, name=text))).load()
        plug_in: Deliver = found
        return plug_in
    import apprise

    with _hushed():
        made = apprise.Apprise()
        if not made.add(text):
            raise ConfigError("Apprise does not know such a URL")

    def deliver(alert: AnyAlert) -> object:
        told = alert.name if isinstance(alert, Notice) else f"budget: {alert.share} % spent"
        with _hushed():
            return bool(made.notify(title=f"LLM {told}", body=alert.text))

    return deliver


@contextmanager
def _hushed() -> Iterator[None]:
    """Keep back what these libraries log meanwhile, in whichever of their threads."""
    known = logging.Logger.manager.loggerDict
    chatty = [
        one
        for name, one in known.items()
        if name.partition(".")[0] in _CHATTY and isinstance(one, logging.Logger)
    ]
    for logger in chatty:
        logger.addFilter(_nothing)
    try:
        yield
    finally:
        for logger in chatty:
            logger.removeFilter(_nothing)


def _nothing(_: logging.LogRecord) -> bool:
    return False
