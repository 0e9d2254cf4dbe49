"""Who could do what a target cannot: named in the error, so that the next step is clear."""

from collections.abc import Callable, Iterator
from itertools import islice

from llm_orchestrator import dialects
from llm_orchestrator.catalog import price_on
from llm_orchestrator.dialects.base import Dialect
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import OrchestratorError, UnsupportedError
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.request import Request

_MOST_NAMES = 3
_MOST_TRIES = 40  # models of one provider: a large request is written anew for each


def advise(runtime: Runtime, error: BaseException, request: Request) -> None:
    """Add to an `UnsupportedError` of a call who could answer it."""
    advise_how(runtime, error, lambda dialect, other: dialect.encode(request, other))


def advise_how(
    runtime: Runtime,
    error: BaseException,
    write: Callable[[Dialect, Candidate], object],
    *,
    mode: str = "chat",
) -> None:
    """Add to an `UnsupportedError` who could do it: one model of a provider, at most three.

    ``write`` makes the request for a candidate, and raises where it cannot be made. First comes
    the provider that was asked, then the configured ones, then the others. Nothing is sent.
    """
    if not isinstance(error, UnsupportedError) or error.alternatives:
        return

    def able(candidate: Candidate) -> bool:
        try:
            write(dialects.load(candidate.provider.dialect), candidate)
        except OrchestratorError:
            return False
        return True

    directory = runtime.directory
    own = [directory.rows[error.provider]] if error.provider in directory.rows else []
    rows = {row.name: row for row in (*own, *directory.configured(), *directory.rows.values())}
    found: list[str] = []
    for row in rows.values():
        asked = error.model if row.name == error.provider else ""
        tries = islice(_models(runtime, row, mode), _MOST_TRIES)
        known = (Candidate(row, model) for model in tries if model.id != asked)
        if (one := next(filter(able, known), None)) is not None:
            found.append(one.name)
        if len(found) == _MOST_NAMES:
            break
    if found:
        error.alternatives = tuple(found)
        *first, last = found
        names = f"{', '.join(first)} or {last}" if first else last
        error.message = f"{error.message.rstrip('. ')}; {names} could do it"
        error.args = (error.message,)


def _models(runtime: Runtime, row: Provider, mode: str) -> Iterator[Model]:
    """Models whose abilities are known: the provider's default one, then the cheapest first."""
    listed = [
        model
        for model in runtime.catalog.models(row.name)
        if model.mode == mode and not model.deprecated and runtime.catalog.current(model) is model
    ]
    listed.sort(key=lambda model: (model.id != row.default_model, _rate(model), model.id))
    return (model for model in listed if model.abilities is not None or mode == "embedding")


def _rate(model: Model) -> float:
    price = price_on(model)
    return float("inf") if price is None or not price.input else price.input
