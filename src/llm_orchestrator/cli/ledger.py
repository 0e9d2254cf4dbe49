"""The ledger as commands reach it: a database's own errors become words."""

from llm_orchestrator.config import Config
from llm_orchestrator.config.paths import store_url
from llm_orchestrator.errors import StoreError
from llm_orchestrator.store.connect import connect
from llm_orchestrator.store.outage import advice_for, reason_of
from llm_orchestrator.store.urls import Target, parse_url


def make(config: Config) -> Target:
    """Makes the ledger or brings it up to date; raises `StoreError` when it cannot be written."""
    target = parse_url(store_url(config))
    backend = connect(target)
    faults: tuple[type[Exception], ...] = (*backend.errors, OSError)
    try:
        backend.open()
    except faults as error:
        reason = reason_of(error, target)
        raise StoreError(
            f"the ledger at {target.shown} cannot be written: {reason.rstrip('.')}. "
            f"{advice_for(error, reason)}"
        ) from error
    finally:
        backend.close()
    return target
