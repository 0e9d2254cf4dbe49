"""How often one model answers right, learned from labels: by category, and by the words.

The share of right answers in a category is that of its labels and of `_PRIOR` more that say what
all labels say: a Beta prior. Longer prompts are expected to be harder. A ridge over the words then
learns what is left, and another one learns from the words alone, for prompts without a category.
"""

from collections.abc import Mapping, Sequence
from math import log2, sqrt
from typing import Self
from zlib import compress, decompress, error

import msgspec

from llm_orchestrator.routing.pieces import BUCKETS, Pieces
from llm_orchestrator.routing.ridge import Rows

ENOUGH = 100
"""Labels below which nothing is known."""
_PRIOR = 50.0
"""Labels that the general share is worth within a category."""
_PENALTY = 30.0
"""Of the ridge: labels after which a word may say half of what they say."""
_LONGER = 0.2
"""How many more errors are expected of prompts that are twice as long, as a share."""
_FAR = 3.0
"""Doublings and halvings of the usual length that count."""
_COMMON = 256
"""Pieces that tell what prompts are like: mostly those of their format."""
_STRANGE = 0.01
"""The share of the labelled prompts that count as strange to the others."""
_VERSION = 1
_ZERO = 128


class Words(msgspec.Struct, frozen=True, gc=False):
    """What words say: a byte for each hash (0: never seen twice), times ``scale``."""

    table: bytes
    scale: float


class Estimate(msgspec.Struct, frozen=True, gc=False):
    """How likely a model is right. ``known`` is whether its labels say anything of the prompt."""

    right: float
    known: bool
    why: str


class Skill(msgspec.Struct, frozen=True, kw_only=True):
    """What the labels of one model say; `fit` makes it."""

    labels: int
    mean: float
    """The share of right answers."""
    length: float = 0.0
    """The mean of the prompts' sizes, in doublings."""
    categories: Mapping[str, tuple[int, float]] = {}
    """Labels of each category, and how many of them were right."""
    beside: Words | None = None
    """Words beside a category."""
    alone: Words | None = None
    """Words where no category is given."""
    common: Mapping[int, float] = {}
    """The commonest pieces, and how common they are."""
    like: float = 0.0
    """How near to them a prompt must be to be like the labelled ones."""
    familiar: float = 0.0
    """The share of its pieces that others must have had."""
    version: int = _VERSION

    def estimate(self, prompt: Pieces, category: str | None = None) -> Estimate:
        """How likely the model answers the prompt right; by its length where no more is known."""
        guess = self.mean - self._harder(prompt)
        if self.labels < ENOUGH:
            return Estimate(guess, known=False, why=f"{self.labels} of {ENOUGH} labels")
        why = f"learned from {self.labels} labels"
        if category is None:
            text, share = _said(self.alone, prompt)
            if share < self.familiar or _likeness(prompt, self.common) < self.like:
                return Estimate(guess, known=False, why="no labelled prompt is like this one")
            return Estimate(guess + text, known=True, why=why)
        tally = self.categories.get(category)
        if tally is None:
            return Estimate(guess, known=False, why=f"no label has the category {category}")
        text, _ = _said(self.beside, prompt)
        guess += _shrunk(tally, self.mean) - self.mean
        return Estimate(guess + text, known=True, why=why)

    def _harder(self, prompt: Pieces) -> float:
        """How much more often than usual it errs for the prompt's length."""
        longer = log2(prompt.total + 1) - self.length
        return _LONGER * (1 - self.mean) * max(-_FAR, min(_FAR, longer))

    def encode(self) -> bytes:
        """As bytes, at most a few hundred KB."""
        return compress(msgspec.msgpack.encode(self), 6)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """What `encode` made; raises `ValueError` for anything else, also of another version."""
        try:
            skill = msgspec.msgpack.decode(decompress(body), type=cls)
        except (error, msgspec.DecodeError) as fault:
            raise ValueError(f"this is nothing that was learned: {fault}") from fault
        tables = [words.table for words in (skill.beside, skill.alone) if words is not None]
        if skill.version != _VERSION or any(len(table) != BUCKETS for table in tables):
            raise ValueError("this was learned by another version")
        return skill

    @classmethod
    def fit(
        cls,
        prompts: Sequence[Pieces],
        categories: Sequence[str | None],
        right: Sequence[float],
        *,
        rows: Rows | None = None,
    ) -> Self:
        """Learn from labels: how right (0 to 1) the answer to each prompt was.

        ``rows`` are those of the same prompts, where another fit has made them (`prepare`).
        """
        labels, total = len(right), float(sum(right))
        length = sum(log2(prompt.total + 1) for prompt in prompts) / (labels or 1)
        if labels < ENOUGH:
            return cls(labels=labels, mean=(total + 1) / (labels + 2), length=length)
        start = cls(labels=labels, mean=total / labels, length=length)
        return start._with_words(prompts, categories, right, rows or prepare(prompts))

    def _with_words(
        self,
        prompts: Sequence[Pieces],
        categories: Sequence[str | None],
        right: Sequence[float],
        rows: Rows,
    ) -> Self:
        """What is left of the labels goes to categories and words."""
        tallies = _tallies(categories, right)
        left = [
            value - self.mean + self._harder(prompt)
            for value, prompt in zip(right, prompts, strict=True)
        ]
        beside = [
            value if name is None else value + self.mean - _shrunk(tallies[name], self.mean)
            for value, name in zip(left, categories, strict=True)
        ]
        common = _common(rows)
        return msgspec.structs.replace(
            self,
            categories=tallies,
            beside=_words(rows, beside),
            alone=_words(rows, left),
            common=common,
            like=_low([_likeness(prompt, common) for prompt in prompts]),
            familiar=_low(rows.shares),
        )


