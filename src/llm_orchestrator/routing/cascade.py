"""Fallback by confidence: a chain of models, the cheap ones first, until an answer convinces."""

import math
from collections.abc import Sequence
from typing import Any

from llm_orchestrator.errors import (
    BudgetError,
    ClosedError,
    ContentFilterError,
    InvalidRequestError,
    OrchestratorError,
)
from llm_orchestrator.routing import said, weights
from llm_orchestrator.routing.base import Answer, Ask, Decision, Offer, Step, Strategy
from llm_orchestrator.routing.confidence import signal as find_signal
from llm_orchestrator.routing.phrases import fault
from llm_orchestrator.routing.plan import plan, stage
from llm_orchestrator.routing.signals import Case, Judgement, Preparing, Scorer, Signal
from llm_orchestrator.types.request import Request

THRESHOLD = 0.6


def fallback(
    *,
    confidence: str | Signal = "agreement",
    threshold: float = THRESHOLD,
    k: int = 3,
    scorer: Scorer | None = None,
    judge: str | None = None,
    planned: bool = True,
) -> Strategy:
    """Asks the offers in their order until an answer is at least as sure as ``threshold``.

    ``confidence`` is a signal or the name of one: agreement, self_consistency (of ``k`` answers),
    logprobs, judge (by the model ``judge``, else the cheapest that can), learned (by ``scorer``)
    or phrases. Offers marked ``spare`` give second opinions only. With ``planned``, a chain that
    will probably cost more than its last member alone is not begun: that one is asked at once.

    Raises `InvalidRequestError` for a threshold outside 0..1, an unknown signal, or one that lacks
    what it needs.
    """
    enough = check_threshold(threshold)
    signal = find_signal(confidence, k=k, scorer=scorer, judge=judge)

    async def strategy(request: Request, offers: Sequence[Offer], ask: Ask) -> Decision:
        chain = [offer for offer in offers if not offer.spare] or list(offers)
        spares = [offer for offer in offers if offer not in chain]
        ahead = plan(chain, spares, signal)
        if planned and len(chain) > 1 and not ahead.worth:
            run = _Run(request, list(reversed(chain)), [], ask, signal, enough)
            return await run.first(f"asked {chain[-1].name} at once: {ahead.why(chain[-1])}")
        return await _Run(request, chain, spares, ask, signal, enough).climb()

    return strategy


def check_threshold(threshold: Any) -> float:
    """The threshold; raises `InvalidRequestError` for one outside 0..1."""
    if (
        isinstance(threshold, bool)
        or not isinstance(threshold, int | float)
        or math.isnan(threshold)
        or not 0 <= threshold <= 1
    ):
        raise InvalidRequestError(f"threshold: expected a number from 0 to 1, got {threshold!r}")
    return float(threshold)


