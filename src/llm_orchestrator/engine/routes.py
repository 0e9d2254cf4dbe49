"""Which strategy a call has, and whom that may choose from."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from llm_orchestrator.engine import pool as pools
from llm_orchestrator.engine.fitting import Capabilities, fitting
from llm_orchestrator.engine.offers import offers
from llm_orchestrator.engine.options import RouteOptions
from llm_orchestrator.engine.pool import Pool, Skipped
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import InvalidRequestError, UnsupportedError
from llm_orchestrator.routing import order
from llm_orchestrator.routing.base import Offer, Strategy
from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request

if TYPE_CHECKING:
    from llm_orchestrator.engine.learning import Lesson
    from llm_orchestrator.engine.strategies import Seeker


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asked, in which order, and why."""

    candidates: tuple[Candidate, ...]
    """The first one is asked; the others, in this order, when it fails."""
    strategy: str = "fallback"
    reason: str = ""
    seek: Strategy | None = None
    """Seeks an answer among the offers; ``None``: the first one that comes is the answer."""
    offers: tuple[Offer, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    most_asks: int = 0
    """How often the strategy asks a model at most, retries apart; 0: each candidate once."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a call says of who should answer it."""

    provider: str | None = None
    model: str | None = None
    chain: str | Sequence[str] | None = None
    cap: Pico | None = None
    options: RouteOptions = {}
    lesson: "Lesson | None" = None
    """What is known of the prompt, where something was learned."""


def route(runtime: Runtime, request: Request, wanted: Wanted) -> Route:
    """The route of a call; nothing is sent.

    Raises `InvalidRequestError` for options that do not fit, `UnsupportedError` or `BudgetError`
    when nobody can take the request.
    """
    _check(wanted.options)
    name = _name(runtime, wanted)
    if name is None:
        return _plain(runtime, request, wanted)
    if wanted.model is not None and name not in ("specified", "fallback"):
        raise InvalidRequestError(
            f"strategy: {name} chooses the model; leave model= out, or name several with chain="
        )
    if name == "specified":
        first = runtime.candidates.of(wanted.provider, wanted.model)[:1]
        return Route(candidates=first, strategy=name, reason=f"{first[0].name} was asked for")
    from llm_orchestrator.engine import strategies  # loads them all; few calls need one

    made = strategies.find(runtime, name, wanted.options, wanted.lesson)
    capabilities = Capabilities.read(wanted.options.get("capability"))
    members = _members(runtime, name, wanted)
    found = _fitting(
        runtime, request, wanted, capabilities, members, in_turn=name in ("fallback", "scored")
    )
    offered = offers(runtime, request, found.candidates, lesson=wanted.lesson)
    if isinstance(made, strategies.Seeker):
        return _sought(runtime, request, wanted, made, offered, found.skipped)
    ordered = made(offered)
    kept = _within_retries(runtime, ordered.offers)
    return Route(
        candidates=tuple(one.candidate for one in kept),
        strategy=name,
        reason=ordered.reason,
        offers=ordered.offers,
        skipped=found.skipped,
    )


def _check(options: RouteOptions) -> None:
    """Raises for options that are wrong whatever the strategy makes of them."""
    threshold = options.get("threshold")
    number = type(threshold) in (int, float) or threshold is None
    if not number or (threshold is not None and not 0 <= threshold <= 1):
        raise InvalidRequestError(f"threshold: expected a number from 0 to 1, got {threshold!r}")
    if (size := options.get("ensemble_size")) is not None:
        pools.check_size(size, 10**6)
    if (signal := options.get("confidence")) is not None:
        from llm_orchestrator.engine import strategies  # loads them all; few calls need one

        strategies.check_signal(signal)


def _name(runtime: Runtime, wanted: Wanted) -> str | None:
    name = wanted.options.get("strategy")
    if name == "auto":
        name = _auto(runtime, wanted)
    if name is not None:
        return name
    if wanted.options.get("capability") is not None and wanted.model is None:
        return "capability"
    if wanted.model is not None or wanted.chain is not None:
        return None
    configured = runtime.config.routing_strategy
    return None if configured in ("fallback", "specified") else configured


def _auto(runtime: Runtime, wanted: Wanted) -> str | None:
    """Fallback over a chain, or where nothing says which of several providers is meant."""
    config = runtime.config
    if wanted.model is not None or wanted.provider is not None:
        return None
    if wanted.chain is not None:
        return "fallback"
    said = config.routing_strategy or config.active_provider or config.active_model
    if said or wanted.options.get("capability") is not None:
        return None
    return "fallback" if len(runtime.directory.configured()) > 1 else None


def _plain(runtime: Runtime, request: Request, wanted: Wanted) -> Route:
    """Without a strategy: what was asked for, and others when it fails."""
    if wanted.chain is not None:
        found = pools.chain(runtime, wanted.chain)
        return Route(candidates=found.candidates, skipped=found.skipped)
    grouped = pools.group(runtime, wanted.model) if wanted.provider is None else None
    if grouped is None:
        return Route(candidates=runtime.candidates.of(wanted.provider, wanted.model))
    members, weights = grouped
    found = fitting(runtime, request, members, Capabilities(), cap=wanted.cap)
    drawn = order.weighted()(offers(runtime, request, found.candidates, weights=weights))
    return Route(
        candidates=tuple(one.candidate for one in drawn.offers),
        strategy="weighted",
        reason=drawn.reason,
        offers=drawn.offers,
        skipped=found.skipped,
    )


def _members(runtime: Runtime, name: str, wanted: Wanted) -> Pool:
    """Whom the strategy chooses from, before anybody is left out."""
    if wanted.chain is not None:
        return pools.chain(runtime, wanted.chain)
    if name not in ("fallback", "scored"):
        return pools.general(runtime, provider=wanted.provider)
    several = len(runtime.directory.configured()) > 1
    if wanted.model is None and wanted.provider is None and several:
        return pools.chain(runtime, "mixed")
    return Pool(runtime.candidates.of(wanted.provider, wanted.model))


def _fitting(
    runtime: Runtime,
    request: Request,
    wanted: Wanted,
    capabilities: Capabilities,
    members: Pool,
    *,
    in_turn: bool,
) -> Pool:
    try:
        return fitting(runtime, request, members, capabilities, cap=wanted.cap, keep_dear=in_turn)
    except UnsupportedError:
        if wanted.chain is not None or runtime.config.routing.models:
            raise
        # Nobody in the usual pool: perhaps some other model of the same providers.
        wider = pools.catalogue(runtime, provider=wanted.provider)
        if not wider.candidates:
            raise
        return fitting(runtime, request, wider, capabilities, cap=wanted.cap)


def _sought(
    runtime: Runtime,
    request: Request,
    wanted: Wanted,
    made: "Seeker",
    offered: tuple[Offer, ...],
    skipped: tuple[Skipped, ...],
) -> Route:
    chosen, rest = made.members(offered, explicit=wanted.chain is not None)
    spares: tuple[Offer, ...] = ()
    if made.spares:
        names = {one.name for one in chosen}
        others = [one.candidate for one in rest]
        if wanted.chain is not None or not others:
            others = list(pools.general(runtime, provider=wanted.provider).candidates)
        pool = Pool(tuple(one for one in others if one.name not in names))
        if pool.candidates:
            spares = _spare_offers(runtime, request, wanted, pool)
    return Route(
        candidates=tuple(one.candidate for one in chosen),
        strategy=made.name,
        reason=f"{made.name} over {', '.join(one.name for one in chosen)}",
        seek=made.build(len(chosen)),
        offers=(*chosen, *spares),
        skipped=skipped,
        most_asks=made.most_asks(chosen, spares),
    )


def _spare_offers(
    runtime: Runtime, request: Request, wanted: Wanted, pool: Pool
) -> tuple[Offer, ...]:
    try:
        found = fitting(runtime, request, pool, Capabilities(), cap=wanted.cap)
    except (UnsupportedError, InvalidRequestError):
        return ()
    made = offers(runtime, request, found.candidates, spare=True, lesson=wanted.lesson)
    return tuple(sorted(made, key=lambda one: one.expected_pico or 0))


def _within_retries(runtime: Runtime, ordered: Sequence[Offer]) -> Sequence[Offer]:
    """As many as may be asked when the first one fails."""
    fallback = runtime.config.fallback
    return ordered[: 1 + (fallback.max_retries if fallback.enabled else 0)]
