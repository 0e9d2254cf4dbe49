"""Where the configuration wants answers to be kept."""

from collections.abc import Callable
from importlib.util import find_spec

from llm_orchestrator.config.paths import store_url
from llm_orchestrator.config.schema import Config
from llm_orchestrator.errors import ConfigError
from llm_orchestrator.store.cache_rows import Shelf
from llm_orchestrator.store.cache_sql import SQLShelf
from llm_orchestrator.store.urls import parse_url


def shelves(config: Config) -> Callable[[], Shelf] | None:
    """What makes a shelf; ``None``: answers are kept in memory only. Nothing is opened yet.

    Raises `ConfigError` when there is no such place.
    """
    if config.cache.backend == "memory":
        return None
    if config.cache.backend == "store":
        target = parse_url(store_url(config))
        return lambda: SQLShelf(target)
    url = config.cache.redis_url.reveal() if config.cache.redis_url else None
    url = url or config.env.value("REDIS_URL")
    if url is None:
        raise ConfigError("cache.backend is redis: set cache.redis_url or REDIS_URL")
    if find_spec("redis") is None:
        raise ConfigError(
            "cache.backend is redis, which needs a package: pip install 'llm-orchestrator[redis]'"
        )
    return lambda: _redis(url)


def _redis(url: str) -> Shelf:
    from llm_orchestrator.store.cache_redis import RedisShelf

    return RedisShelf(url)
