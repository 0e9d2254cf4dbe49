"""The models of all providers, looked up by any of their names."""

import datetime as dt
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

import msgspec

from llm_orchestrator.catalog import entries, naming
from llm_orchestrator.errors import ModelNotFoundError
from llm_orchestrator.types.model import Model, Price
from llm_orchestrator.types.provider import Provider

DATA_FILE = Path(__file__).parent / "data" / "models.json"
"""The price file of the package."""

_FREE = Price(input=0, output=0, cache_read=0, cache_write=0, cache_write_1h=0)


class Catalog:
    """Models and their prices: of the data file, with the user's own over them.

    Nothing is read before the first question. It may be asked from any thread.
    """

    def __init__(
        self,
        data_file: Path = DATA_FILE,
        *,
        overrides: Iterable[Model] = (),
        providers: Iterable[Provider] = (),
        refreshed: Path | None = None,
    ) -> None:
        self.warnings: list[str] = []
        """What went wrong while reading, for people; the package's own file stood in for it."""
        self._data_file = data_file
        self._refreshed = refreshed
        self._rows = {row.name: row for row in providers}
        self._provider_aliases = dict(naming.PROVIDER_ALIASES)
        for row in self._rows.values():
            self._provider_aliases |= dict.fromkeys(row.aliases, row.name)
        self._own: dict[str, dict[str, Model]] = {}
        for model in overrides:
            self._own.setdefault(model.provider, {})[model.id] = model
        self._parts: dict[str, entries.ProviderPart] = {}
        self._indexes: dict[str, dict[str, str]] = {}
        self._models: dict[tuple[str, str], Model] = {}

    @classmethod
    def load(
        cls,
        overrides: Iterable[Model] = (),
        *,
        providers: Iterable[Provider] = (),
        refreshed: Path | None = None,
    ) -> "Catalog":
        """The catalogue of the package, or of a newer refreshed file.

        ``overrides`` are the user's models, where ``None`` means "as the file says"; ``providers``
        brings in names and aliases of providers that the file does not know.
        """
        return cls(overrides=overrides, providers=providers, refreshed=refreshed)

    @cached_property
    def _file(self) -> entries.File:
        package = entries.file(self._data_file.read_bytes())
        if self._refreshed is None or not self._refreshed.exists():
            return package
        try:
            newer = entries.file(self._refreshed.read_bytes())
        except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
            self.warnings.append(
                f"{self._refreshed}: not a readable price file ({error}); using the built-in one"
            )
            return package
        return newer if newer.version > package.version else package

    @property
    def version(self) -> str:
        """The day on which the prices were read, ``YYYY-MM-DD``."""
        return self._file.version

    @cached_property
    def providers(self) -> tuple[str, ...]:
        """All known providers, in the order in which a name without one is looked for."""
        names = dict.fromkeys((*naming.SEARCH_ORDER, *self._file.providers))
        own = [name for name in (*self._own, *self._rows) if name not in names]
        # What the user set up himself is what he means, but for another key of somebody known.
        twins = [name for name in own if self._listed_as(name) != name]
        return tuple(dict.fromkeys((*(one for one in own if one not in twins), *names, *twins)))

    @property
    def aliases(self) -> Mapping[str, str]:
        """Our own names of models, to ``provider/id``."""
        return self._file.aliases

    def provider(self, name: str) -> str | None:
        """The provider's own name from any of its names; ``None`` when it is unknown."""
        return naming.canonical(name, self.providers, self._provider_aliases)

    def resolve(self, name: str, provider: str | None = None) -> Model:
        """The model that a name means, which may be an alias or begin with a provider.

        A name that a known provider may still have is a `Model` with ``known=False`` and nothing
        known of it. Raises `ModelNotFoundError`, with near names, when no provider can be meant.
        """
        name = name.strip()
        if provider is not None:
            owner = self.provider(provider)
            if owner is None:
                near = naming.near(provider, self.providers, 3)
                raise _not_found(f"no provider is called {provider!r}", near)
            if not name:
                raise _not_found("the model's name is empty", [])
            return self._at(owner, name)
        if not name:
            raise _not_found("the model's name is empty", [])
        if target := self.aliases.get(name):
            return self._target(target)
        head, slash, rest = name.partition("/")
        if slash and rest and (owner := self.provider(head)):
            return self._at(owner, rest)
        return self._anywhere(name)

    def find(self, name: str, provider: str | None = None) -> Model | None:
        """Like `resolve`, but ``None`` for a model that the catalogue does not know."""
        try:
            model = self.resolve(name, provider)
        except ModelNotFoundError:
            return None
        return model if model.known else None

    def models(self, provider: str) -> list[Model]:
        """All known models of a provider, by id; empty for a provider without any."""
        owner = self.provider(provider)
        if owner is None:
            return []
        ids = {*self._part(owner).models, *self._own.get(owner, ())}
        return [model for model_id in sorted(ids) if (model := self._exact(owner, model_id))]

    def near(self, name: str, n: int = 3, provider: str | None = None) -> list[str]:
        """Names of known models that are written like this one, the nearest first."""
        owner = self.provider(provider) if provider else None
        if owner is not None:
            found = naming.near(name, self._names(owner), 4 * n)
            return [one for one in found if self._offered(owner, one)][:n]
        names: dict[str, None] = dict.fromkeys(self.aliases)
        for each in self.providers:
            # A host's own name of a model may be that of its maker: its provider says whose it is.
            full = each in naming.HOSTS
            names |= dict.fromkeys(
                f"{each}/{own}" if full and "/" in own else own for own in self._names(each)
            )
        found = naming.near(name, names, 4 * n)
        return [one for one in found if self._offered(None, one)][:n]

    def _offered(self, owner: str | None, name: str) -> bool:
        """Whether the model was still offered when the prices were read."""
        model = self.resolve(name, owner)
        return model.retired is None or model.retired > self.version

    def current(self, model: Model, at: dt.date | None = None) -> Model:
        """The model itself while it is offered, else the successor that is; itself without one."""
        day = (at or dt.datetime.now(dt.UTC).date()).isoformat()[:10]
        found, seen = model, {model.id}
        while found.retired is not None and found.retired <= day:
            successor = found.successor and self._exact(found.provider, found.successor)
            if not successor or successor.id in seen:
                return found if found.retired > day else model
            seen.add(successor.id)
            found = successor
        return found

    # -- inside -----------------------------------------------------------------------------------

    def _target(self, target: str) -> Model:
        owner, _, model_id = target.partition("/")
        return self._at(owner, model_id)

    def _anywhere(self, name: str) -> Model:
        for owner in self.providers:
            if model := self._exact(owner, name) or self._other_name(owner, name):
                return model
        maker = naming.maker(name) or self._derived_owner(name)
        if maker is not None:
            return self._at(maker, name)
        raise _not_found(f"no model is called {name!r}", self._meant(name) or self.near(name))

    def _meant(self, name: str) -> list[str]:
        """The models that a name means if only its provider is misspelt."""
        head, _, rest = name.partition("/")
        likely = naming.near(head, self.providers, 1) if rest else []
        return [f"{owner}/{rest}" for owner in likely if self.find(rest, owner)]

    def _derived_owner(self, name: str) -> str | None:
        return next((owner for owner in self.providers if self._derived(owner, name)), None)

    def _at(self, owner: str, name: str) -> Model:
        if model := self._exact(owner, name):
            return model
        for key in (f"{owner}/{name}", name):
            target = self.aliases.get(key, "")
            if target.startswith(f"{owner}/"):
                return self._target(target)
        if model := self._other_name(owner, name) or self._derived(owner, name):
            return model
        head, slash, rest = name.partition("/")
        if slash and rest and self.provider(head) == owner:
            return self._at(owner, rest)
        if similar := self._similar(owner, name):
            return self._at(owner, similar)
        return self._blank(owner, name)

    def _similar(self, owner: str, name: str) -> str | None:
        """The name as the provider writes it: in its case, with the maker before it."""
        lowered = name.lower()
        ending = f"/{lowered}"
        names = {known.lower(): known for known in reversed(self._names(owner))}
        found = names.get(lowered)
        if found is None:
            found = next((known for low, known in names.items() if low.endswith(ending)), None)
        return None if found == name else found

    def _blank(self, owner: str, name: str) -> Model:
        row = self._rows.get(owner)
        return Model(
            provider=owner, id=name, known=False, prices=(_FREE,) if row and row.local else ()
        )

    def _exact(self, owner: str, model_id: str) -> Model | None:
        found = self._models.get((owner, model_id))
        if found is None:
            part = self._part(owner)
            raw = part.models.get(model_id)
            if raw is not None:
                found = entries.model(owner, model_id, raw, part.batch_discount)
            own = self._own.get(owner, {}).get(model_id)
            if own is not None:
                found = self._overridden(own, found)
            if found is None:
                return None
            self._models[owner, model_id] = found
        return found

    def _other_name(self, owner: str, name: str) -> Model | None:
        model_id = self._index(owner).get(name)
        model = None if model_id is None else self._exact(owner, model_id)
        if model is None or model.id in self._own.get(owner, ()):
            return model
        # The provider knows the other name too, so it stays what it is on the wire.
        return msgspec.structs.replace(model, id=name, aliases=())

    def _derived(self, owner: str, name: str) -> Model | None:
        """A model by a longer name: dated, fine-tuned or a router's variant."""
        if (base := naming.tuned(name)) is not None:
            model = self._exact(owner, f"ft:{base}")
            if model is None and (plain := self._exact(owner, base)):
                # A fine-tuned model costs more than its base, by an amount that is not known.
                model = msgspec.structs.replace(plain, prices=())
        elif (base := naming.routed(name)) is not None:
            model = self._exact(owner, base)
            if model is not None:
                model = msgspec.structs.replace(model, prices=())
        elif (base := naming.undated(name)) is not None:
            model = self._exact(owner, base) or self._exact(owner, f"{base}-latest")
        elif name.startswith("models/"):
            return self._exact(owner, name.removeprefix("models/"))
        else:
            return None
        return None if model is None else msgspec.structs.replace(model, id=name, aliases=())

    def _overridden(self, own: Model, listed: Model | None) -> Model:
        base = listed or self._derived(own.provider, own.id)
        if base is None:
            blank = self._blank(own.provider, own.id)
            return msgspec.structs.replace(own, prices=own.prices or blank.prices, known=True)
        said = {
            field.name: value
            for field in msgspec.structs.fields(Model)
            if (value := getattr(own, field.name)) not in (None, (), field.default)
        }
        return msgspec.structs.replace(base, **{**said, "known": True})

    def _part(self, owner: str) -> entries.ProviderPart:
        part = self._parts.get(owner)
        if part is None:
            raw = self._file.providers.get(self._listed_as(owner))
            part = entries.ProviderPart(models={}) if raw is None else entries.provider(raw)
            self._parts[owner] = part
        return part

    def _listed_as(self, owner: str) -> str:
        """Under whose name the price file has the provider's models."""
        row = self._rows.get(owner)
        return (row.like or owner) if row is not None else owner

    def _index(self, owner: str) -> dict[str, str]:
        index = self._indexes.get(owner)
        if index is None:
            raw = self._file.providers.get(self._listed_as(owner))
            index = {} if raw is None else entries.aliases(raw)
            for model in self._own.get(owner, {}).values():
                index |= dict.fromkeys(model.aliases, model.id)
            self._indexes[owner] = index
        return index

    def _names(self, owner: str) -> list[str]:
        own = self._own.get(owner, ())
        return [*own, *self._part(owner).models, *self._index(owner)]


def _not_found(message: str, near: list[str]) -> ModelNotFoundError:
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return ModelNotFoundError(f"{message}{hint}", suggestions=tuple(near))