def prepare(prompts: Sequence[Pieces]) -> Rows:
    """The rows that `Skill.fit` learns from, for several fits over the same prompts."""
    return Rows([prompt.buckets for prompt in prompts])


def _shrunk(tally: tuple[int, float], mean: float) -> float:
    """The share of right answers in a category, of which few labels say little."""
    count, right = tally
    return (right + _PRIOR * mean) / (count + _PRIOR)


def _tallies(
    categories: Sequence[str | None], right: Sequence[float]
) -> dict[str, tuple[int, float]]:
    found: dict[str, tuple[int, float]] = {}
    for name, value in zip(categories, right, strict=True):
        if name is not None:
            count, total = found.get(name, (0, 0.0))
            found[name] = (count + 1, total + value)
    return found


def _said(words: Words | None, prompt: Pieces) -> tuple[float, float]:
    """What the words of a prompt say, and the share of them that were seen in training."""
    if words is None or not prompt.buckets:
        return 0.0, 0.0
    values = [*map(words.table.__getitem__, prompt.buckets)]
    seen = len(values) - values.count(0)
    said = (sum(values) - _ZERO * seen) * words.scale / sqrt(seen) if seen else 0.0
    return said, seen / len(values)


def _common(rows: Rows) -> dict[int, float]:
    """The commonest pieces and their shares of the prompts, scaled to length 1."""
    ranked = sorted(zip(rows.counts, rows.columns, strict=True), key=lambda one: (-one[0], one[1]))
    shares = {column: count / len(rows) for count, column in ranked[:_COMMON]}
    length = sqrt(sum(share * share for share in shares.values())) or 1.0
    return {column: share / length for column, share in shares.items()}


def _likeness(prompt: Pieces, common: Mapping[int, float]) -> float:
    """The cosine between a prompt and the commonest pieces of the labelled ones."""
    held = [common[bucket] for bucket in prompt.buckets if bucket in common]
    return sum(held) / sqrt(len(prompt.buckets) or 1)


def _low(values: Sequence[float]) -> float:
    """What all but the strangest of the labelled prompts reach."""
    return sorted(values)[int(len(values) * _STRANGE)]


def _words(rows: Rows, targets: Sequence[float]) -> Words:
    weights = rows.fit(targets, _PENALTY)
    scale = max(map(abs, weights), default=0.0) / (_ZERO - 1) or 1.0
    table = bytearray(BUCKETS)
    for column, weight in zip(rows.columns, weights, strict=True):
        table[column] = _ZERO + round(weight / scale)
    return Words(bytes(table), scale)
