"""One plug-in of each kind: a strategy, a confidence signal, a scorer, a notifier, a provider."""

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.routing.base import Answer, Ask, Decision, Offer, Strategy
from llm_orchestrator.routing.signals import Case, Judgement, Stage
from llm_orchestrator.types.budget import Alert
from llm_orchestrator.types.provider import Provider
from llm_orchestrator.types.request import Request

ACME = Provider(
    name="acme",
    dialect="openai",
    base_url="https://api.acme.example/v1",
    key_env=("ACME_API_KEY",),
    default_model="acme-large",
    capability_words=("text", "streaming"),
)
"""A provider row; ``providers.acme.base_url`` in the configuration may send it elsewhere."""


def shortest(options: Mapping[str, Any]) -> Strategy:
    """A strategy: asks the two cheapest models at once and takes the shorter answer."""

    async def strategy(request: Request, offers: Sequence[Offer], ask: Ask) -> Decision:
        cheapest = sorted(offers, key=lambda offer: offer.expected_pico or 0)[:2]
        asked = [ask(offer.candidate, request) for offer in cheapest]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        answers = [one for one in outcomes if isinstance(one, Answer)]
        if not answers:
            raise next(one for one in outcomes if isinstance(one, OrchestratorError))
        best = min(answers, key=lambda answer: len(answer.text))
        reason = f"{best.name} took {len(best.text)} letters"
        return Decision(answer=best, reason=reason, members=tuple(answers))

    return strategy


class HasANumber:
    """A confidence signal: an answer with a number in it convinces."""

    name = "has_a_number"

    async def __call__(self, case: Case) -> Judgement:
        """Judge an answer; asks nobody."""
        found = re.search(r"\d", case.answer.text)
        return Judgement(confidence=1.0 if found else 0.0, why="it was looked for a number")

    def needs(self, stage: Stage) -> tuple[Offer, ...]:
        """Whom it asks to judge an answer: nobody."""
        return ()


def by_length(prompt: str, *, category: str | None = None) -> float:
    """A scorer: long prompts need the strong model more."""
    return min(1.0, len(prompt) / 4000)


def diary(alert: Alert) -> None:
    """A notifier: writes alerts of budgets into the file that ``ACME_DIARY`` names."""
    with Path(os.environ["ACME_DIARY"]).open("ab") as file:
        file.write(msgspec.json.encode(alert) + b"\n")
