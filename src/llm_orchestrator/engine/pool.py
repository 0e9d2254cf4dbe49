"""Whom a strategy may choose from: chains, groups and the pool, as the configuration has them."""

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

import msgspec

from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import ConfigError, InvalidRequestError, OrchestratorError
from llm_orchestrator.routing.chains import CHAINS
from llm_orchestrator.types.provider import Candidate


class Skipped(msgspec.Struct, frozen=True):
    """A model that cannot take the request, or may not."""

    name: str
    why: str


class Pool(msgspec.Struct, frozen=True):
    """Candidates in their order, and who was left out."""

    candidates: tuple[Candidate, ...]
    skipped: tuple[Skipped, ...] = ()


def chain(runtime: Runtime, names: str | Sequence[str]) -> Pool:
    """The members of a chain: the name of one, models with commas between, or a list.

    Of a chain by name, members that cannot be asked are skipped. Raises `InvalidRequestError` for
    duplicates, and what `Candidates.chain` raises for models that nobody knows.
    """
    if not isinstance(names, str | list | tuple) or not all(isinstance(one, str) for one in names):
        return _chain(runtime, names)  # which says what is wrong with them
    key = names if isinstance(names, str) else tuple(names)
    return _kept(runtime, ("chain", key), lambda: _chain(runtime, names))


def _kept(runtime: Runtime, key: tuple[object, ...], make: Callable[[], "Pool"]) -> "Pool":
    """A pool, made once: what it holds follows from the configuration and the lists found."""
    key = (runtime.listed_models.version, *key)
    known = runtime.pools.get(key)
    if known is None:
        known = runtime.pools[key] = make()
    return known


def _chain(runtime: Runtime, names: str | Sequence[str]) -> Pool:
    if not isinstance(names, str):
        return Pool(runtime.candidates.chain(names))
    members = runtime.config.routing.chains.get(names.strip())
    ours = None if members else CHAINS.get(names.strip())
    if not members and not ours:
        written = [name.strip() for name in names.split(",") if name.strip()]
        return Pool(runtime.candidates.chain(written))
    found = _resolved(runtime, members or ours or (), well_known=bool(ours))
    if not found.candidates:
        whys = "; ".join(f"{one.name}: {one.why}" for one in found.skipped)
        raise ConfigError(f"no member of the chain {names} can be asked ({whys})")
    return found


def group(runtime: Runtime, name: str | None) -> tuple[Pool, dict[str, float]] | None:
    """The members of a group and their weights by name; ``None`` when there is no such group."""
    # What is no name at all is told by who looks for the model.
    members = runtime.config.routing.groups.get(name) if isinstance(name, str) else None
    if not members:
        return None
    found = _resolved(runtime, [member.model for member in members])
    if not found.candidates:
        whys = "; ".join(f"{one.name}: {one.why}" for one in found.skipped)
        raise ConfigError(f"no member of the group {name} can be asked ({whys})")
    weights = {
        runtime.candidates.one(member.model).name: member.weight
        for member in members
        if not any(one.name == member.model for one in found.skipped)
    }
    return found, weights


def general(runtime: Runtime, *, provider: str | None = None) -> Pool:
    """The pool of ``routing.models``; without it, what `RoutingSettings.models` says."""
    return _kept(runtime, ("general", provider), lambda: _general(runtime, provider))


def _general(runtime: Runtime, provider: str | None) -> Pool:
    settings = runtime.config.routing
    if settings.models:
        plain = [name for name in settings.models if not _is_pattern(name)]
        found = _resolved(runtime, plain)
        candidates = [*found.candidates, *_matching(runtime, filter(_is_pattern, settings.models))]
        skipped = found.skipped
    else:
        mixed = _resolved(runtime, CHAINS["mixed"], well_known=True)
        candidates = [*runtime.candidates.defaults(), *mixed.candidates]
        skipped = ()
    unique: dict[str, Candidate] = {}
    for one in candidates:
        unique.setdefault(one.name, one)
    kept = [one for one in unique.values() if provider in (None, one.provider.name)]
    denied = [one for one in kept if _denied(runtime, one)]
    skipped += tuple(Skipped(one.name, "routing.deny") for one in denied)
    kept = [one for one in kept if one not in denied]
    if not kept:
        runtime.candidates.of(provider, None)  # which says what is missing, if anything is
        raise ConfigError(
            "there is no model to choose from: see routing.models and routing.deny"
            if provider is None
            else f"routing allows no model of {provider}: see routing.models and routing.deny"
        )
    return Pool(tuple(kept), skipped)


def catalogue(runtime: Runtime, *, provider: str | None = None) -> Pool:
    """Every current chat model of the providers that can be asked."""
    return _kept(runtime, ("catalogue", provider), lambda: _catalogue(runtime, provider))


def _catalogue(runtime: Runtime, provider: str | None) -> Pool:
    rows = [runtime.directory.use(provider)] if provider else runtime.directory.configured()
    found = [
        Candidate(row, model)
        for row in rows
        for model in runtime.catalog.models(row.name)
        if model.mode == "chat" and not model.deprecated and not model.retired
    ]
    return Pool(tuple(one for one in found if not _denied(runtime, one)))


def _resolved(runtime: Runtime, names: Iterable[str], *, well_known: bool = False) -> Pool:
    kept: dict[str, Candidate] = {}
    skipped = []
    for name in names:
        try:
            found = runtime.candidates.one(name, well_known=well_known)
        except OrchestratorError as error:
            skipped.append(Skipped(name, error.message))
        else:
            # Two names may mean one model by now: the second was retired in favour of the first.
            kept.setdefault(found.name, found)
    return Pool(tuple(kept.values()), tuple(skipped))


def _matching(runtime: Runtime, patterns: Iterable[str]) -> list[Candidate]:
    wanted = list(patterns)
    if not wanted:
        return []
    everybody = [*runtime.candidates.defaults(), *catalogue(runtime).candidates]
    return [one for one in everybody if any(fnmatchcase(one.name, each) for each in wanted)]


def _denied(runtime: Runtime, candidate: Candidate) -> bool:
    return any(
        fnmatchcase(candidate.name, each) or fnmatchcase(candidate.model.id, each)
        for each in runtime.config.routing.deny
    )


def _is_pattern(name: str) -> bool:
    return any(sign in name for sign in "*?[")


def check_size(size: int, most: int, what: str = "ensemble_size") -> int:
    """The size of an ensemble; raises `InvalidRequestError` for one that cannot be."""
    if type(size) is not int or size < 1:
        raise InvalidRequestError(f"{what}: expected a whole number from 1, got {size!r}")
    if size > most:
        raise InvalidRequestError(
            f"{what}: {size} models were asked for, there are {most} that can take the request"
        )
    return size
