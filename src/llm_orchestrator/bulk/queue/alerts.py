"""Alerts: what somebody should look at, told once each, also when workers start again.

High Failure Rate, Stale Batches, Large Queue and Cost Savings Milestone; each has a name, a
severity and an action, and goes where the configuration's ``notify`` says, and into the log.
"""

import logging

from llm_orchestrator.bulk.output.savings import savings
from llm_orchestrator.engine.notify import Notice, Notifier
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_notices import AlertRow
from llm_orchestrator.types.money import usd_text

log = logging.getLogger("llm_orchestrator")

FAILURES = "High Failure Rate"
STALE = "Stale Batches"
QUEUE = "Large Queue"
MILESTONE = "Cost Savings Milestone"
_SHARE_MOST = 10
"""Percent of batches that may fail."""
_WINDOW_US = 24 * 3_600_000_000
"""The age of the batches that are counted for it."""
_STALE_HOURS = 48
_QUEUE_MOST = 10_000
_STEP_USD = 1_000
_STEP_PICO = _STEP_USD * 10**12
_LEASE_S = 300.0


def evaluate(store: BulkStore, now: int) -> list[AlertRow]:
    """Raise what is new, and close what is over; ``now`` in unix microseconds of the run's clock.

    Returns the alerts that are new. Blocks.
    """
    found = []
    for alerts, name in (
        (_failures(store, now), FAILURES),
        (_stale(store, now), STALE),
        (_queue(store, now), QUEUE),
        (_milestones(store, now), MILESTONE),
    ):
        found += [one for one in alerts if store.wait(store.alerts.raise_one, one)]
        if name != MILESTONE:  # what is saved stays saved
            subjects = [one.subject for one in alerts]
            store.wait(store.alerts.resolve, name, subjects, at=now)
    return found


class AlertSender:
    """Tells alerts that were not told, through the notifier's destinations.

    ``notifier`` calls back when one has arrived: see `arrived`.
    """

    def __init__(self, store: BulkStore, notifier: Notifier) -> None:
        self._store = store
        self._notifier = notifier

    def tell(self) -> int:
        """Tell what waits; how many. An alert of a worker that died is told by another, later."""
        due = self._store.wait(self._store.alerts.take, _LEASE_S)
        for alert in due:
            notice = Notice(
                name=alert.name,
                subject=alert.subject,
                severity=alert.severity,
                action=alert.action,
                text=f"{alert.name}: {alert.message}. {alert.action}.",
            )
            self._notifier.tell(notice)
            if not self._notifier.destinations:  # the log is all there is
                arrived(self._store, notice)
        return len(due)


def arrived(store: BulkStore, notice: object) -> None:
    """Note that an alert has reached all destinations."""
    if isinstance(notice, Notice):
        store.wait(store.alerts.delivered, notice.name, notice.subject)


def _failures(store: BulkStore, now: int) -> list[AlertRow]:
    sums = store.wait(store.sums.batches, now - _WINDOW_US)
    if sums.failed * 100 <= sums.ended * _SHARE_MOST:
        return []
    return [
        AlertRow(
            name=FAILURES,
            subject="batches",
            severity="warning",
            action="Investigate API issues",
            message=f"{sums.failed} of {sums.ended} batches of the last 24 h failed",
            raised_at=now,
        )
    ]


def _stale(store: BulkStore, now: int) -> list[AlertRow]:
    before = now - _STALE_HOURS * 3_600_000_000
    return [
        AlertRow(
            name=STALE,
            subject=work_id,
            severity="warning",
            action="Check provider status",
            message=f"a batch of {task} at {provider} has been open for "
            f"{(now - begun) / 3.6e9:.0f} h ({work_id})",
            raised_at=now,
        )
        for work_id, provider, task, begun in store.wait(store.sums.stale, before)
    ]


def _queue(store: BulkStore, now: int) -> list[AlertRow]:
    count = store.wait(store.jobs.queued)
    if count <= _QUEUE_MOST:
        return []
    return [
        AlertRow(
            name=QUEUE,
            subject="queue",
            severity="info",
            action="Consider more frequent batches",
            message=f"{count:,} jobs wait in the queue",
            raised_at=now,
        )
    ]


def _milestones(store: BulkStore, now: int) -> list[AlertRow]:
    saved = savings(store).total.saved_pico
    return [
        AlertRow(
            name=MILESTONE,
            subject=f"${step * _STEP_USD}",
            severity="info",
            action="Celebrate",
            message=f"batches have saved {usd_text(step * _STEP_PICO)} USD",
            raised_at=now,
        )
        for step in range(1, max(0, saved) // _STEP_PICO + 1)
    ]
