"""What would happen, before anything is sent: candidates, tokens, cost, requests."""

from collections.abc import Sequence
from decimal import Context, Decimal, InvalidOperation
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from llm_orchestrator import dialects
from llm_orchestrator.catalog import price_on, upper_bound
from llm_orchestrator.catalog.estimate import Estimate
from llm_orchestrator.catalog.tokens import upper_bound_input
from llm_orchestrator.engine.alternatives import advise_how
from llm_orchestrator.engine.pool import Skipped
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import BudgetError, InvalidRequestError, OrchestratorError
from llm_orchestrator.pipeline.hold import bound
from llm_orchestrator.pipeline.rescue import most_requests
from llm_orchestrator.transport.base import Limits
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.money import Pico, from_usd, to_usd, usd_text
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request
from llm_orchestrator.types.usage import TokenCount

if TYPE_CHECKING:
    from llm_orchestrator.engine.routes import Route

_LIMITS = Limits(first=30.0, total=30.0)
_LEAST_OUTPUT = 256
"""An answer is not cut shorter than this to fit a cap."""


class PlannedCandidate(msgspec.Struct, frozen=True):
    """One candidate of a plan; costs in USD, ``None`` where the price is unknown."""

    provider: str
    model: str
    known: bool
    open: bool
    """Its breaker is open: it is asked last."""
    notices: tuple[str, ...]
    """What it could not take, or why it could not be asked."""
    estimate: Estimate
    spare: bool = False
    """Asked only for a second opinion, or to judge."""
    first_token_s: float | None = None
    tokens_per_s: float | None = None


class Plan(msgspec.Struct, frozen=True):
    """What a call would do."""

    candidates: tuple[PlannedCandidate, ...]
    strategy: str
    reason: str
    """Why the candidates are in this order."""
    skipped: tuple[Skipped, ...]
    """Who was left out, and why."""
    most_requests: int
    """The most wire requests that the call can cause."""
    most_cost: Decimal | None
    """USD, if every one of them were billed in full; ``None`` when a price is unknown."""


def plan(runtime: Runtime, request: Request, route: "Route") -> Plan:
    """The plan of a call; nothing is sent."""
    retry = runtime.config.retry
    asked = {one.name for one in route.candidates}
    offers = {one.name: one for one in route.offers}
    spares = [one.candidate for one in route.offers if one.spare]
    planned = []
    each: list[Pico | None] = []
    for target in (*route.candidates, *spares):
        size = upper_bound_input(request, target.model)
        try:
            notices = dialects.load(target.provider.dialect).encode(request, target).notices
        except OrchestratorError as error:
            notices = (error.message,)
        each.append(bound(request, size, target))
        offer = offers.get(target.name)
        planned.append(
            PlannedCandidate(
                target.provider.name,
                target.model.id,
                target.model.known,
                runtime.breaker.is_open(target),
                notices,
                estimate(request, target),
                target.name not in asked,
                offer.first_token_s if offer else None,
                offer.tokens_per_s if offer else None,
            )
        )
    requests = most_requests(route.most_asks or len(route.candidates), retry)
    most = _most_cost(each, requests, len(route.candidates) if route.seek is None else None)
    return Plan(
        tuple(planned),
        route.strategy,
        route.reason,
        route.skipped,
        requests,
        None if most is None else to_usd(most),
    )


def _most_cost(each: Sequence[Pico | None], requests: int, candidates: int | None) -> Pico | None:
    """If every request were billed in full; a strategy may send all but a few to the dearest."""
    known = [one for one in each if one is not None]
    if len(known) < len(each):
        return None
    if candidates is not None:
        return sum(known) * requests // candidates
    return max(known) * requests


def estimate(request: Request, target: Candidate) -> Estimate:
    """Tokens and cost of a request as intervals."""
    from llm_orchestrator.catalog.estimate import estimate as estimate_of

    return estimate_of(request, target.model)


async def count(
    runtime: Runtime, request: Request, target: Candidate, *, exact: bool
) -> TokenCount:
    """Input tokens: estimated here, or counted by the provider when ``exact``."""
    if not exact:
        from llm_orchestrator.catalog.tokens import count_request

        return TokenCount(count_request(request, target.model), exact=False)
    target = await runtime.ready(target)
    dialect = dialects.load(target.provider.dialect)
    try:
        call = dialect.encode_count(request, target)
    except OrchestratorError as error:
        advise_how(runtime, error, lambda dialect, other: dialect.encode_count(request, other))
        raise
    read = partial(dialect.decode_count, target=target)
    return TokenCount(await runtime.sender.exchange(target, call, _LIMITS, read), exact=True)


def read_cap(max_cost: Decimal | str | float) -> Pico:
    """A cap in pico-dollars; raises `InvalidRequestError` unless it is an amount above 0."""
    try:
        usd = Decimal(str(max_cost))
        if not usd.is_finite() or usd <= 0:
            raise ValueError
        amount = from_usd(usd.quantize(Decimal("1e-12"), context=Context(prec=60)))
        if amount == 0:
            raise ValueError
        return amount
    except (InvalidOperation, ValueError):
        raise InvalidRequestError(
            f"max_cost: expected an amount in USD above 0, got {max_cost!r}"
        ) from None


def within(cap: Pico, request: Request, target: Candidate, notices: list[str]) -> Request:
    """The request with its answer limited to what the cap can pay, where no limit was given.

    Raises `BudgetError` when not even a short answer fits.
    """
    if request.max_tokens is not None or target.provider.local:
        return request
    price = price_on(target.model)
    size = upper_bound_input(request, target.model)
    if price is None or not price.output:
        return request  # the hold refuses what has no price
    free = cap - (upper_bound(size, 0, target.model) or 0)
    most = free // price.output
    if target.model.max_output is not None and most >= target.model.max_output:
        return request
    if most < _LEAST_OUTPUT:
        least = upper_bound(size, _LEAST_OUTPUT, target.model)
        raise BudgetError(
            f"the cap of {usd_text(cap)} USD does not pay for an answer of {_LEAST_OUTPUT} tokens "
            f"by {target.name}, which could cost {usd_text(least or 0)} USD",
            code="max_cost",
        )
    notices.append(f"the answer was limited to {most} tokens to stay within {usd_text(cap)} USD")
    return msgspec.structs.replace(request, max_tokens=most)


async def models(runtime: Runtime, provider: str | None) -> list[Model]:
    """The models of the provider, or of all configured ones: found there, or of the catalogue."""
    directory = runtime.directory
    rows = [directory.get(provider)] if provider else directory.configured()
    await runtime.listed_models.read()
    return [model for row in rows for model in runtime.models(row)]
