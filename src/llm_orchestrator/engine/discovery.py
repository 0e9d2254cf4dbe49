"""Which models there are, asked of the providers; and whether they answer at all."""

import asyncio
import logging
from functools import partial
from time import perf_counter

import msgspec

from llm_orchestrator import dialects
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import BadReplyError, OrchestratorError
from llm_orchestrator.transport.base import Limits
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider

log = logging.getLogger("llm_orchestrator")
_MOST_PAGES = 50
_LIMITS = Limits(connect=5.0, first=20.0, idle=20.0, total=30.0)


class ProviderHealth(msgspec.Struct, frozen=True):
    """Whether a provider answered just now."""

    provider: str
    status: str
    """healthy, or the class name of the error."""
    latency_s: float
    message: str = ""

    @property
    def healthy(self) -> bool:
        """Whether it answered."""
        return self.status == "healthy"


async def refresh(runtime: Runtime, rows: list[Provider]) -> list[Model]:
    """Ask all of them at once for their models, and remember what they say.

    One that does not answer is warned of, and keeps the list that it had; its error is raised when
    nobody answered.
    """
    asked = (discover(runtime, row) for row in rows)
    said = await asyncio.gather(*asked, return_exceptions=True)
    answers: dict[str, list[Model]] = {}
    errors: dict[str, OrchestratorError] = {}
    for row, answer in zip(rows, said, strict=True):
        if isinstance(answer, OrchestratorError):
            errors[row.name] = answer
        elif isinstance(answer, BaseException):
            raise answer
        else:
            answers[row.name] = answer
    if errors and not answers:
        raise next(iter(errors.values()))
    for name, error in errors.items():
        log.warning("the models of %s could not be asked for: %s", name, error.message)
    await runtime.listed_models.keep(answers)
    return [model for row in rows for model in runtime.models(row)]


async def discover(runtime: Runtime, provider: Provider) -> list[Model]:
    """The models that the account has, all pages, as the provider tells them."""
    target = await runtime.ready(Candidate(provider, Model(provider=provider.name, id="")))
    provider = target.provider
    dialect = dialects.load(provider.dialect)
    found: list[Model] = []
    page: str | None = None
    for _ in range(_MOST_PAGES):
        call = dialect.list_models(provider, page)
        read = partial(dialect.read_models, provider=provider)
        models, following = await runtime.sender.exchange(target, call, _LIMITS, read)
        found += models
        if following is None:
            return found
        if following == page:
            raise BadReplyError("the model list repeats its pages", provider=provider.name)
        page = following
    return found


async def check(runtime: Runtime, provider: Provider) -> ProviderHealth:
    """One cheap request: the first page of the models."""
    began = perf_counter()
    try:
        target = await runtime.ready(Candidate(provider, Model(provider=provider.name, id="")))
        dialect = dialects.load(provider.dialect)
        call = dialect.list_models(target.provider, None)
        read = partial(dialect.read_models, provider=target.provider)
        await runtime.sender.exchange(target, call, _LIMITS, read)
    except OrchestratorError as error:
        seconds = perf_counter() - began
        return ProviderHealth(provider.name, type(error).__name__, seconds, error.message)
    return ProviderHealth(provider.name, "healthy", perf_counter() - began)


async def check_all(runtime: Runtime, providers: list[Provider]) -> list[ProviderHealth]:
    """All of them at once."""
    return list(await asyncio.gather(*(check(runtime, provider) for provider in providers)))
