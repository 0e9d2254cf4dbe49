"""Whether a model thinks before it answers, which takes time and tokens that nobody sees."""

from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request


def thinks(request: Request, target: Candidate) -> bool:
    """Whether silence before the first token may be thinking."""
    if request.effort is not None:
        return request.effort != "none" and target.can("reasoning")
    abilities = target.model.abilities
    # Only models that always reason refuse sampling; those that may reason are quick unasked.
    return abilities is not None and "reasoning" in abilities and "sampling" not in abilities
