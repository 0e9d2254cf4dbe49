"""One model of a chain, chosen by a score of the prompt; a cascade where nothing is known."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import msgspec

from llm_orchestrator.errors import ClosedError, ContentFilterError, OrchestratorError
from llm_orchestrator.routing.base import Answer, Ask, Decision, Offer, Step, Strategy
from llm_orchestrator.routing.prior import Guess
from llm_orchestrator.types.request import Request


class Scorer(Protocol):
    """Scores prompts: higher needs the strong model more."""

    def __call__(self, prompt: str, *, category: str | None = None) -> float:
        """The score of a prompt; ``category`` is of which kind it is, where that is known."""
        ...


Foresight: TypeAlias = Callable[[Offer, Offer], Guess]
"""What is expected of the strong one (second) beside the weak one (first) for this prompt."""


def scored(foresee: Foresight, *, gain: float, otherwise: Strategy) -> Strategy:
    """Asks the last offer where its score reaches ``gain``, and the first one where it does not.

    When that one fails, the others are asked in their order from there. Where the score is not
    known, ``otherwise`` decides.
    """

    async def strategy(request: Request, offers: Sequence[Offer], ask: Ask) -> Decision:
        chain = [offer for offer in offers if not offer.spare] or list(offers)
        guess = foresee(chain[0], chain[-1])
        if not guess.known:
            decision = await otherwise(request, offers, ask)
            return _noted(decision, f"no score of the prompt: {guess.why}")
        needed = guess.score >= gain
        told = f"score {guess.score:.2f}, {gain:g} {'is reached' if needed else 'is not reached'}"
        ranked = list(reversed(chain)) if needed else chain
        return await _first(request, ranked, ask, f"{told}; {guess.why}", guess)

    return strategy


async def _first(
    request: Request, chain: Sequence[Offer], ask: Ask, reason: str, guess: Guess
) -> Decision:
    """The first answer that comes."""
    failed: OrchestratorError | None = None
    steps: list[Step] = []
    for offer in chain:
        try:
            answer: Answer = await ask(offer.candidate, request)
        except (ClosedError, ContentFilterError):
            raise  # a refusal of the provider is not routed around
        except OrchestratorError as error:
            failed = failed or error
            steps.append(Step(name=offer.name, did="failed", why=str(error)))
            continue
        steps.append(Step(name=offer.name, did="answered", cost_pico=answer.cost_pico))
        return Decision(
            answer=answer,
            reason=reason,
            members=(answer,),
            steps=tuple(steps),
            details={"score": guess.score},
        )
    assert failed is not None  # noqa: S101 - a chain has members
    raise failed


def _noted(decision: Decision, notice: str) -> Decision:
    return msgspec.structs.replace(decision, notices=(notice, *decision.notices))
