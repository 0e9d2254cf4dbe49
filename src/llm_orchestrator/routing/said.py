"""What answers to a request say, and how they agree."""

import math
from collections.abc import Mapping, Sequence

import msgspec

from llm_orchestrator.routing.base import Answer
from llm_orchestrator.routing.canonical import Canonical, canonical, sets
from llm_orchestrator.routing.canonical.documents import key as json_key
from llm_orchestrator.routing.canonical.question import read
from llm_orchestrator.routing.weights import USUAL, weight
from llm_orchestrator.types.request import Request, ToolCall

_USUAL_WEIGHT = weight(USUAL)


def question(request: Request) -> str:
    """The last thing that the user said."""
    for message in reversed(request.messages):
        if message.role == "user" and message.text.strip():
            return message.text
    return ""


def definite(request: Request) -> bool:
    """Whether answers to a request can be compared, by the way in which it is asked."""
    return request.schema is not None or read(question(request)).definite


def form(request: Request, answer: Answer) -> Canonical | None:
    """What an answer says, as it can be compared; ``None`` when it cannot."""
    response = answer.response
    calls = [part for part in response.parts if isinstance(part, ToolCall)]
    if calls:
        # Which tools with which arguments; the order in which they are called is no difference.
        keys = sorted(f"{call.name}({_arguments(call.arguments)})" for call in calls)
        return Canonical(kind="json", key="; ".join(keys))
    return canonical(
        response.text,
        prompt=question(request),
        schema=None if request.schema is None else request.schema.schema,
        whole=response.finish_reason != "length",
    )


def _arguments(text: str) -> str:
    try:
        return json_key(msgspec.json.decode(text or "{}")) or text
    except msgspec.DecodeError:
        return text


class Opinion(msgspec.Struct, frozen=True):
    """Answers that say the same."""

    answers: tuple[Answer, ...]
    form: Canonical
    weight: float
    confidence: float
    """That it is right, with all that was said for and against it: from 0 to 1."""

    @property
    def names(self) -> tuple[str, ...]:
        """Who says so."""
        return tuple(answer.name for answer in self.answers)


class Opinions(msgspec.Struct, frozen=True):
    """All that was said, the weightiest first."""

    all: tuple[Opinion, ...]
    silent: tuple[Answer, ...] = ()
    """Answers that cannot be compared."""

    def of(self, answer: Answer) -> Opinion | None:
        """The opinion that an answer is."""
        return next((one for one in self.all if any(answer is each for each in one.answers)), None)

    @property
    def told(self) -> dict[str, object]:
        """For records: how many agree, and who says what."""
        total = sum(len(one.answers) for one in self.all) + len(self.silent)
        best = self.all[0] if self.all else None
        return {
            "agreement": len(best.answers) / total if best and total else None,
            "opinions": [
                {"says": str(one.form)[:200], "by": list(one.names), "weight": round(one.weight, 3)}
                for one in self.all
            ],
            "dissent": [name for one in self.all[1:] for name in one.names],
            "not_comparable": [answer.name for answer in self.silent],
        }


def opinions(
    request: Request, answers: Sequence[Answer], weights: Mapping[str, float] | None = None
) -> Opinions:
    """Who says the same as whom, and how sure one may be of it.

    The confidence is that of a vote among models that err on their own: a model alone is trusted as
    far as its weight goes, each that agrees adds its weight, each other opinion takes some away.
    An answer that cannot be compared says nothing for or against.
    """
    weights = weights or {}
    forms = [form(request, answer) for answer in answers]
    groups = [
        (group, sum(weights.get(answers[at].name, _USUAL_WEIGHT) for at in group))
        for group in sets(forms)
    ]
    silent = tuple(answer for answer, said in zip(answers, forms, strict=True) if said is None)
    # Beside what was said, something that nobody said may be right: weight 0.
    total = 1.0 + sum(math.exp(total_weight) for _, total_weight in groups)
    made: list[Opinion] = []
    for group, total_weight in sorted(groups, key=lambda pair: -pair[1]):
        said = forms[group[0]]
        assert said is not None  # noqa: S101 - for the type checker: sets leaves them out
        made.append(
            Opinion(
                answers=tuple(answers[at] for at in group),
                form=said,
                weight=total_weight,
                confidence=math.exp(total_weight) / total,
            )
        )
    return Opinions(all=tuple(made), silent=silent)
