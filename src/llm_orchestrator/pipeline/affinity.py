"""Where the beginnings of prompts are cached, as replies tell it."""

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from llm_orchestrator.pipeline.attempt import Attempt
from llm_orchestrator.pipeline.guard import Guard
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request

_KEPT = 2000
_LIVES_S = 300.0
"""Providers keep a prompt for five minutes or more after its last use."""


class Affinity(Guard):
    """Remembers who has cached the beginning of which prompt, and how many tokens of it."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._warm: OrderedDict[tuple[str, int], tuple[float, int]] = OrderedDict()

    def leave(self, attempt: Attempt) -> None:
        """Note what the reply says was read from, or written to, the prompt cache."""
        usage = attempt.usage
        if usage is None or attempt.status != "ok":
            return
        cached = usage.cache_read_tokens + usage.cache_write_tokens
        if not cached:
            return
        key = attempt.candidate.name, _beginning(attempt.request)
        self._warm[key] = self._clock() + _LIVES_S, cached
        self._warm.move_to_end(key)
        if len(self._warm) > _KEPT:
            self._warm.popitem(last=False)

    def cached(self, request: Request, candidate: Candidate) -> int:
        """Tokens of the request that the candidate has probably cached; 0 is none."""
        if not self._warm:
            return 0
        until, tokens = self._warm.get((candidate.name, _beginning(request)), (0.0, 0))
        return tokens if until > self._clock() else 0


def _beginning(request: Request) -> int:
    """What prompts with the same cached beginning have in common: tools and the first turn."""
    first = request.messages[0]
    return hash((first.role, first.text, tuple(tool.name for tool in request.tools)))
