"""Short answers: what a prompt that asks for a label, a number or a yes gets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from llm_orchestrator.simulator.draw import Draw

_GOOD: Final = frozenset(
    "adore amazing awesome beautiful best better bought brilliant calm charming clean comfortable "
    "delicious delighted delightful easy enjoy enjoyed excellent fantastic fast fine fixed "
    "flawless fresh friendly fun generous glad good gorgeous grateful great happy helpful "
    "impressed impressive kind like liked lovely love loved nice perfect perfectly pleasant "
    "pleased proud quick quiet recommend refunded reliable satisfied smooth solid stunning "
    "super superb sweet tasty thank thanks useful welcoming wonderful worth yes".split()
)
_BAD: Final = frozenset(
    "angry annoying awful bad bland boring broke broken bug cancelled cold complaint confusing "
    "cracked crash crashed dead delay delayed dirty disappointed disappointing disappointment "
    "dreadful expensive fail failed fails failure fault faulty frustrating garbage hate hated "
    "horrible ignored ill impossible late leak leaking leaks lie lost mess miss missing never "
    "noisy overpriced poor queue refund regret ridiculous rotten rude sad scam slow smelly "
    "spoiled stale stolen stopped terrible ugly unhelpful unusable upset useless waste wasted "
    "weak worse worst wrong".split()
)
_NOT: Final = frozenset("not no never isn't wasn't don't didn't doesn't hardly without".split())

_WANTED = re.compile(
    r"\b(?:one[- ]word|single word|sentiment|classif\w+|categor\w+|label|respond with only|"
    r"reply with only|answer with (?:only|one)|yes or no|true or false|choose (?:one|from)|"
    r"pick one|one of)\b|\bis (?:this|it|the \w+) \w+,? (?:\w+,? )*or \w+\?",
    re.IGNORECASE,
)
_LIST = re.compile(
    r"(?:one of|either|labels?|categor(?:y|ies)|options?|choices?|choose from|only|as|into|is|this|"
    r"it|with)\b(?: the following| these| the labels| being)?\s*[:(]?\s*"
    r"((?:[\"'`]?[A-Za-z][\w-]*[\"'`]?\s*(?:,\s*(?:or\s+|and\s+)?|\s*/\s*|\s*\|\s*|\s+or\s+|"
    r"\s+and\s+))+[\"'`]?[A-Za-z][\w-]*[\"'`]?)",
    re.IGNORECASE,
)
_SUM = re.compile(r"(-?\d{1,9})\s*([-+*/x×])\s*(-?\d{1,9})(?!\d)")


def polarity(text: str) -> int:
    """Above 0 for praise, below 0 for a complaint, 0 when neither shows."""
    score, flip = 0, False
    for word in re.findall(r"[a-z']+", text.lower()):
        value = (word in _GOOD) - (word in _BAD)
        if value and flip:
            value = -value
        score += value
        flip = word in _NOT or (flip and not value and word in {"very", "so", "a", "the", "really"})
    return score


def asked(instructions: str) -> bool:
    """Whether the prompt wants a label rather than prose."""
    return bool(_WANTED.search(instructions))


def listed(instructions: str) -> list[str]:
    """The labels that a prompt names, in its own spelling."""
    for found in _LIST.findall(instructions):
        parts = re.split(r"\s*[,/|]\s*|\s+or\s+|\s+and\s+", found)
        labels = [re.sub(r"^(?:or|and)\s+", "", part).strip(" \"'`") for part in parts]
        labels = [label for label in dict.fromkeys(labels) if label]
        if len(labels) > 1:
            return labels
    return []


def choose(labels: Sequence[str], text: str, draw: Draw) -> str:
    """The label that suits the text: by mood, by the words it shares, else by a repeatable draw."""
    by_mood = _by_mood(labels, polarity(text))
    if by_mood:
        return by_mood
    words = set(re.findall(r"[a-z]{4,}", text.lower()))
    for label in labels:
        stem = re.sub(r"(ing|ed|es|s|y)$", "", label.lower())
        if len(stem) > 3 and any(word.startswith(stem) for word in words):
            return label
    return draw.pick(labels)


def _by_mood(labels: Sequence[str], mood: int) -> str:
    starts = {1: ("pos", "good", "happy"), -1: ("neg", "bad", "unhappy"), 0: ("neut", "mixed")}
    moods = {
        sign: label
        for sign, words in starts.items()
        for label in labels
        if label.lower().startswith(words)
    }
    if len(moods) < 2:
        return ""
    sign = (mood > 0) - (mood < 0)
    return moods.get(sign) or moods.get(1) or moods[-1]


def short(instructions: str, text: str, draw: Draw) -> str | None:
    """The short answer that the prompt asks for, or None when it asks for prose."""
    sums = _SUM.search(text or instructions)
    if sums and len(text) < 200:
        value = _compute(int(sums[1]), sums[2], int(sums[3]))
        if value is not None:
            return value
    if not asked(instructions):
        return None
    labels = listed(instructions)
    if labels:
        return choose(labels, text, draw)
    if "yes or no" in instructions.lower():
        return draw.pick(["Yes", "No"])
    if "true or false" in instructions.lower():
        return draw.pick(["True", "False"])
    return choose(["positive", "negative", "neutral"], text, draw)


def _compute(left: int, sign: str, right: int) -> str | None:
    if sign == "+":
        return str(left + right)
    if sign == "-":
        return str(left - right)
    if sign == "/":
        return str(left // right) if right and left % right == 0 else None
    return str(left * right)
