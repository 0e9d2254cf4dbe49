"""What a strategy is told of each candidate: its price for this request, its speed, its cache."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from llm_orchestrator.catalog import cost
from llm_orchestrator.catalog.estimate import DEFAULT_ANSWER, FALLBACK_MAX_OUTPUT
from llm_orchestrator.catalog.speeds import TYPICAL_S
from llm_orchestrator.catalog.thinking import expected_thought
from llm_orchestrator.catalog.tokens import guess_input, upper_bound_input
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.pipeline.hold import bound
from llm_orchestrator.routing.base import Offer
from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request
from llm_orchestrator.types.usage import Usage

if TYPE_CHECKING:
    from llm_orchestrator.engine.learning import Lesson


def offers(
    runtime: Runtime,
    request: Request,
    candidates: Iterable[Candidate],
    *,
    weights: Mapping[str, float] | None = None,
    spare: bool = False,
    lesson: "Lesson | None" = None,
) -> tuple[Offer, ...]:
    """An offer of each candidate, in their order; by length alone, no vocabulary is read."""
    made = tuple(
        _offer(runtime, request, one, (weights or {}).get(one.name, 1.0), spare=spare)
        for one in candidates
    )
    if lesson is None or runtime.skills is None:
        return made
    skills = runtime.skills
    return tuple(
        msgspec.structs.replace(one, record=skills.record(one.name, lesson)) for one in made
    )


def _offer(
    runtime: Runtime, request: Request, candidate: Candidate, weight: float, *, spare: bool
) -> Offer:
    measured = runtime.speed.measured(candidate)
    warm = runtime.affinity.cached(request, candidate)
    return Offer(
        candidate=candidate,
        expected_pico=expected(request, candidate, warm),
        most_pico=bound(request, upper_bound_input(request, candidate.model), candidate),
        first_token_s=measured[0] if measured else TYPICAL_S.get(candidate.provider.name),
        tokens_per_s=measured[1] if measured else None,
        weight=weight,
        warm=warm > 0,
        spare=spare,
    )


def expected(request: Request, candidate: Candidate, cached: int = 0) -> Pico | None:
    """What the request will probably cost there, with so many tokens read from the cache."""
    if candidate.provider.local:
        return 0
    model = candidate.model
    size = guess_input(request, model)
    longest = request.max_tokens or model.max_output or FALLBACK_MAX_OUTPUT
    thought = expected_thought(model, request.effort)
    read = min(cached, size)
    usage = Usage(
        input_tokens=size,
        output_tokens=min(longest, DEFAULT_ANSWER + thought),
        cache_read_tokens=read,
    )
    return cost(usage, model)
