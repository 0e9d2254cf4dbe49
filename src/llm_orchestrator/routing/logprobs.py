"""How likely the model itself found the tokens of its answer, where the API tells."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from llm_orchestrator.routing.base import Offer
from llm_orchestrator.routing.signals import Case, Judgement, Stage
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request


class Logprobs:
    """The signal: the geometric mean of the probabilities of the answer's tokens."""

    name = "logprobs"

    async def __call__(self, case: Case) -> Judgement:
        """Costs nothing; cannot tell where the API gave no probabilities."""
        found = list(values((case.answer.response.extra or {}).get("logprobs")))
        if not found:
            return Judgement(confidence=None, why=f"{case.answer.name} gave no log probabilities")
        mean = math.exp(sum(found) / len(found))
        return Judgement(confidence=mean, why=f"mean probability of {len(found)} tokens")

    def prepare(self, request: Request, candidate: Candidate) -> Request:
        """Asks for them where the provider gives them, and the model does not think."""
        how = candidate.provider.quirks.logprobs
        thinks = candidate.model.abilities is not None and candidate.model.can("reasoning")
        if not how or thinks:
            return request
        extra = {"logprobs": True if how == "flag" else 1, **request.extra}
        return msgspec.structs.replace(request, extra=extra)

    def needs(self, stage: Stage) -> tuple[Offer, ...]:
        """Nobody."""
        del stage
        return ()


def values(told: Any) -> Iterator[float]:
    """The log probabilities in what an API tells of them, in any of their shapes."""
    if isinstance(told, Mapping):
        if isinstance(told.get("token_logprobs"), list):
            yield from _numbers(told["token_logprobs"])
            return
        for name in ("content", "chosenCandidates"):
            if isinstance(told.get(name), list):
                yield from values(told[name])
                return
        for name in ("logprob", "logProbability"):
            if name in told:
                yield from _numbers([told[name]])
                return
    elif isinstance(told, list):
        for one in told:
            yield from values(one) if isinstance(one, Mapping) else _numbers([one])


def _numbers(found: list[Any]) -> Iterator[float]:
    for one in found:
        if isinstance(one, int | float) and not isinstance(one, bool) and one <= 0:
            yield float(one)
