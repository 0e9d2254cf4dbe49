"""Several models at once: a vote, a judge, or the classic scoring."""

import math
from collections.abc import Mapping, Sequence

import msgspec

from llm_orchestrator.errors import (
    BudgetError,
    ClosedError,
    InvalidRequestError,
    OrchestratorError,
)
from llm_orchestrator.routing import judging, scoring
from llm_orchestrator.routing.base import Answer, Ask, Decision, Offer, Step, Strategy
from llm_orchestrator.routing.confidence import check_whole
from llm_orchestrator.routing.election import elected, hold
from llm_orchestrator.routing.panel import Panel, decision
from llm_orchestrator.routing.phrases import fault
from llm_orchestrator.routing.scoring import synthesize_responses
from llm_orchestrator.types.request import Request

__all__ = ["SIZE", "auto", "classic", "judge", "synthesize_responses", "vote"]

SIZE = 3


def auto(
    *, size: int = SIZE, weights: Mapping[str, float] | None = None, judge: str | None = None
) -> Strategy:
    """`vote` where the answers can be compared, else `judge` over the answers there are."""
    most, given = check_whole("ensemble_size", size, least=1), check_weights(weights)

    async def strategy(request: Request, offers: Sequence[Offer], ask: Ask) -> Decision:
        panel, members = Panel(request, ask), _members(offers, most)
        judges = _judge(offers, members, judge)
        votes = await hold(panel, members, given, early=True)
        if votes.opinions.all:
            return elected(panel, votes)
        panel.notices.append("the answers cannot be compared, so that a model judges them")
        return await _judged(panel, judges, synthesise=request.schema is None)

    return strategy


def vote(
    *, size: int = SIZE, weights: Mapping[str, float] | None = None, early: bool = True
) -> Strategy:
    """The answer with the most weight behind it.

    ``weights`` (``provider/model`` -> weight) stand in for those made from the offers' records.
    With ``early``, members that cannot change the result are not asked; a member that the others
    together cannot outvote is asked alone.
    """
    most, given = check_whole("ensemble_size", size, least=1), check_weights(weights)

    async def strategy(request: Request, offers: Sequence[Offer], ask: Ask) -> Decision:
        panel, members = Panel(request, ask), _members(offers, most)
        return elected(panel, await hold(panel, members, given, early=early))

    return strategy


def judge(*, size: int = SIZE, by: str | None = None, synthesise: bool = True) -> Strategy:
    """A judge (``by``, else the cheapest that can) picks an answer or writes a better one."""
    most = check_whole("ensemble_size", size, least=1)

    async def strategy(request: Request, offers: Sequence[Offer], ask: Ask) -> Decision:
        panel, members = Panel(request, ask), _members(offers, most)
        judges = _judge(offers, members, by)
        await panel.hear(members)
        panel.check()
        # What has to follow a schema is picked, not rewritten.
        return await _judged(panel, judges, synthesise=synthesise and request.schema is None)

    return strategy


def classic(*, size: int = SIZE, levels: Mapping[str, int] | None = None) -> Strategy:
    """The classic scoring: 50 % confidence, 30 % level of the model (1 to 4), 20 % length.

    ``levels`` (``provider/model`` -> 1 to 4) stand in for those that the rule on names gives.
    """
    most = check_whole("ensemble_size", size, least=1)

    async def strategy(request: Request, offers: Sequence[Offer], ask: Ask) -> Decision:
        panel, members = Panel(request, ask), _members(offers, most)
        await panel.hear(members)
        panel.check()
        scores = scoring.scores(
            [scoring.entry(one, (levels or {}).get(one.name)) for one in panel.answers]
        )
        best = max(range(len(scores)), key=lambda at: scores[at].total)
        return decision(
            panel,
            panel.answers[best],
            f"{panel.answers[best].name} has the highest classic score",
            scores[best].confidence,
            {
                "all_confidences": [one.confidence for one in scores],
                "scores": [round(one.total, 6) for one in scores],
                "agreement": scores[best].consensus,
            },
        )

    return strategy


def check_weights(weights: Mapping[str, float] | None) -> Mapping[str, float] | None:
    """The weights; raises `InvalidRequestError` for one that is negative or no number."""
    for name, value in (weights or {}).items():
        if isinstance(value, bool) or not math.isfinite(value) or value < 0:
            raise InvalidRequestError(f"weights: {name} has {value!r}; expected 0 or more")
    return weights


def _members(offers: Sequence[Offer], size: int) -> list[Offer]:
    members = [offer for offer in offers if not offer.spare] or list(offers)
    return members[:size]


def _judge(offers: Sequence[Offer], members: Sequence[Offer], by: str | None) -> Offer:
    found = judging.choose(offers, members, by)
    return members[0] if found is None else found


async def _judged(panel: Panel, by: Offer, *, synthesise: bool) -> Decision:
    sound = [one for one in panel.answers if not fault(one)]
    if len(sound) <= 1:
        best = (sound or panel.answers)[0]
        return decision(panel, best, f"only {best.name} gave an answer", None, {})
    listed = judging.shuffled(sound)
    asked = judging.choice_request(panel.request, listed, synthesise=synthesise)
    stopped = ""
    try:
        verdict = await panel.ask(by.candidate, asked)
    except ClosedError:
        raise
    except OrchestratorError as error:
        if isinstance(error, BudgetError):
            stopped = f"the cap of the call does not pay for the judge {by.name}"
        panel.steps.append(Step(name=by.name, did="failed", why=str(error)))
        return _unjudged(panel, sound, f"the judge {by.name} failed", stopped)
    found = judging.read_choice(verdict.text, listed)
    step = Step(name=by.name, did="judged", cost_pico=verdict.cost_pico)
    if isinstance(found, str) and synthesise and verdict.response.finish_reason != "length":
        panel.steps.append(msgspec.structs.replace(step, did="wrote"))
        best = judging.rewritten(verdict, found)
        panel.answers.append(best)
        return decision(panel, best, f"{by.name} wrote an answer out of {len(sound)}", None, {})
    panel.steps.append(step)
    if isinstance(found, Answer):
        return decision(panel, found, f"{by.name} picked the answer of {found.name}", None, {})
    return _unjudged(panel, sound, f"the verdict of {by.name} could not be read", stopped)


def _unjudged(panel: Panel, sound: Sequence[Answer], why: str, stopped: str) -> Decision:
    """Without a verdict: the best by the classic scoring, which needs nobody."""
    scores = scoring.scores([scoring.entry(one) for one in sound])
    best = sound[max(range(len(scores)), key=lambda at: scores[at].total)]
    panel.notices.append(f"{why}; {best.name} has the highest classic score")
    return decision(panel, best, why, None, {}, stopped)