class _Run:
    """One request on its way through a chain."""

    def __init__(
        self,
        request: Request,
        chain: Sequence[Offer],
        spares: Sequence[Offer],
        ask: Ask,
        signal: Signal,
        threshold: float,
    ) -> None:
        self._request = request
        self._chain = chain
        self._spares = spares
        self._ask = ask
        self._signal = signal
        self._threshold = threshold
        self._weights = weights.of((*chain, *spares))
        self._answers: list[Answer] = []
        self._confidences: dict[int, float | None] = {}
        self._steps: list[Step] = []
        self._notices: list[str] = []
        self._details: dict[str, Any] = {}
        self._error: OrchestratorError | None = None
        self._stopped = ""

    async def first(self, why: str) -> Decision:
        """The first member that answers, unjudged."""
        for offer in self._chain:
            answer = await self._answer(offer)
            if answer is not None:
                self._notices.append(why)
                return self._decide(answer, why, None)
            if self._stopped:
                break
        raise self._failure()

    async def climb(self) -> Decision:
        """From member to member, until an answer convinces or nobody is left."""
        for at, offer in enumerate(self._chain):
            answer = self._given(offer) or await self._answer(offer)
            if answer is None:
                if self._stopped:
                    break
                continue
            judgement = await self._judge(at, answer)
            if judgement is None:
                break
            confidence = judgement.confidence
            best = judgement.best or answer
            self._confidences[id(best)] = confidence
            if confidence is not None and confidence >= self._threshold:
                return self._decide(
                    best, f"{judgement.why}: {confidence:.2f} is enough", confidence
                )
            if at == len(self._chain) - 1:
                return self._end(answer, judgement)
        if not self._answers:
            raise self._failure()
        if not self._stopped and self._error is not None:
            self._stopped = f"{self._chain[-1].name} failed"
        best, confidence = self._best()
        return self._decide(best, f"the best answer so far: {self._stopped}", confidence)

    def _given(self, offer: Offer) -> Answer | None:
        """What a member has answered already, as a second opinion."""
        return next((one for one in self._answers if one.name == offer.name), None)

    async def _answer(self, offer: Offer) -> Answer | None:
        """A member's answer; ``None`` where it failed, or where the call has to end."""
        try:
            answer = await self._ask(offer.candidate, self._asked(offer))
        except ClosedError:
            raise
        except OrchestratorError as error:
            self._error = self._error or error
            did = "skipped" if isinstance(error, BudgetError) else "failed"
            self._steps.append(Step(name=offer.name, did=did, why=str(error)))
            if isinstance(error, ContentFilterError):
                # A refusal of the provider is not routed around.
                self._stopped = f"{offer.name} refused the content"
            elif isinstance(error, BudgetError) and not self._cheaper_left(offer):
                self._stopped = "the cap of the call does not pay for more"
            return None
        self._answers.append(answer)
        self._steps.append(Step(name=offer.name, did="answered", cost_pico=answer.cost_pico))
        return answer

    def _asked(self, offer: Offer) -> Request:
        if isinstance(self._signal, Preparing):
            return self._signal.prepare(self._request, offer.candidate)
        return self._request

    def _cheaper_left(self, offer: Offer) -> bool:
        """Whether nothing was answered yet, and a later member may fit where this one did not."""
        later = self._chain[list(self._chain).index(offer) + 1 :]
        return not self._answers and any(
            one.most_pico is not None and offer.most_pico is not None
            and one.most_pico < offer.most_pico
            for one in later
        )  # fmt: skip

    async def _judge(self, at: int, answer: Answer) -> Judgement | None:
        """What the signal says; ``None`` when the cap ends the call here."""
        asked = list(dict.fromkeys(one.name for one in self._answers))
        case = Case(
            request=self._request,
            answer=answer,
            stage=stage(self._chain, self._spares, at, asked),
            earlier=tuple(one for one in self._answers if one is not answer),
            weights=self._weights,
            threshold=self._threshold,
            final=at == len(self._chain) - 1,
            ask=self._ask,
        )
        try:
            found = await self._signal(case)
        except BudgetError as error:
            self._error = self._error or error
            self._steps.append(Step(name=answer.name, did="skipped", why=f"not judged: {error}"))
            self._stopped = "the cap of the call does not pay for a second opinion"
            return None
        self._answers += found.asked
        self._steps += found.steps
        self._notices += [one for one in found.notices if one not in self._notices]
        self._details |= found.details
        last = self._steps[-1]
        if last.name == answer.name and last.did == "answered":
            self._steps[-1] = Step(
                name=last.name,
                did=last.did,
                why=found.why,
                confidence=found.confidence,
                cost_pico=last.cost_pico,
            )
        return found

    def _end(self, answer: Answer, judgement: Judgement) -> Decision:
        """The last member's answer, unless it is none."""
        usable = said.form(self._request, answer) is not None and not fault(answer)
        best, confidence = answer, judgement.confidence
        if judgement.best is not None and judgement.best is not answer:
            mine = said.opinions(self._request, self._answers, self._weights).of(answer)
            confidence = None if mine is None else mine.confidence
        if not usable:
            best, confidence = self._best()
        why = f"the chain ends with {answer.name}"
        if best is not answer:
            why += f", whose answer is of no use; {best.name} has the best before it"
        return self._decide(best, why, confidence)

    def _best(self) -> tuple[Answer, float | None]:
        """The best answer in hand: what most say, else the most trusted one's."""
        found = said.opinions(self._request, self._answers, self._weights)
        if found.all:
            top = found.all[0]
            answer = max(top.answers, key=lambda one: self._weights.get(one.name, 0.0))
            return answer, top.confidence
        sound = [one for one in self._answers if not fault(one)] or self._answers
        # Later members of a chain are the better ones.
        return sound[-1], None

    def _decide(self, answer: Answer, reason: str, confidence: float | None) -> Decision:
        told = {
            "threshold": self._threshold,
            "signal": self._signal.name,
            "all_confidences": [self._confidences.get(id(one)) for one in self._answers],
        }
        return Decision(
            answer=answer,
            reason=reason,
            confidence=confidence,
            stopped=self._stopped,
            members=tuple(self._answers),
            steps=tuple(self._steps),
            notices=tuple(self._notices),
            details={**self._details, **told},
        )

    def _failure(self) -> OrchestratorError:
        assert self._error is not None  # noqa: S101 - nobody answered, so somebody failed
        return self._error
