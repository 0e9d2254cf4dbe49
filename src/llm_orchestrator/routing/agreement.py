"""Confidence by agreement: of models of different makers, or of one model with itself."""

from collections.abc import Mapping

import msgspec

from llm_orchestrator.errors import BudgetError, ClosedError, OrchestratorError
from llm_orchestrator.routing import said, weights
from llm_orchestrator.routing.base import Answer, Offer, Step
from llm_orchestrator.routing.judging import Judge
from llm_orchestrator.routing.learned import Learned
from llm_orchestrator.routing.makers import maker_of
from llm_orchestrator.routing.phrases import Phrases, fault
from llm_orchestrator.routing.running import together
from llm_orchestrator.routing.signals import Case, Judgement, Scorer, Stage
from llm_orchestrator.types.request import Request

_VARIED = 0.7
"""Temperature of further samples where the request asks for none that varies."""
UNCLEAR = 0.2
"""Confidence in an answer to a question for a number or a choice that names none."""
_MOST_SECONDS = 2
"""How many models are tried for a second opinion when they fail."""


class Agreement:
    """The signal: a second, cheap model of another maker says the same.

    Answers that are there already count; only where none of them is of another maker, one is
    asked. Where there is no other maker, the scorer tells, else the model is asked again (`k`
    answers in all). Answers that cannot be compared are judged by the model ``judge``; where none
    is named, by their words, which costs nothing and finds little but refusals and doubts.
    """

    name = "agreement"

    def __init__(
        self, *, k: int = 3, scorer: Scorer | None = None, judge: str | None = None
    ) -> None:
        self._scorer = scorer
        self._alone = Learned(scorer) if scorer is not None else SelfConsistency(k)
        self._open = Phrases() if judge is None else Judge(judge)

    async def __call__(self, case: Case) -> Judgement:
        """Costs at most one answer of the cheapest model of another maker."""
        if why := fault(case.answer):
            return Judgement(confidence=0.0, why=why)
        if said.form(case.request, case.answer) is None:
            return await self._not_comparable(case)
        answers = (*case.earlier, case.answer)
        mine = maker_of(case.answer.candidate)
        others = [
            one
            for one in case.earlier
            if maker_of(one.candidate) != mine and said.form(case.request, one) is not None
        ]
        if others or case.final:
            return self._judged(case, answers, ())
        seconds = _seconds(case.stage)
        if not seconds and all(maker_of(one.candidate) == mine for one in case.earlier):
            found = await self._alone(case)
            return _noted(found, f"{self._alone.name}: there is no model of another maker to ask")
        failed: list[Step] = []
        silent: tuple[Answer, ...] = ()
        for second in seconds[:_MOST_SECONDS]:
            try:
                asked = await case.ask(second.candidate, case.request)
            except (BudgetError, ClosedError):
                raise
            except OrchestratorError as error:
                failed.append(Step(name=second.name, did="failed", why=str(error)))
                continue
            if said.form(case.request, asked) is not None:
                given = (*silent, asked)
                return self._judged(case, (*answers, *given), given, tuple(failed))
            silent += (asked,)
        if silent or not seconds:
            # Those who were asked had nothing to say: what is known of the model has to do.
            return self._judged(case, (*answers, *silent), silent, tuple(failed))
        return Judgement(confidence=None, why="nobody gave a second opinion", steps=tuple(failed))

    async def _not_comparable(self, case: Case) -> Judgement:
        if said.definite(case.request):
            # Others will say what was asked for, and this answer did not.
            return Judgement(confidence=UNCLEAR, why="it does not say clearly what was asked for")
        if self._scorer is not None:
            found = await Learned(self._scorer)(case)
            if found.confidence is not None:
                return _noted(found, "learned: answers to this cannot be compared")
        found = await self._open(case)
        return _noted(found, f"{self._open.name}: answers to this cannot be compared")

    def _judged(
        self,
        case: Case,
        answers: tuple[Answer, ...],
        asked: tuple[Answer, ...],
        steps: tuple[Step, ...] = (),
    ) -> Judgement:
        found = said.opinions(case.request, answers, self._weights(case, answers))
        mine = found.of(case.answer)
        if not found.all or mine is None:
            return Judgement(confidence=None, why="nothing can be compared", asked=asked)
        # Where two others agree against this one, theirs is the answer.
        best = found.all[0] if found.all[0].confidence > mine.confidence else mine
        for answer in asked:
            did = "agreed" if any(answer is one for one in mine.answers) else "disagreed"
            steps += (
                Step(
                    name=answer.name,
                    did="answered" if found.of(answer) is None else did,
                    why=f"with {case.answer.name}, as a second opinion",
                    cost_pico=answer.cost_pico,
                ),
            )
        if len(best.answers) > 1:
            why = f"{' and '.join(best.names)} agree"
        else:
            why = f"{len(found.all)} different answers" if len(found.all) > 1 else "one answer"
        return Judgement(
            confidence=best.confidence,
            why=why,
            best=chosen(best, case.weights),
            asked=asked,
            steps=steps,
            details=found.told,
        )

    def _weights(self, case: Case, answers: tuple[Answer, ...]) -> Mapping[str, float]:
        if self._scorer is None:
            return case.weights
        made = dict(case.weights)
        for answer in answers:
            if (right := self._scorer(case.request, answer)) is not None:
                made[answer.name] = weights.weight(right)
        return made

    def needs(self, stage: Stage) -> tuple[Offer, ...]:
        """The second opinion, or what stands in for it; nobody where there is one already."""
        mine = maker_of(stage.offer.candidate)
        if any(maker_of(earlier.candidate) != mine for earlier in stage.earlier):
            return ()
        return tuple(_seconds(stage)[:1]) or self._alone.needs(stage)


