"""The providers' own model lists, as somebody found them: one per provider and account."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from llm_orchestrator.errors import StoreError
from llm_orchestrator.store.backend import Backend
from llm_orchestrator.store.connect import connect
from llm_orchestrator.store.outage import advice_for, reason_of
from llm_orchestrator.store.urls import Target, parse_url
from llm_orchestrator.types.model import Model

_KEPT_US = 90 * 86_400 * 10**6
"""Lists that nobody found anew for so long go when another is written: keys and with them accounts
change, and nobody asks for what an old key saw."""

_READ = "SELECT provider, account, CAST(models AS TEXT), found_at FROM discovered_models WHERE "
_WRITE = (
    "INSERT INTO discovered_models (provider, account, models, found_at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (provider, account) DO UPDATE SET"
    " models = excluded.models, found_at = excluded.found_at"
    " WHERE discovered_models.found_at <= excluded.found_at"
)
_FORGET = "DELETE FROM discovered_models WHERE found_at < ?"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[Model, ...]).decode


class ModelList(msgspec.Struct, frozen=True):
    """What a provider's list said to one account; ``found_at`` is unix microseconds."""

    provider: str
    account: str
    models: tuple[Model, ...]
    found_at: int


class ModelLists:
    """Reads and writes the lists in a store. Both block, and raise `StoreError`.

    ``url`` as in ``store.url``; ``timeout_s`` is how long a locked or silent store is waited for.
    """

    def __init__(self, url: str | None = None, *, timeout_s: float = 2.0) -> None:
        self.target: Target = parse_url(url)
        self._timeout_s = timeout_s

    def read(self, accounts: Mapping[str, str]) -> dict[str, ModelList]:
        """The lists of these accounts, by provider. A store that does not exist is not made."""
        if not accounts or (self.target.kind == "sqlite" and not Path(self.target.place).exists()):
            return {}
        pairs = [part for pair in accounts.items() for part in pair]
        sql = _READ + " OR ".join(["(provider = ? AND account = ?)"] * len(accounts))
        backend = connect(self.target, self._timeout_s)
        try:
            rows = list(backend.query(sql, pairs))
            return {
                provider: ModelList(provider, account, _decode(models), found_at)
                for provider, account, models, found_at in rows
            }
        except _faults(backend) as error:
            raise self._fault("read", error) from error
        finally:
            backend.close()

    def write(self, lists: Sequence[ModelList]) -> None:
        """Keep the lists in place of older ones of the same accounts."""
        backend = connect(self.target, self._timeout_s)
        try:
            for one in lists:
                models = _encode(one.models).decode()
                backend.execute(_WRITE, (one.provider, one.account, models, one.found_at))
            newest = max((one.found_at for one in lists), default=0)
            backend.execute(_FORGET, (newest - _KEPT_US,))
        except _faults(backend) as error:
            raise self._fault("written", error) from error
        finally:
            backend.close()

    def _fault(self, what: str, error: Exception) -> StoreError:
        if isinstance(error, StoreError):
            return error
        reason = reason_of(error, self.target)
        return StoreError(
            f"the model lists at {self.target.shown} cannot be {what}: {reason.rstrip('.')}. "
            f"{advice_for(error, reason)}"
        )


def _faults(backend: Backend) -> tuple[type[Exception], ...]:
    """What a store raises that is broken, or holds what nobody of ours wrote."""
    return (*backend.errors, *backend.data_errors, StoreError, OSError, ValueError)
