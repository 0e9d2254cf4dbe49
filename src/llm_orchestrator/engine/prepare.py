"""From the arguments of a verb to a call that is ready to be asked; nothing is sent."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from llm_orchestrator.engine import caching, labels, planning
from llm_orchestrator.engine.compose import compose
from llm_orchestrator.engine.consent import consent
from llm_orchestrator.engine.messages import MessageLike
from llm_orchestrator.engine.options import CallOptions, EmbedOptions, RouteOptions, split
from llm_orchestrator.engine.routes import Route, Wanted, route
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.engine.seeking import as_json, facts
from llm_orchestrator.pipeline.attempt import Call
from llm_orchestrator.pipeline.rescue import Rescue
from llm_orchestrator.types.money import Pico, from_usd
from llm_orchestrator.types.priority import read_priority
from llm_orchestrator.types.request import Message, Request

if TYPE_CHECKING:
    from llm_orchestrator.engine.learning import Lesson

Messages = str | MessageLike | Iterable[MessageLike]


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a call asks and what it may cost, as its arguments say it."""

    provider: str | None = None
    model: str | None = None
    chain: str | Sequence[str] | None = None
    max_cost: Decimal | str | float | None = None
    category: str = "orchestration"
    tags: Mapping[str, str] | None = None


class Prepared(msgspec.Struct, frozen=True):
    """A call, its route, and what its answer is parsed with."""

    call: Call
    route: Route
    parse: Callable[[str], Any] | None

    def rescue(self, runtime: Runtime) -> Rescue:
        """The walk through the candidates."""
        config = runtime.config
        past_filters = config.fallback.past_filters
        return Rescue(
            self.route.candidates, config.retry, runtime.breaker, past_filters=past_filters
        )


def prepare(
    runtime: Runtime,
    messages: Messages,
    who: Who,
    options: CallOptions,
    *,
    stream: bool = False,
) -> Prepared:
    """Check everything that can be checked before something is spent; raises what is wrong."""
    routing, asked = split(options)
    priority = read_priority(options.get("priority"))
    strict = runtime.config.parameters == "strict"
    composed = compose(messages, asked, stream=stream, strict=strict)
    request, notices = composed.request, list(composed.notices)
    cap: Pico | None = None if who.max_cost is None else planning.read_cap(who.max_cost)
    learned = _lesson(runtime, request, who, routing)
    wanted = Wanted(
        provider=who.provider,
        model=who.model,
        chain=who.chain,
        cap=cap,
        options=routing,
        lesson=learned,
    )
    found = route(runtime, request, wanted)
    if cap is not None and found.seek is None:
        request = planning.within(cap, request, found.candidates[0], notices)
    call = Call(
        request,
        session_id=runtime.session.id,
        requested_model=who.model,
        category=labels.category(who.category),
        strategy=found.strategy,
        user_id=request.user,
        tags=labels.tags(who.tags),
        cap=cap,
    )
    call.notices += notices
    if who.chain is not None or found.strategy == "fallback":
        call.notices += [f"left out of the chain: {one.name}: {one.why}" for one in found.skipped]
    call.priority = priority
    if learned is not None and runtime.skills is not None:
        call.features = learned.written()
    call.cache_policy = caching.policy(runtime, options, composed, found)
    if (threshold := runtime.config.auto_approve_threshold_usd) is not None:
        call.consent = consent(runtime, request, found, from_usd(threshold))
    if found.reason and found.seek is None:
        call.routing = as_json(facts(found))
    return Prepared(call, found, composed.parse)


def _lesson(runtime: Runtime, request: Request, who: Who, routing: RouteOptions) -> "Lesson | None":
    """What is known of the prompt, for those who learn from it or score it."""
    named = routing.get("strategy", runtime.config.routing_strategy)
    if runtime.skills is None and named != "scored":
        return None
    from llm_orchestrator.engine.learning import lesson

    labels.tags(who.tags)  # which says what is wrong with them
    return lesson(request, labels.category(who.category), who.tags)


def prepare_embedding(runtime: Runtime, who: Who, options: EmbedOptions) -> tuple[Call, Rescue]:
    """A call for vectors: of one candidate, as those of two models do not mix."""
    target = runtime.candidates.of(who.provider, who.model)[:1]
    call = Call(
        Request(messages=(Message("user", ""),), max_tokens=0),
        session_id=runtime.session.id,
        requested_model=who.model,
        category=labels.category(who.category),
        tags=labels.tags(who.tags),
    )
    call.priority = read_priority(options.get("priority"))
    call.cache_policy = caching.policy_for_texts(runtime, options, call.request, target)
    return call, Rescue(target, runtime.config.retry, runtime.breaker)
