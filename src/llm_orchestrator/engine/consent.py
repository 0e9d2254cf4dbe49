"""Whether a call needs somebody's consent before it goes out."""

import msgspec

from llm_orchestrator.engine.offers import expected
from llm_orchestrator.engine.routes import Route
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.types.approval import Consent
from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.request import Request


def consent(runtime: Runtime, request: Request, route: Route, threshold: Pico) -> Consent | None:
    """What consent is needed to; ``None`` for a call that is expected to cost no more than that.

    An unknown price needs consent: unknown is not zero.
    """
    likely = _expected(request, route)
    if likely is not None and likely <= threshold:
        return None
    from llm_orchestrator.engine.planning import plan  # reads vocabularies: only for the few
    from llm_orchestrator.pipeline.cache_key import Keys
    from llm_orchestrator.pipeline.cache_policy import CachePolicy
    from llm_orchestrator.types.money import from_usd

    most = plan(runtime, request, route).most_cost
    first = route.candidates[0]
    policy = CachePolicy(request, route.candidates, 0.0, (route.strategy,), request.user or "")
    return Consent(
        Keys().of(policy),
        likely,
        None if most is None else from_usd(most),
        first.provider.name,
        first.model.id,
    )


def _expected(request: Request, route: Route) -> Pico | None:
    """Of the first candidate; of all members where a strategy asks all of them."""
    several = route.seek is not None and route.strategy != "fallback"
    asked = route.candidates if several else route.candidates[:1]
    whole = msgspec.structs.replace(request, stream=False)
    costs = [expected(whole, one) for one in asked]
    return None if None in costs else sum(cost or 0 for cost in costs)
