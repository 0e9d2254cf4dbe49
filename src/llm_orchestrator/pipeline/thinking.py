"""Whether a model thinks before it answers, which takes time and tokens that nobody sees."""

from llm_orchestrator.catalog.thinking import thinks_unasked
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request


def thinks(request: Request, target: Candidate) -> bool:
    """Whether silence before the first token may be thinking."""
    if request.effort is not None:
        return request.effort != "none" and target.can("reasoning")
    return thinks_unasked(target.model)
