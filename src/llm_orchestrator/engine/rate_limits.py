"""The limiter that the configuration asks for."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from llm_orchestrator.catalog import Catalog
from llm_orchestrator.config.schema import Config
from llm_orchestrator.errors import ConfigError, OrchestratorError
from llm_orchestrator.pipeline.limiter import Limiter
from llm_orchestrator.pipeline.limits import connect
from llm_orchestrator.pipeline.limits.rules import PRESETS, Rules
from llm_orchestrator.providers.resolve import Directory

log = logging.getLogger("llm_orchestrator")


def limiter(config: Config, directory: Directory, catalog: Catalog) -> Limiter | None:
    """``None`` when there is nothing to keep to and nothing is to be learned.

    Raises `ConfigError` for limits of what does not exist.
    """
    names = _Names(config, directory, catalog)
    given = config.rate_limits
    settings = msgspec.structs.replace(
        given,
        providers={names.provider(n, "providers"): s for n, s in given.providers.items()},
        keys={names.provider(n, "keys"): s for n, s in given.keys.items()},
    )
    rules = Rules(settings, names.model)
    if not rules.any and not settings.learn:
        return None
    url = redis_url(config)
    if url is not None and not connect.available():
        if settings.redis_url:
            raise ConfigError(f"rate_limits.redis_url needs a package: {connect.INSTALL}")
        if rules.any:
            log.warning("REDIS_URL has no effect on rate limits without: %s", connect.INSTALL)
        url = None
    if url is None:
        return Limiter(rules, learn=settings.learn)
    from llm_orchestrator.pipeline.limits.shared import Shared

    shared = Shared(url, timeout=settings.redis_timeout, share=settings.share)
    return Limiter(rules, learn=settings.learn, shared=shared)


def redis_url(config: Config) -> str | None:
    """Where processes count together, if they do. It may hold a password."""
    given = config.rate_limits.redis_url
    return given.reveal() if given else config.env.value("REDIS_URL")


def summary(config: Config) -> tuple[str, ...]:
    """What is kept to, in words; raises `ConfigError` for limits of what does not exist."""
    directory = Directory(config)
    limiter(directory.config, directory, Catalog.load())
    given = config.rate_limits
    facts = ["learned from replies" if given.learn else "not learned from replies"]
    if given.preset:
        facts.append(f"preset {given.preset}")
    for section in ("providers", "keys", "models"):
        for name, limits in getattr(given, section).items():
            set_ones = [
                f"{getattr(limits, field)} {field}"
                for field in ("rpm", "tpm", "in_flight")
                if getattr(limits, field) is not None
            ]
            facts.append(f"{section}.{name}: {', '.join(set_ones) or 'nothing'}")
    return tuple(facts)


async def redis_fault(config: Config) -> str | None:
    """Why the Redis of the limits does not answer; ``None``: it does."""
    url = redis_url(config)
    if url is None:
        return None
    if not connect.available():
        return f"needs a package: {connect.INSTALL}"
    connection = connect.Connection(url, config.rate_limits.redis_timeout)
    try:
        async with asyncio.timeout(2.0):
            await connection.ping()
    except Exception as error:  # noqa: BLE001 - it is told, whatever it is
        return f"{type(error).__name__}: does not answer; each process keeps to its own share"
    finally:
        with suppress(Exception):
            await connection.close()
    return None


class _Names:
    """The names of the configuration, as candidates have them."""

    def __init__(self, config: Config, directory: Directory, catalog: Catalog) -> None:
        self._config = config
        self._directory = directory
        self._catalog = catalog

    def provider(self, name: str, section: str) -> str:
        """The provider's own name, for one of its aliases."""
        try:
            return self._directory.get(name).name
        except OrchestratorError as error:
            raise ConfigError(f"rate_limits.{section}.{name}: {error.message}") from None

    def model(self, name: str) -> Iterator[str]:
        """A model is limited under its own name, wherever it is asked, and as what replaced it."""
        head, slash, _ = name.partition("/")
        owner = self._catalog.provider(head) if slash else None
        if owner is None and head in self._directory.rows and slash:
            yield name  # of a server of your own
            return
        found = self._catalog.find(name)
        if found is None:
            if owner is None and not self._own(name) and name not in PRESETS["classic"]:
                raise ConfigError(f"rate_limits.models.{name}: {self._unknown(name)}")
            yield name if owner is None else f"{owner}/{name.partition('/')[2]}"
            return
        current = self._catalog.current(found)
        for model in dict.fromkeys((found, current)):
            yield f"{model.provider}/{model.id}" if owner else model.id

    def _unknown(self, name: str) -> str:
        near = self._catalog.near(name, 1)
        hint = f"did you mean {near[0]}?" if near else "for a new one write `provider/model`"
        return f"no model is called {name!r}; {hint}"

    def _own(self, name: str) -> bool:
        """Whether the configuration itself has a model of that name."""
        config = self._config
        return name == config.active_model or any(
            name in (section.default_model, *section.fallback_models)
            or any(name == row.name for row in section.models)
            for section in config.providers.values()
        )
