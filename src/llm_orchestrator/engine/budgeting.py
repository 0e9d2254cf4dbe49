"""From the budgets of a configuration to a ledger that keeps them, and a notifier for alerts."""

import logging
from collections.abc import Sequence
from pathlib import Path

from llm_orchestrator.config.budgets import BudgetSettings
from llm_orchestrator.config.paths import store_url
from llm_orchestrator.config.schema import Config
from llm_orchestrator.engine.notify import Notifier, Place
from llm_orchestrator.errors import ConfigError, ModelNotFoundError
from llm_orchestrator.providers.keys import key_id
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.store.budgets import mark_delivered, read_budgets
from llm_orchestrator.store.connect import connect
from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.store.urls import Target, parse_url
from llm_orchestrator.types.budget import Alert, Budget
from llm_orchestrator.types.money import from_usd
from llm_orchestrator.types.secret import Secret

log = logging.getLogger("llm_orchestrator")


def open_ledger(config: Config, directory: Directory) -> tuple[Ledger | None, Notifier | None]:
    """The ledger, if one is wanted, and what tells its alerts.

    Where costs are not tracked, there is one all the same if there are budgets.
    """
    target = parse_url(store_url(config))
    budgets = [as_budget(one, directory, place) for place, one in enumerate(config.budgets)]
    tracked = config.cost_tracking.enabled
    if not tracked and not budgets and not _has_budgets(target):
        return None, None
    own: dict[Place, tuple[Secret, ...]] = {
        (budget.scope, budget.subject, budget.period): one.notify
        for budget, one in zip(budgets, config.budgets, strict=True)
        if one.notify is not None
    }

    def delivered(alert: Alert) -> None:
        backend = connect(target)
        try:
            mark_delivered(backend, alert)
        finally:
            backend.close()

    notifier = Notifier(config.notify, own, delivered)
    ledger = Ledger(
        store_url(config),
        budgets=budgets,
        alerted=notifier.tell,
        adopts=bool(notifier.destinations),
        calls=tracked,
    )
    return ledger, notifier


def as_budget(settings: BudgetSettings, directory: Directory, place: int | None = None) -> Budget:
    """The budget that is meant; raises `ConfigError` for a key that there is not.

    A key is named by its provider, or by the name that budgets give it (``key_...``).
    """
    subject = settings.subject or ""
    if settings.scope == "key" and subject and not subject.startswith("key_"):
        at = "subject" if place is None else f"budgets[{place}].subject"
        try:
            row = directory.get(subject)
        except ModelNotFoundError as error:
            raise ConfigError(
                f"{at}: a key is named by its provider, and {error.message}"
            ) from None
        subject = key_id(row) or ""
        if not subject or directory.fault(row.name):
            raise ConfigError(f"{at}: {row.label} has no key here")
    return Budget(
        scope=settings.scope,
        subject=subject,
        period=settings.period,
        zone=settings.zone,
        cap_pico=from_usd(settings.cap),
        alerts=tuple(sorted(set(settings.alerts))),
    )


def _has_budgets(target: Target) -> bool:
    """Whether a store that nothing else is written to holds budgets."""
    if target.kind == "sqlite" and not Path(target.place).exists():
        return False
    backend = connect(target, 2.0)
    found: Sequence[Budget] = ()
    faults: tuple[type[Exception], ...] = (*backend.errors, OSError)
    try:
        backend.open()
        found = read_budgets(backend)
    except faults as error:
        log.warning("whether there are budgets cannot be seen at %s: %s", target.shown, error)
    finally:
        backend.close()
    return bool(found)
