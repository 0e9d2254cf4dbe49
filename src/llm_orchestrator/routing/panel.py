"""The members of an ensemble as they answer: all under one cap, none of them indispensable."""

from collections.abc import Mapping, Sequence
from typing import Any

from llm_orchestrator.errors import BudgetError, OrchestratorError
from llm_orchestrator.routing.base import Answer, Ask, Decision, Offer, Step
from llm_orchestrator.routing.running import together
from llm_orchestrator.types.request import Request


class Panel:
    """Who was asked, what came, and who was left out."""

    def __init__(self, request: Request, ask: Ask) -> None:
        self.request = request
        self.ask = ask
        self.answers: list[Answer] = []
        self.steps: list[Step] = []
        self.notices: list[str] = []
        self.failed: dict[str, OrchestratorError] = {}
        self.refused: dict[str, BudgetError] = {}
        """Left out because the cap did not pay for them."""
        self._first: OrchestratorError | None = None

    async def hear(self, offers: Sequence[Offer]) -> None:
        """Asks them all at once; members that the cap refuses get a second chance at the end.

        While all of them are under way, each holds the most that it can cost; what they did not
        need may then pay for those that were refused.
        """
        refused = await self._round(offers)
        if refused and len(refused) < len(offers):
            for offer in refused:
                refused = await self._round([offer])
                if refused:
                    break
        for offer in offers:
            if offer.name in self.refused:
                why = str(self.refused[offer.name])
                self.steps.append(Step(name=offer.name, did="skipped", why=why))

    async def _round(self, offers: Sequence[Offer]) -> list[Offer]:
        asked = [(offer.candidate, self.request) for offer in offers]
        refused: list[Offer] = []
        for offer, found in zip(offers, await together(self.ask, asked), strict=True):
            if isinstance(found, Answer):
                self.refused.pop(offer.name, None)
                self.answers.append(found)
                step = Step(name=offer.name, did="answered", cost_pico=found.cost_pico)
                self.steps.append(step)
                continue
            self._first = self._first or found
            if isinstance(found, BudgetError):
                self.refused[offer.name] = found
                refused.append(offer)
            else:
                self.failed[offer.name] = found
                self.steps.append(Step(name=offer.name, did="failed", why=str(found)))
        return refused

    def check(self) -> None:
        """Raises the first member's error when nobody has answered."""
        if not self.answers:
            assert self._first is not None  # noqa: S101 - somebody was asked
            raise self._first

    @property
    def stopped(self) -> str:
        """What the cap left out; ``""`` when it paid for all that was wanted."""
        if not self.refused:
            return ""
        return f"the cap of the call does not pay for {', '.join(self.refused)}"

    @property
    def told(self) -> dict[str, Any]:
        """For records: who is missing and why."""
        return {
            "failed": [{"name": name, "why": str(why)} for name, why in self.failed.items()],
            "left_out": [{"name": name, "why": str(why)} for name, why in self.refused.items()],
        }


def decision(
    panel: Panel,
    answer: Answer,
    why: str,
    confidence: float | None,
    details: Mapping[str, object],
    stopped: str = "",
) -> Decision:
    """What a panel came to, with all that it was told."""
    return Decision(
        answer=answer,
        reason=why,
        confidence=confidence,
        stopped=stopped or panel.stopped,
        members=tuple(panel.answers),
        steps=tuple(panel.steps),
        notices=tuple(panel.notices),
        details={**details, **panel.told},
    )
