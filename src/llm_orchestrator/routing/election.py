"""How a panel votes: who is asked when, whose answer wins, and what is told of it."""

from collections.abc import Mapping, Sequence

import msgspec

from llm_orchestrator.routing import said, voting, weights
from llm_orchestrator.routing.base import Answer, Decision, Offer, Step
from llm_orchestrator.routing.panel import Panel, decision
from llm_orchestrator.routing.phrases import fault


class Votes(msgspec.Struct, frozen=True, kw_only=True):
    """What a panel says, and what the word of each member weighs."""

    opinions: said.Opinions
    weights: Mapping[str, float]
    trust: Mapping[str, int]
    """The place of each member by weight, and by price where weights are equal; 0 is the last."""
    informed: bool
    """Whether anything is known of the members. Where nothing is, less than a majority does not
    overrule the dearest of them."""
    alone: Offer | None = None
    """The member that the others cannot outvote."""
    spared: tuple[Offer, ...] = ()
    """Who could not have changed the result."""

    @property
    def winner(self) -> said.Opinion:
        """The opinion that wins; there is at least one."""
        top = self.opinions.all[0]
        tied = [one for one in self.opinions.all if one.weight >= top.weight - 1e-9]
        total = sum(one.weight for one in self.opinions.all)
        if not self.informed and 2 * top.weight <= total + 1e-9:
            tied = list(self.opinions.all)
        # Among equals the most trusted member decides.
        return max(tied, key=lambda one: max(self.trust[name] for name in one.names))


async def hold(
    panel: Panel, members: Sequence[Offer], given: Mapping[str, float] | None, *, early: bool
) -> Votes:
    """Asks members in waves until those that are left cannot change who wins.

    ``given`` are weights that stand in for those made from the members' records. Raises the first
    member's error when nobody answers.
    """
    weigh = weights.of(members, given)
    informed = bool(given) or any(one.record and one.record.asked > 0 for one in members)
    alone = voting.dominant(members, weigh) if early else None
    waiting = list(members)
    found = said.Opinions(all=())
    while waiting:
        lead, *others = [one.weight for one in found.all] or [0.0]
        against = max(others, default=0.0) if informed else sum(others)
        wave = voting.next_wave(waiting, weigh, lead, against) if early else tuple(waiting)
        if not wave:
            break
        waiting = [one for one in waiting if one not in wave]
        await panel.hear(wave)
        found = said.opinions(panel.request, panel.answers, weigh)
        if all(one.name in panel.refused for one in wave) and panel.answers:
            break  # the cap is used up
    panel.check()
    for one in waiting:
        panel.steps.append(Step(name=one.name, did="skipped", why="it could not change the result"))
    ranked = sorted(members, key=lambda one: (weigh[one.name], one.expected_pico or 0))
    return Votes(
        opinions=found,
        weights=weigh,
        trust={one.name: place for place, one in enumerate(ranked)},
        informed=informed,
        alone=alone,
        spared=tuple(waiting),
    )


def elected(panel: Panel, votes: Votes) -> Decision:
    """The answer that won, and how; the most trusted member's where none can be compared."""
    told = votes.opinions.told | _told(panel, votes)
    if not votes.opinions.all:
        best = _most_trusted(panel.answers, votes.trust)
        why = f"no answers can be compared: {best.name} is the most trusted"
        return decision(panel, best, why, None, told)
    top = votes.winner
    for opinion in votes.opinions.all:
        for name in opinion.names:
            did = "agreed" if opinion is top else "disagreed"
            says = f"says {str(opinion.form)[:80]}"
            panel.steps.append(Step(name=name, did=did, why=says, confidence=opinion.confidence))
    best = _most_trusted(top.answers, votes.trust)
    told["dissent"] = [name for one in votes.opinions.all if one is not top for name in one.names]
    return decision(panel, best, _why(votes, top), top.confidence, told)


def _why(votes: Votes, top: said.Opinion) -> str:
    if votes.alone is not None and votes.alone.name in top.names:
        return f"{votes.alone.name} is better than the others together: no vote was needed"
    if len(votes.opinions.all) == 1:
        return f"{', '.join(top.names)} agree" if len(top.names) > 1 else "there is one answer"
    against = ", ".join(name for one in votes.opinions.all if one is not top for name in one.names)
    if top is not votes.opinions.all[0]:
        return f"no answer has a majority against {against}: the most trusted member decides"
    return f"{', '.join(top.names)} against {against}"


def _told(panel: Panel, votes: Votes) -> dict[str, object]:
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
