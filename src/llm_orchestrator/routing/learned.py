"""The signal that a scorer gives, learned from the user's own records."""

from llm_orchestrator.routing.base import Offer
from llm_orchestrator.routing.phrases import fault
from llm_orchestrator.routing.signals import Case, Judgement, Scorer, Stage


class Learned:
    """How often answers to prompts like this one were right."""

    name = "learned"

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    async def __call__(self, case: Case) -> Judgement:
        """Costs nothing; cannot tell while the scorer knows too little."""
        if why := fault(case.answer):
            return Judgement(confidence=0.0, why=why)
        confidence = self._scorer(case.request, case.answer)
        if confidence is None:
            return Judgement(confidence=None, why="too little is on record to tell")
        return Judgement(confidence=min(max(confidence, 0.0), 1.0), why="learned from the records")

    def needs(self, stage: Stage) -> tuple[Offer, ...]:
        """Nobody."""
        del stage
        return ()
