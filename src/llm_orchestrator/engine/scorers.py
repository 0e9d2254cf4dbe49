"""Scorers of prompts by name: ours, and those that plug-ins bring."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.routing.prior import Guess
from llm_orchestrator.routing.scored import Foresight, Scorer

if TYPE_CHECKING:
    from llm_orchestrator.engine.learning import Lesson, Skills
    from llm_orchestrator.routing.base import Offer

GROUP = "llm_orchestrator.scorers"
"""Entry points: a name to a `scored.Scorer`, a function of a prompt and its category."""
PRIOR = "prior"
SCORERS = (PRIOR, "complexity")
"""The names of our own scorers."""


def find(name: str) -> Scorer:
    """The scorer of that name but the prior; raises `InvalidRequestError` with near names."""
    if name == "complexity":
        from llm_orchestrator.routing.complexity import ComplexityAnalyzer

        return ComplexityAnalyzer.score
    found = _plugins()
    if name in found:
        return cast("Scorer", found[name].load())
    known = (*SCORERS, *found)
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    raise InvalidRequestError(f"scorer: there is no {name!r}; {hint}")


def foresight(name: str, skills: "Skills | None", lesson: "Lesson | None") -> Foresight:
    """What the scorer expects of two models; the prior may know nothing."""
    if name == PRIOR:
        return lambda weak, strong: _learned(skills, lesson, weak, strong)
    scorer = find(name)

    def foresee(weak: "Offer", strong: "Offer") -> Guess:
        del weak, strong
        assert lesson is not None  # noqa: S101 - it is taken wherever prompts are scored
        score = scorer(lesson.prompt, category=lesson.category)
        return Guess(float(score), known=True, why=f"by the scorer {name}")

    return foresee


def _learned(
    skills: "Skills | None", lesson: "Lesson | None", weak: "Offer", strong: "Offer"
) -> Guess:
    if skills is None or lesson is None:
        return Guess(0.0, known=False, why="routing.learn is off")
    return skills.prior(weak.name, strong.name).of(lesson.words, lesson.category)


def _plugins() -> Mapping[str, Any]:
    from importlib.metadata import entry_points  # slow to load, and few ask for it

    return {one.name: one for one in entry_points(group=GROUP)}
