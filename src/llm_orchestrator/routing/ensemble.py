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
from llm_orchestrator.routing import judging, said, scoring, voting
from llm_orchestrator.routing import weights as weighing
from llm_orchestrator.routing.base import Answer, Ask, Decision, Offer, Step, Strategy
from llm_orchestrator.routing.confidence import check_whole
from llm_orchestrator.routing.panel import Panel
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
        votes = await _hear(panel, members, weighing.of(members, given), early=True)
        if votes.decided:
            return _elected(panel, votes)
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
        votes = await _hear(panel, members, weighing.of(members, given), early=early)
        return _elected(panel, votes)

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
        return _decision(
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


class _Votes(msgspec.Struct, frozen=True, kw_only=True):
    """What a panel says, and what the word of each member weighs."""

    opinions: said.Opinions
    weights: Mapping[str, float]
    trust: Mapping[str, int]
    """The place of each member by weight, and by price where weights are equal; 0 is the last."""
    alone: Offer | None = None
    """The member that the others cannot outvote."""
    spared: tuple[Offer, ...] = ()
    """Who could not have changed the result."""

    @property
    def decided(self) -> bool:
        return bool(self.opinions.all)


async def _hear(
    panel: Panel, members: Sequence[Offer], weights: Mapping[str, float], *, early: bool
) -> _Votes:
    """Asks members in waves until those that are left cannot change who leads."""
    alone = voting.dominant(members, weights) if early else None
    waiting = list(members)
    found = said.Opinions(all=())
    while waiting:
        lead, second = ([*(one.weight for one in found.all[:2]), 0.0, 0.0])[:2]
        wave = voting.next_wave(waiting, weights, lead, second) if early else tuple(waiting)
        if not wave:
            break
        if alone in wave and not panel.answers and not panel.failed:
            wave = (alone,)
        waiting = [one for one in waiting if one not in wave]
        await panel.hear(wave)
        found = said.opinions(panel.request, panel.answers, weights)
        if wave and all(one.name in panel.refused for one in wave) and panel.answers:
            break  # the cap is used up
    panel.check()
    for one in waiting:
        panel.steps.append(Step(name=one.name, did="skipped", why="it could not change the result"))
    ranked = sorted(members, key=lambda one: (weights[one.name], one.expected_pico or 0))
    return _Votes(
        opinions=found,
        weights=weights,
        trust={one.name: place for place, one in enumerate(ranked)},
        alone=alone,
        spared=tuple(waiting),
    )


def _elected(panel: Panel, votes: _Votes) -> Decision:
    if not votes.decided:
        best = _most_trusted(panel.answers, votes.trust)
        why = f"no answers can be compared: {best.name} is the most trusted"
        return _decision(panel, best, why, None, votes.opinions.told | _of_votes(panel, votes))
    top = votes.opinions.all[0]
    # Among equals the most trusted member decides.
    tied = [one for one in votes.opinions.all if one.weight >= top.weight - 1e-9]
    top = max(tied, key=lambda one: max(votes.trust[name] for name in one.names))
    best = _most_trusted(top.answers, votes.trust)
    if votes.alone is not None and votes.alone.name in top.names:
        why = f"{votes.alone.name} is better than the others together: no vote was needed"
    elif len(votes.opinions.all) == 1:
        why = f"{', '.join(top.names)} agree" if len(top.names) > 1 else "there is one answer"
    else:
        others = ", ".join(
            name for one in votes.opinions.all if one is not top for name in one.names
        )
        why = f"{', '.join(top.names)} against {others}"
    for opinion in votes.opinions.all:
        for name in opinion.names:
            did = "agreed" if opinion is top else "disagreed"
            says = f"says {str(opinion.form)[:80]}"
            panel.steps.append(Step(name=name, did=did, why=says, confidence=opinion.confidence))
    told = votes.opinions.told | _of_votes(panel, votes)
    return _decision(panel, best, why, top.confidence, told)


def _of_votes(panel: Panel, votes: _Votes) -> dict[str, object]:
    confidences = [votes.opinions.of(answer) for answer in panel.answers]
    return {
        "weights": {name: round(value, 3) for name, value in votes.weights.items()},
        "equal": votes.alone is None,
        "spared": [one.name for one in votes.spared],
        "all_confidences": [None if one is None else one.confidence for one in confidences],
    }


def _most_trusted(answers: Sequence[Answer], trust: Mapping[str, int]) -> Answer:
    sound = [one for one in answers if not fault(one)] or answers
    return max(sound, key=lambda one: trust[one.name])


def _judge(offers: Sequence[Offer], members: Sequence[Offer], by: str | None) -> Offer:
    found = judging.choose(offers, members, by)
    return members[0] if found is None else found


async def _judged(panel: Panel, by: Offer, *, synthesise: bool) -> Decision:
    sound = [one for one in panel.answers if not fault(one)]
    if len(sound) <= 1:
        best = (sound or panel.answers)[0]
        return _decision(panel, best, f"only {best.name} gave an answer", None, {})
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
        return _decision(panel, best, f"{by.name} wrote an answer out of {len(sound)}", None, {})
    panel.steps.append(step)
    if isinstance(found, Answer):
        return _decision(panel, found, f"{by.name} picked the answer of {found.name}", None, {})
    return _unjudged(panel, sound, f"the verdict of {by.name} could not be read", stopped)


def _unjudged(panel: Panel, sound: Sequence[Answer], why: str, stopped: str) -> Decision:
    """Without a verdict: the best by the classic scoring, which needs nobody."""
    scores = scoring.scores([scoring.entry(one) for one in sound])
    best = sound[max(range(len(scores)), key=lambda at: scores[at].total)]
    panel.notices.append(f"{why}; {best.name} has the highest classic score")
    return _decision(panel, best, why, None, {}, stopped)


def _decision(
    panel: Panel,
    answer: Answer,
    why: str,
    confidence: float | None,
    details: Mapping[str, object],
    stopped: str = "",
) -> Decision:
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
