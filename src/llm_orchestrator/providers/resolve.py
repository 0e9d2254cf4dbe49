"""The providers of one configuration: the rows of the table with the user's sections merged in."""

from difflib import get_close_matches

import msgspec

from llm_orchestrator.config.checks import clean_key
from llm_orchestrator.config.env import Environment
from llm_orchestrator.config.rows import abilities
from llm_orchestrator.config.schema import ABILITIES, Config, ProviderSettings
from llm_orchestrator.errors import ConfigError, InvalidRequestError, ModelNotFoundError
from llm_orchestrator.providers import credentials
from llm_orchestrator.providers.batches import OWN_BATCHES
from llm_orchestrator.providers.plugins import plugin
from llm_orchestrator.providers.table import ALIASES, TABLE
from llm_orchestrator.providers.variables import filled, missing
from llm_orchestrator.types.provider import Auth, Provider, Quirks
from llm_orchestrator.types.secret import Secret

_OWN_QUIRKS = Quirks(max_tokens="max_tokens")  # what compatible servers understand
_KEYS = ("api_key", "api_key_file", "api_key_cmd")
_VERSIONS = {"anthropic": "/v1"}
_AUTH: dict[str, Auth] = {"anthropic": "x-api-key"}


class Directory:
    """All providers that may be named, and which of them can be used.

    ``config`` is the configuration with every provider under its own name (``claude`` has become
    ``anthropic``); ``rows`` are the merged rows by name, with their keys where they are known.
    Raises `ConfigError` for a section that is no provider.
    """

    def __init__(self, config: Config) -> None:
        self.config = _canonical(config)
        self.rows: dict[str, Provider] = dict(TABLE)
        for name, settings in self.config.providers.items():
            self.rows[name] = _merge(
                _base(name, settings, self.config), settings, self.config.source
            )
        self._faults: dict[str, str] = {}
        self._unsigned: dict[str, str | None] = {}
        for name, row in list(self.rows.items()):
            self.rows[name] = self._with_values(self._with_key(row))
        active = self.config.active_provider
        for meant in (*([active] if active else []), *self.config.fallback.providers):
            if meant not in self.rows:
                raise ConfigError(
                    f"{self.config.source}: there is no provider {meant}{self._hint(meant)}"
                )

    def get(self, name: str) -> Provider:
        """The provider of that name or alias; `ModelNotFoundError` with near names otherwise."""
        if not isinstance(name, str):
            raise InvalidRequestError(f"provider: expected a name, got {type(name).__name__}")
        row = self.rows.get(ALIASES.get(name, name))
        if row is None and (brought := plugin(name)) is not None:
            row = self.rows[name] = self._with_values(self._with_key(brought))
        if row is None:
            near = tuple(get_close_matches(name.lower(), [*self.rows, *ALIASES], n=3, cutoff=0.6))
            raise ModelNotFoundError(
                f"there is no provider {name}{self._hint(name)}", suggestions=near
            )
        return row

    def use(self, name: str) -> Provider:
        """The provider, ready to be asked; `ConfigError` says what it still needs."""
        row = self.get(name)
        fault = self.fault(row.name)
        if fault:
            raise ConfigError(fault, provider=row.name)
        return row

    def fault(self, name: str) -> str | None:
        """Why the provider cannot be asked; ``None`` when it can."""
        row = self.rows[name]
        if name in self._faults:
            return self._faults[name]
        if not row.base_url and name != "local":
            return f"providers.{name}.base_url is missing: where does its API begin?"
        if lack := missing(row):
            return lack
        if credentials.expires(row):
            if name not in self._unsigned:
                named = name in self.config.providers or name == self.config.active_provider
                self._unsigned[name] = credentials.fault(row, named=named)
            return self._unsigned[name]
        if row.key is None and row.auth != "none" and not row.local:
            variables = " or ".join(row.key_env) or "a variable of your choice"
            fault = f"no API key: set {variables}, or providers.{name}.api_key"
            if hidden := self.config.env.hidden.intersection(row.key_env):
                fault += f" ({', '.join(hidden)} is set but empty, which hides that of .env)"
            return fault
        return None

    def configured(self) -> list[Provider]:
        """The providers that can be asked, in the order of the configuration, then of the table.

        Servers on this machine count when the configuration names them: nobody is to fall back to
        a server that may not be there.
        """
        active = self.config.active_provider
        named = [*([active] if active else []), *self.config.providers]
        order = dict.fromkeys((*named, *self.rows))
        return [
            self.rows[name]
            for name in order
            if self.fault(name) is None and (name in named or not self.rows[name].local)
        ]

    def _with_key(self, row: Provider) -> Provider:
        settings = self.config.providers.get(row.name)
        if settings and settings.unset:
            place, variable = next(iter(settings.unset.items()))
            self._faults[row.name] = (
                f"{place} needs the environment variable {variable}, which is not set"
            )
        if row.key is not None or row.key_file or row.key_cmd:
            return row
        if settings and _key_path(row.name) in settings.unset:
            return row
        key, fault = _key_of(row, self.config.env)
        if fault:
            self._faults.setdefault(row.name, fault)
        return row if key is None else _keyed(row, key)

    def _with_values(self, row: Provider) -> Provider:
        settings = self.config.providers.get(row.name)
        given = settings.variables if settings else {}
        return filled(row, given, self.config.env, self.config.source)

    def _hint(self, name: str) -> str:
        near = get_close_matches(name.lower(), [*self.rows, *ALIASES], n=1, cutoff=0.6)
        return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(self.rows)}"


