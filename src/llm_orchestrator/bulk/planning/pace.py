"""How fast a candidate may be asked, by the limits that the configuration sets."""

from llm_orchestrator.bulk.planning.offers import Pace
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.pipeline.limits.gates import REQUESTS, Slots
from llm_orchestrator.types.provider import Candidate

_MINUTE_S = 60.0


def pace_of(runtime: Runtime) -> Pace:
    """Requests a second by the narrowest of its limits; ``None`` where there is none."""

    def pace(target: Candidate, tokens: float, seconds: float) -> float | None:
        if runtime.limiter is None:
            return None
        rates = []
        for gate in runtime.limiter.configured(target):
            if isinstance(gate, Slots):
                rates.append(gate.limit / seconds)
            else:
                each = 1.0 if gate.kind == REQUESTS else max(1.0, tokens)
                rates.append(gate.limit / _MINUTE_S / each)
        return min(rates, default=None)

    return pace
