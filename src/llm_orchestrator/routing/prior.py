"""The learned prior: how much more often a strong model would be right than a weak one.

It is learned from the user's own labels, and says so where they say nothing. It is pure: what is
asked and what is learned comes from outside.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Self

import msgspec

from llm_orchestrator.routing.pieces import Pieces, pieces
from llm_orchestrator.routing.ridge import Rows
from llm_orchestrator.routing.skill import Skill, prepare

_HALF = 100
"""Words, digits and signs of a prompt that scores one half where there are no labels."""


class Guess(msgspec.Struct, frozen=True, gc=False):
    """What the prior says of a prompt."""

    score: float
    """How much more often the strong model is right, about -1 to 1. Where ``known`` is false, that
    is what all labels say, and a little more for a longer prompt."""
    known: bool
    """Whether labels say anything of such a prompt; else a cascade is the better way."""
    why: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt, and how right (0 to 1, or a truth) two models answered it; ``None`` is unknown.

    Raises `ValueError` for other numbers.
    """

    prompt: str
    category: str | None = None
    weak: float | bool | None = None
    strong: float | bool | None = None

    def __post_init__(self) -> None:
        for name, value in (("weak", self.weak), ("strong", self.strong)):
            if value is not None and not 0 <= value <= 1:  # which no NaN is
                raise ValueError(f"{name} must be from 0 (wrong) to 1 (right), not {value}")


class LearnedPrior:
    """Guesses which prompts need the strong one of two models; knows nothing until it learns."""

    def __init__(self, weak: Skill | None = None, strong: Skill | None = None) -> None:
        self.weak = weak
        self.strong = strong

    @property
    def labels(self) -> int:
        """Labels of the weak model, without which nothing is known."""
        return self.weak.labels if self.weak else 0

    def learn(self, records: Iterable[Record | Mapping[str, Any]]) -> Self:
        """Learn from records, anew; takes about 4 s for 10,000.

        Raises `ValueError`, with its number, for a record that is none.
        """
        read = [_record(one, number) for number, one in enumerate(records)]
        found = [pieces(one.prompt) for one in read]
        rows: dict[tuple[int, ...], Rows] = {}
        weak = _fit(found, read, [one.weak for one in read], rows)
        strong = _fit(found, read, [one.strong for one in read], rows)
        self.weak, self.strong = weak, strong
        return self

    def guess(self, prompt: str, category: str | None = None) -> Guess:
        """How much more often the strong model is right, and whether that is known."""
        return self.of(pieces(prompt), category)

    def of(self, found: Pieces, category: str | None = None) -> Guess:
        """`guess` for a prompt whose features are known."""
        weak, strong = self.weak, self.strong
        if weak is None:
            total = found.total
            why = "there are no labels of the weak model"
            return Guess(total / (total + _HALF), known=False, why=why)
        one = weak.estimate(found, category)
        # Without labels of the strong model, it could get right all that the weak one does not.
        other = 1.0 if strong is None else strong.estimate(found, category).right
        return Guess(other - one.right, known=one.known, why=one.why)

    def score(self, prompt: str, *, category: str | None = None) -> float:
        """The score of `guess`: higher needs the strong model more."""
        return self.guess(prompt, category).score

    __call__ = score

    def encode(self) -> bytes:
        """As bytes, at most half a megabyte."""
        parts = [None if one is None else one.encode() for one in (self.weak, self.strong)]
        return msgspec.msgpack.encode(parts)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """What `encode` made; raises `ValueError` for anything else, also of another version."""
        try:
            weak, strong = msgspec.msgpack.decode(body, type=tuple[bytes | None, bytes | None])
        except msgspec.DecodeError as fault:
            raise ValueError(f"this is nothing that was learned: {fault}") from fault
        return cls(
            None if weak is None else Skill.decode(weak),
            None if strong is None else Skill.decode(strong),
        )


def _record(one: Record | Mapping[str, Any], number: int) -> Record:
    try:
        return one if isinstance(one, Record) else msgspec.convert(one, Record)
    except msgspec.ValidationError as fault:
        raise ValueError(f"record {number}: {fault}") from None


def _fit(
    found: list[Pieces],
    records: list[Record],
    right: list[float | None],
    rows: dict[tuple[int, ...], Rows],
) -> Skill | None:
    """The skill of a model that answered some of the prompts; rows are shared by equal ones."""
    labels = [(number, float(value)) for number, value in enumerate(right) if value is not None]
    if not labels:
        return None
    chosen = tuple(number for number, _ in labels)
    prompts = [found[number] for number in chosen]
    if chosen not in rows:
        rows[chosen] = prepare(prompts)
    categories = [records[number].category for number in chosen]
    return Skill.fit(prompts, categories, [value for _, value in labels], rows=rows[chosen])