def _keyed(row: Provider, key: Secret) -> Provider:
    return msgspec.structs.replace(row, key=key, auth=_auth_with_key(row.auth))


def _auth_with_key(auth: Auth) -> Auth:
    """How a key is sent: as a bearer token where the row needs none and the user gave one."""
    return "bearer" if auth == "none" else auth


def _key_path(name: str) -> str:
    return f"providers.{name}.api_key"


def _key_of(row: Provider, env: Environment) -> tuple[Secret | None, str | None]:
    """The key that the environment holds for the row, or what is wrong with it."""
    for variable in row.key_env:
        text = env.value(variable)
        if text is None:
            continue
        try:
            clean_key(text)
        except ValueError as error:
            return None, f"the environment variable {variable}: {error}"
        return Secret(text), None
    return None, None


def _canonical(config: Config) -> Config:
    providers: dict[str, ProviderSettings] = {}
    for name, settings in config.providers.items():
        own = ALIASES.get(name, name)
        if own in providers:
            raise ConfigError(
                f"{config.source}: providers.{name} and another section are both {own}"
            )
        providers[own] = settings
    active = config.active_provider
    return msgspec.structs.replace(
        config,
        providers=providers,
        active_provider=None if active is None else ALIASES.get(active, active),
        fallback=msgspec.structs.replace(
            config.fallback,
            providers=tuple(ALIASES.get(name, name) for name in config.fallback.providers),
        ),
    )


def _base(name: str, settings: ProviderSettings, config: Config) -> Provider:
    """The row that a section changes: of the table, another one's, or an empty one."""
    if settings.like is None:
        own = settings.dialect is not None and settings.base_url is not None
        row = TABLE.get(name) or (None if own else plugin(name))
        return row or _own_row(name, settings, config.source)
    like = ALIASES.get(settings.like, settings.like)
    row = TABLE.get(like)
    if row is None or name in TABLE:
        what = f"{name} is a provider itself" if row else f"there is no provider {settings.like}"
        raise ConfigError(f"{config.source}: providers.{name}.like: {what}")
    label = f"{row.label} ({name})"
    return msgspec.structs.replace(row, name=name, like=like, display_name=label, aliases=())


def _merge(row: Provider, settings: ProviderSettings, source: str) -> Provider:
    quirks = row.quirks
    if settings.quirks:
        quirks = msgspec.structs.replace(quirks, **settings.quirks)
    batch = row.batch
    if settings.batch is not None:
        batch = msgspec.structs.replace(batch or OWN_BATCHES, **settings.batch)
    lacks = settings.lacks or row.lacks
    if settings.abilities is not None:
        lacks = lacks | (ABILITIES - abilities(settings.abilities))  # type: ignore[operator]
    merged = msgspec.structs.replace(
        row,
        dialect=settings.dialect or row.dialect,
        base_url=_address(settings.base_url, settings.dialect or row.dialect) or row.base_url,
        display_name=settings.display_name or row.display_name,
        auth=settings.auth or row.auth,
        headers={**row.headers, **settings.headers},
        default_model=_default_model(row, settings),
        lacks=lacks,
        local=row.local if settings.local is None else settings.local,
        quirks=quirks,
        batch=batch,
        # Who names a dialect means all models.
        wires=() if settings.dialect else row.wires,
    )
    given = [name for name in _KEYS if getattr(settings, name)]
    if len(given) > 1:
        raise ConfigError(
            f"{source}: providers.{row.name}: give {' or '.join(given)}, not both of them"
        )
    if settings.api_key_file or settings.api_key_cmd:
        merged = msgspec.structs.replace(
            merged,
            auth=_auth_with_key(merged.auth),
            key_file=settings.api_key_file or "",
            key_cmd=settings.api_key_cmd or "",
        )
    return merged if settings.api_key is None else _keyed(merged, settings.api_key)


def _address(base_url: str | None, dialect: str) -> str | None:
    """Where the API begins. The SDKs of one wire take the address without its version."""
    if base_url is None:
        return None
    base_url, end = base_url.rstrip("/"), _VERSIONS.get(dialect, "")
    return base_url if base_url.endswith(end) else base_url + end


def _own_row(name: str, settings: ProviderSettings, source: str) -> Provider:
    lacking = [key for key in ("dialect", "base_url") if not getattr(settings, key)]
    if lacking:
        near = get_close_matches(name.lower(), [*TABLE, *ALIASES], n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(TABLE)}."
        raise ConfigError(
            f"{source}: providers.{name} is no provider that we know; {hint} "
            f"A provider of your own also needs {' and '.join(lacking)}."
        )
    keyed = any(
        getattr(settings, key) or f"providers.{name}.{key}" in settings.unset for key in _KEYS
    )
    return Provider(
        name=name,
        dialect="",
        base_url="",
        # Without a key, none is needed; with one, the wire says how it is sent.
        auth=_AUTH.get(str(settings.dialect), "bearer") if keyed else "none",
        quirks=_OWN_QUIRKS if settings.dialect == "openai" else Quirks(),
    )


def _default_model(row: Provider, settings: ProviderSettings) -> str:
    own = [model.name for model in settings.models if model.mode == "chat"]
    return settings.default_model or row.default_model or (own[0] if own else "")
