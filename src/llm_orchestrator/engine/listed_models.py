"""What the providers' own model lists said: in this process, and earlier, as the store keeps it.

The store is read by a thread beside the calls, when somebody asks for the models or names one that
nobody knows. No other call waits for it, and a store that cannot be read is told of once.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from llm_orchestrator.catalog import Catalog, naming
from llm_orchestrator.errors import StoreError
from llm_orchestrator.providers.accounts import account
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Provider

if TYPE_CHECKING:
    from llm_orchestrator.store.models import ModelLists

log = logging.getLogger("llm_orchestrator")

_Said: TypeAlias = tuple[int, tuple[Model, ...]]
"""When a list was found, in unix microseconds, and its models."""
_NOTHING: _Said = (0, ())
_FRESH_S = 10.0
"""What was read is good for so long, though another process may find more meanwhile."""
_BROKEN_S = 60.0
"""A store that could not be read is left alone for so long."""
_PATIENCE_S = 5.0
_SHORT_S = 1.0
"""How long a call waits that names a model nobody knows; it would fail otherwise."""


class ListedModels:
    """The lists by provider. May be asked from any thread; ``version`` changes whenever one does.

    ``store`` is the ``store.url`` where they are kept; without ``kept`` they are here alone.
    """

    def __init__(
        self,
        catalog: Catalog,
        rows: Mapping[str, Provider],
        store: str | None = None,
        *,
        kept: bool = False,
    ) -> None:
        self.version = 0
        self._catalog = catalog
        self._rows = dict(rows)  # as they are now: some get an address for a while later on
        self._url = store
        self._kept = kept
        self._lock = threading.Lock()
        self._lists: dict[str, _Said] = {}
        self._merged: dict[str, dict[str, Model]] = {}
        self._reading: threading.Event | None = None
        self._next = 0.0
        self._told = False

    def models(self, provider: str) -> list[Model]:
        """The provider's list with what the catalogue knows of it; empty if none was found."""
        return list(self._of(provider).values())

    def told(self, model: Model) -> Model:
        """What a list says of a model that the catalogue does not know, if one names it."""
        listed = self._of(model.provider).get(model.id)
        if listed is None:
            self._begin()
        return listed or model

    def owner(self, name: str, providers: Iterable[str], *, wait: bool = False) -> str | None:
        """The first of these providers whose list names the model.

        ``wait`` waits a second for the store, when it was not read lately.
        """
        if wait and (reading := self._begin()) is not None:
            reading.wait(_SHORT_S)
        return next((one for one in providers if name in self._of(one)), None)

    def near(self, name: str, provider: str | None) -> list[str]:
        """Names that are written like this one: of the provider's list, else of the catalogue."""
        listed = self._of(provider) if provider else {}
        if listed:
            return naming.near(name, listed, 3)
        return self._catalog.near(name, provider=provider)

    async def read(self) -> None:
        """See to it that the store was read in the last seconds, or cannot be."""
        if (reading := self._begin()) is not None:
            await asyncio.to_thread(reading.wait, _PATIENCE_S)

    async def keep(self, said: Mapping[str, Iterable[Model]]) -> None:
        """Remember what providers said just now, here and in the store."""
        now = time.time_ns() // 1000
        lists = {name: (now, tuple(filter(_named, models))) for name, models in said.items()}
        self._take(lists)
        if not self._kept:
            return
        done = _aside("llmo-models-write", lambda: self._write(lists))
        if not await asyncio.to_thread(done.wait, 2 * _PATIENCE_S):
            self._warn("the store does not answer.")

    def _begin(self) -> threading.Event | None:
        """A reading under way, begun now if the last is too old; `None` if there is no need."""
        with self._lock:
            if self._reading is not None and not self._reading.is_set():
                return self._reading
            if not self._kept or time.monotonic() < self._next:
                return None
            self._next = time.monotonic() + _FRESH_S
            self._reading = _aside("llmo-models-read", self._read)
            return self._reading

    def _read(self) -> None:
        try:
            found = self._store().read(self._accounts())
        except StoreError as error:
            self._next = time.monotonic() + _BROKEN_S
            self._warn(error.message)
        else:
            self._take({name: (one.found_at, one.models) for name, one in found.items()})

    def _write(self, said: Mapping[str, _Said]) -> None:
        from llm_orchestrator.store.models import ModelList

        accounts = self._accounts()
        lists = [
            ModelList(name, accounts[name], models, found_at)
            for name, (found_at, models) in said.items()
            if name in accounts
        ]
        try:
            self._store().write(lists)
        except StoreError as error:
            self._warn(error.message)

    def _store(self) -> "ModelLists":
        from llm_orchestrator.store.models import ModelLists

        return ModelLists(self._url)

    def _accounts(self) -> dict[str, str]:
        named = ((name, account(row)) for name, row in self._rows.items())
        return {name: found for name, found in named if found is not None}

    def _take(self, lists: Mapping[str, _Said]) -> None:
        """Use the lists that are newer than those that are here."""
        with self._lock:
            for name, said in lists.items():
                if said[0] > self._lists.get(name, _NOTHING)[0]:
                    self._lists[name] = said
                    self._merged.pop(name, None)
                    self.version += 1

    def _of(self, provider: str) -> dict[str, Model]:
        """The list of a provider by id."""
        found = self._merged.get(provider)
        if found is None:
            found_at, models = said = self._lists.get(provider, _NOTHING)
            found = {model.id: self._with_known(model, found_at) for model in models}
            with self._lock:
                if self._lists.get(provider, _NOTHING) is said:
                    self._merged[provider] = found
        return found

    def _with_known(self, listed: Model, found_at: int) -> Model:
        known = self._catalog.resolve(listed.id, listed.provider)
        return msgspec.structs.replace(
            known if known.known else listed,
            id=listed.id,
            context=listed.context or known.context,
            max_output=listed.max_output or known.max_output,
            prices=known.prices,
            found_at=found_at,
        )

    def _warn(self, reason: str) -> None:
        if not self._told:
            self._told = True
            log.warning("%s Models are then those of the catalogue and of this process", reason)


def _named(model: Model) -> bool:
    """Whether the name is one that can be asked for, and that every store takes."""
    return bool(model.id.strip()) and model.id.isprintable()


def _aside(name: str, work: Callable[[], None]) -> threading.Event:
    """Do the work in a thread that nobody has to wait for; the event says that it is done."""
    done = threading.Event()

    def run() -> None:
        try:
            work()
        finally:
            done.set()

    threading.Thread(target=run, name=name, daemon=True).start()
    return done
