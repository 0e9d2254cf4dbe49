"""What a call says of the cache, and the cache that the configuration describes."""

from math import isfinite
from typing import TYPE_CHECKING

from llm_orchestrator.engine.compose import Composed
from llm_orchestrator.engine.options import CacheOptions, CallOptions, EmbedOptions
from llm_orchestrator.engine.routes import Route
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.pipeline.cache_policy import CachePolicy
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request

if TYPE_CHECKING:
    from llm_orchestrator.pipeline.cache import Cache


_NAMES = frozenset(EmbedOptions.__annotations__)


def policy(
    runtime: Runtime, options: CallOptions, composed: Composed, route: Route
) -> CachePolicy | None:
    """How the call's answer may come from the cache and be kept; ``None``: not at all.

    Raises `InvalidRequestError` for options that cannot be.
    """
    asked = _asked(runtime, options, composed.request.user)
    if asked is None:
        return None
    ttl, tenant, refresh = asked
    return CachePolicy(
        composed.request,
        _candidates(route),
        ttl,
        _strategy(runtime, options, route),
        tenant,
        refresh=refresh,
        parse=composed.parse,
    )


def policy_for_texts(
    runtime: Runtime, options: EmbedOptions, request: Request, target: tuple[Candidate, ...]
) -> CachePolicy | None:
    """`policy` for a call that wants vectors, which are kept text by text."""
    for name in options:
        if name not in _NAMES:
            known = ", ".join(EmbedOptions.__annotations__)
            raise TypeError(f"unexpected argument {name!r}; beside its own, embed takes {known}")
    asked = _asked(runtime, options, None)
    if asked is None:
        return None
    ttl, tenant, refresh = asked
    return CachePolicy(request, target, ttl, (), tenant, refresh=refresh)


def _asked(
    runtime: Runtime, options: CacheOptions, user: str | None
) -> tuple[float, str, bool] | None:
    """How long answers count, whose they are and whether they are made anew; opens the cache."""
    settings = runtime.config.cache
    if _NAMES.isdisjoint(options):
        if not settings.enabled:
            return None
        return settings.ttl, user or "" if settings.per_user else "", False
    how, ttl, tenant = read(options)
    if not (settings.enabled or ttl is not None if how is None else how):
        return None
    if runtime.cache is None:
        open_cache(runtime)
    if tenant is None:
        tenant = user or "" if settings.per_user else ""
    return settings.ttl if ttl is None else ttl, tenant, how == "refresh"


def read(options: CacheOptions) -> tuple[bool | str | None, float | None, str | None]:
    """The options, checked; raises `InvalidRequestError`."""
    how = options.get("cache")
    if how is not None and type(how) is not bool and how != "refresh":
        raise InvalidRequestError(f'cache: expected True, False or "refresh", got {how!r}')
    ttl = options.get("cache_ttl")
    if ttl is not None:
        number = type(ttl) is int or type(ttl) is float
        if not (number and isfinite(ttl) and ttl > 0):
            raise InvalidRequestError(f"cache_ttl: expected seconds above 0, got {ttl!r}")
    tenant = options.get("cache_tenant")
    if tenant is not None and not isinstance(tenant, str):
        raise InvalidRequestError(f"cache_tenant: expected a text, got {type(tenant).__name__}")
    return how, ttl, tenant


def open_cache(runtime: Runtime) -> "Cache":
    """Give the runtime its cache; raises `ConfigError` when there is no place for it."""
    from llm_orchestrator.pipeline.cache import Cache
    from llm_orchestrator.store.cache import CacheStore
    from llm_orchestrator.store.cache_memory import Memory
    from llm_orchestrator.store.cache_place import shelves

    settings = runtime.config.cache
    make = shelves(runtime.config)
    cache = Cache(
        runtime,
        Memory(settings.memory_entries, settings.memory_bytes),
        CacheStore(make) if make else None,
        entry_bytes=settings.entry_bytes,
        keep_cut=settings.keep_cut,
    )
    # Before all others: an answer that is there costs nothing, so nobody need consent to it.
    runtime.outer.insert(0, cache)
    runtime.cache = cache
    return cache


def _candidates(route: Route) -> tuple[Candidate, ...]:
    """Who may answer. An order by price, speed or lot changes from call to call: names order it."""
    if not route.offers:
        return route.candidates
    spares = sorted((one.candidate for one in route.offers if one.spare), key=_name)
    if route.seek is None:
        return tuple(sorted((one.candidate for one in route.offers), key=_name))
    return (*route.candidates, *spares)


def _name(candidate: Candidate) -> str:
    return candidate.name


def _strategy(runtime: Runtime, options: CallOptions, route: Route) -> tuple[object, ...]:
    if route.seek is None:
        return (route.strategy,)
    settings = runtime.config.routing
    return (
        route.strategy,
        options.get("confidence", settings.confidence),
        options.get("threshold", settings.threshold),
        options.get("ensemble_size", settings.ensemble_size),
        options.get("judge", settings.judge),
    )
