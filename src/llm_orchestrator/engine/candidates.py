"""Who could answer a call, in the order in which they are asked."""

from collections.abc import Sequence

from llm_orchestrator.catalog import Catalog
from llm_orchestrator.engine.listed_models import ListedModels
from llm_orchestrator.errors import (
    ConfigError,
    InvalidRequestError,
    ModelNotFoundError,
    OrchestratorError,
)
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider


class Candidates:
    """Makes the list of candidates of a call from the configuration and what the call says.

    First the model that is asked for, then the ``fallback_models`` of its provider, then the
    default models of other providers that are configured. A call that names its provider never
    leaves it. ``model`` is asked for by calls that name none, before the configuration's.
    """

    def __init__(
        self,
        directory: Directory,
        catalog: Catalog,
        listed: ListedModels | None = None,
        *,
        model: str | None = None,
    ) -> None:
        self._model = model
        self._listed = listed or ListedModels(catalog, directory.rows)
        self._seen = 0
        self._directory = directory
        self._config = directory.config
        self._catalog = catalog
        self._known: dict[tuple[str | None, str | None], tuple[Candidate, ...]] = {}

    def of(self, provider: str | None, model: str | None) -> tuple[Candidate, ...]:
        """The candidates of a call that names this provider and model, or neither."""
        _check_name("provider", provider)
        _check_name("model", model)
        if self._seen != self._listed.version:
            self._seen = self._listed.version
            self._known.clear()
        key = (provider, model or (None if provider else self._model))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = tuple(self._list(*key))
        return found

    def chain(self, names: Sequence[str]) -> tuple[Candidate, ...]:
        """The candidates of an explicit chain; raises for unknown and duplicate members."""
        if isinstance(names, str) or not isinstance(names, Sequence):
            raise InvalidRequestError("chain: expected a list of models")
        if not names:
            raise InvalidRequestError("the chain is empty: name at least one model")
        out: list[Candidate] = []
        for name in names:
            _check_name("chain", name)
            candidate = self._one(None, name)
            self._check_known(name, candidate)
            if candidate in out:
                raise InvalidRequestError(f"the chain names {candidate.name} twice")
            out.append(candidate)
        return tuple(out)

    def _check_known(self, name: str, candidate: Candidate) -> None:
        """A member that nobody knows is a typo, unless its provider is named beside it."""
        row = candidate.provider
        official = TABLE.get(row.name)
        if candidate.model.known or official is None or official.local or not official.base_url:
            return
        settings = self._config.providers.get(row.name)
        own = (*settings.fallback_models, settings.default_model) if settings else ()
        if self._named_provider(name) or name in (*own, self._config.active_model):
            return
        near = self._catalog.near(name)
        hint = f"; did you mean {' or '.join(near)}?" if near else "."
        raise ModelNotFoundError(
            f"the chain names {name}, which nobody knows{hint} Write {row.name}/{name} if it is "
            "new there",
            suggestions=tuple(near),
        )

    def one(self, name: str, *, well_known: bool = False) -> Candidate:
        """The candidate that a model's name means; raises when it cannot be asked.

        A ``well_known`` name is that of a maker's model, not of one on this machine.
        """
        return self._one(None, name, well_known=well_known)

    def defaults(self) -> list[Candidate]:
        """What the configuration offers beyond the active model: all default and fallback models.

        Of providers that can be asked, in their order; what cannot be resolved is left out.
        """
        out: dict[str, Candidate] = {}
        for row in self._directory.configured():
            settings = self._config.providers.get(row.name)
            is_active = row.name == self._config.active_provider
            names = [self._config.active_model] if is_active else []
            names.append(row.default_model)
            if settings is not None:
                names += [*settings.fallback_models, *(one.name for one in settings.models)]
            for name in filter(None, names):
                try:
                    found = self._at(row, name)
                except OrchestratorError:
                    continue  # one that may never be asked must not stop the call
                out.setdefault(found.name, found)
        return list(out.values())

    def _list(self, provider: str | None, model: str | None) -> list[Candidate]:
        primary = self._one(provider, model)
        own = primary.provider
        out = [primary]
        if settings := self._config.providers.get(own.name):
            out += [self._at(own, name) for name in settings.fallback_models]
        if provider is None and not self._named_provider(model) and self._config.rescues:
            out += self._others(own)
        # fallback_models may name the active model again.
        unique: dict[str, Candidate] = {}
        for candidate in out:
            unique.setdefault(candidate.name, candidate)
        return list(unique.values())

    def _named_provider(self, model: str | None) -> bool:
        head, slash, _ = (model or "").partition("/")
        return bool(slash) and self._catalog.provider(head) is not None

    def _one(
        self, provider: str | None, model: str | None, *, well_known: bool = False
    ) -> Candidate:
        if provider is None and model is not None:
            owner = self._owner(model, well_known=well_known)
            if owner is not None:
                return self._at(self._directory.use(owner), model)
            try:
                found = self._catalog.resolve(model)
            except ModelNotFoundError:
                if row := self._lister(model, wait=True):
                    return self._at(row, model)
                raise
            if self._directory.fault(found.provider) and not self._named_provider(model):
                # Somebody else who is set up may have the same model.
                for row in self._directory.configured():
                    if other := self._catalog.find(model, row.name):
                        return self._offered(row, other)
                if row := self._lister(model, wait=True):
                    return self._at(row, model)
            return self._offered(self._directory.use(found.provider), found)
        row = self._directory.use(provider) if provider else self._active()
        if model is None:
            is_active = row.name == self._config.active_provider or provider is None
            model = (self._config.active_model if is_active else None) or row.default_model
        if not model:
            raise ConfigError(
                f"no model for {row.label}: give model=, or set active_model or "
                f"providers.{row.name}.default_model"
            )
        return self._at(row, model)

    def _owner(self, model: str, *, well_known: bool) -> str | None:
        """The provider that the configuration says a name belongs to, if it does."""
        if self._named_provider(model):
            return None
        active = self._config.active_provider
        official = TABLE.get(active or "")
        if active is not None and (
            model == self._config.active_model
            or self._catalog.find(model, active) is not None
            # A server of your own may call its models what it likes.
            or official is None
            or (official.local and not well_known)
            or not (official.local or official.base_url)
        ):
            return active
        if self._catalog.find(model) is not None:
            return None
        for name, section in self._config.providers.items():
            if model == section.default_model or model in section.fallback_models:
                return name
        if (lister := self._lister(model)) is not None:
            return lister.name
        if active is None or official is None:
            return None
        # The same goes for a maker's wire at another address than its own.
        return active if self._directory.get(active).base_url != official.base_url else None

    def _active(self) -> Provider:
        if self._config.active_provider:
            return self._directory.use(self._config.active_provider)
        configured = self._directory.configured()
        if model := self._config.active_model:
            owner = self._catalog.resolve(model).provider
            if any(row.name == owner for row in configured):
                return self._directory.use(owner)
        if not configured:
            raise ConfigError(
                "no provider is configured: set OPENAI_API_KEY or ANTHROPIC_API_KEY, or write a "
                "configuration (`llmo config init`)"
            )
        return configured[0]

    def _lister(self, model: str, *, wait: bool = False) -> Provider | None:
        """The first configured provider whose own list names the model."""
        rows = {row.name: row for row in self._directory.configured()}
        owner = self._listed.owner(model, rows, wait=wait)
        return None if owner is None else rows[owner]

    def _at(self, row: Provider, name: str) -> Candidate:
        return self._offered(row, self._catalog.resolve(name, row.name))

    def _offered(self, row: Provider, model: Model) -> Candidate:
        """The model, or the successor of a retired one."""
        if not model.known:
            return Candidate(row, self._listed.told(model))
        current = self._catalog.current(model)
        if current is model:
            return Candidate(row, model)
        text = f"{model.id} was retired on {model.retired}; {current.id} stands in for it"
        return Candidate(row, current, text)

    def _others(self, own: Provider) -> list[Candidate]:
        """The default models of the other providers, as many as may be asked."""
        fallback = self._config.fallback
        rows: Sequence[Provider]
        if fallback.providers:
            rows = [self._directory.get(name) for name in fallback.providers]
        else:
            rows = self._directory.configured()
        out: list[Candidate] = []
        for row in rows:
            if row.name == own.name or self._directory.fault(row.name) is not None:
                continue
            if not row.default_model:
                continue
            try:
                out.append(self._at(row, row.default_model))
            except OrchestratorError:
                continue  # one that may never be asked must not stop the call
        return out[: fallback.max_retries]


def _check_name(what: str, name: object) -> None:
    if name is not None and not isinstance(name, str):
        raise InvalidRequestError(f"{what}: expected a name, got {type(name).__name__}")