def chosen(opinion: said.Opinion, weight: Mapping[str, float]) -> Answer:
    """Whose words are taken for what several say: the most trusted one's, else the first one's."""
    return max(opinion.answers, key=lambda answer: weight.get(answer.name, 0.0))


def _seconds(stage: Stage) -> list[Offer]:
    """Who may give a second opinion: other makers, members of the chain first, then by price."""
    mine = maker_of(stage.offer.candidate)
    return sorted(
        (other for other in stage.others if maker_of(other.candidate) != mine),
        key=lambda other: (
            other.spare,
            float("inf") if other.expected_pico is None else other.expected_pico,
        ),
    )


def _noted(found: Judgement, why: str) -> Judgement:
    return msgspec.structs.replace(found, notices=(*found.notices, f"confidence by {why}"))


class SelfConsistency:
    """The signal: the same model, asked again, says the same."""

    name = "self_consistency"

    def __init__(self, k: int = 3) -> None:
        self._k = k

    async def __call__(self, case: Case) -> Judgement:
        """Costs up to k - 1 more answers of the same model; fewer when they decide it."""
        if why := fault(case.answer):
            return Judgement(confidence=0.0, why=why)
        if case.final:
            return Judgement(
                confidence=None, why="nobody is left to turn to: it was not asked again"
            )
        if said.form(case.request, case.answer) is None:
            return Judgement(confidence=None, why="its answers cannot be compared")
        answers, tried = [case.answer], 0
        steps: list[Step] = []
        while wave := self._wave(case, answers, tried):
            samples = [varied(case.request, tried + at) for at in range(1, wave + 1)]
            asks = [(case.stage.offer.candidate, sample) for sample in samples]
            tried += wave
            for found in await together(case.ask, asks):
                if isinstance(found, BudgetError):
                    raise found
                if isinstance(found, Answer):
                    answers.append(found)
                steps.append(_step(case, found))
        if len(answers) == 1:
            why = "it gave no other answer to compare"
            return Judgement(confidence=None, why=why, steps=tuple(steps))
        opinions = said.opinions(case.request, answers)
        best = opinions.all[0]
        same = len(best.answers)
        return Judgement(
            confidence=_laplace(same, len(answers)),
            why=f"{same} of {len(answers)} answers of {case.stage.offer.name} agree",
            best=best.answers[0],
            steps=tuple(steps),
            details=opinions.told,
        )

    def _wave(self, case: Case, answers: list[Answer], tried: int) -> int:
        """How many samples to ask for at once: as few as are enough if they agree."""
        left = self._k - 1 - tried
        same, total = _agree(case.request, answers), len(answers)
        if total > 1 and _laplace(same, total) >= case.threshold:
            return 0
        for more in range(1, left + 1):
            if _laplace(same + more, total + more) >= case.threshold:
                return more
        return 0  # it cannot be enough any more

    def needs(self, stage: Stage) -> tuple[Offer, ...]:
        """The same model, k - 1 times."""
        return (stage.offer,) * (self._k - 1)


def _step(case: Case, found: Answer | OrchestratorError) -> Step:
    if isinstance(found, OrchestratorError):
        return Step(name=case.stage.offer.name, did="failed", why=str(found))
    return Step(
        name=found.name,
        did="agreed" if _agree(case.request, [case.answer, found]) == 2 else "disagreed",
        why="with its own answer, asked again",
        cost_pico=found.cost_pico,
    )


def _agree(request: Request, answers: list[Answer]) -> int:
    """How many answers are of the largest opinion."""
    found = said.opinions(request, answers)
    return max((len(one.answers) for one in found.all), default=0)


def _laplace(same: int, total: int) -> float:
    return (same + 1) / (total + 2)


def varied(request: Request, at: int) -> Request:
    """The request, so that another sample of its answer may differ."""
    changes: dict[str, object] = {}
    if request.temperature is not None and request.temperature < _VARIED:
        changes["temperature"] = _VARIED
    if request.seed is not None:
        changes["seed"] = request.seed + at
    return msgspec.structs.replace(request, **changes)
