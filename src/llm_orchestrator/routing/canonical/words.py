"""Answers in words: yes and no, short texts, and lists of short things."""

import re

from llm_orchestrator.routing.canonical.plain import characters

_YES = re.compile(r"\A(?:yes|yeah|yep|true|correct|affirmative)\b", re.IGNORECASE)
_NO = re.compile(
    r"\A(?:no|nope|false|incorrect|negative)\b(?!\s*(?:\.\s*\d|one\b|thing\b))", re.IGNORECASE
)
_ARTICLE = re.compile(r"\A(?:a|an|the)\s+(?=\S)")
_PUNCTUATION = re.compile(r"(?<!\d)[.,](?=\S)|[.,](?!\d)|[;:!?\"“”\u2018\u2019'`()\[\]…]+")
_HYPHEN = re.compile(r"(?<=\w)[-\u2010\u2011–](?=\w)")
_SPLIT = re.compile(
    r"\s*(?:,\s*(?:and|or)\s|,(?!\d{3}(?:\D|\Z))|;|\n|\s(?:and|or|&)\s)\s*", re.IGNORECASE
)
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+", re.MULTILINE)
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
_MONTH = r"[A-Za-z]{3,9}"
_DATE = re.compile(
    rf"(?:(?P<iso>\d{{4}}-\d\d-\d\d)"
    rf"|(?P<m1>{_MONTH})\.? (?P<d1>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y1>\d{{4}})"
    rf"|(?:the )?(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?\.?(?: of)?"
    rf" (?P<m2>{_MONTH})\.?,? (?P<y2>\d{{4}}))"
)
MOST_WORDS = 8


def boolean(text: str, *, alone: bool) -> str | None:
    """``yes`` or ``no``; with ``alone``, only when nothing else is said."""
    for pattern, meaning in ((_YES, "yes"), (_NO, "no")):
        found = pattern.match(text)
        if found is None:
            continue
        rest = text[found.end() :]
        if not rest.strip(" .!,"):
            return meaning
        # "Yes, because"; not "No one knows".
        if not alone and rest.lstrip(" *_")[:1] in {
            ",",
            ".",
            "!",
            ";",
            ":",
            "-",
            "—",
            "–",
            "\n",
            "(",
        }:
            return meaning
    return None


def text_key(text: str, most: int = MOST_WORDS) -> str | None:
    """A short text without case, articles and punctuation; ``None`` when it is empty or long."""
    text = characters(text).strip()
    if not text or len(text) > most * 12 or "\n" in text:
        return None
    key = _ARTICLE.sub("", " ".join(bare(text.casefold()).split()))
    return key if key and len(key.split()) <= most else None


def date_key(text: str) -> str | None:
    """A day that is written with its month in words, or as ISO 8601 has it: ``1776-07-04``."""
    found = _DATE.fullmatch(text.strip(" ."))
    if found is None:
        return None
    if found["iso"]:
        return found["iso"]
    said = (found["m1"] or found["m2"]).lower()
    month = next((at for at, name in enumerate(_MONTHS, 1) if name.startswith(said)), 0)
    day, year = int(found["d1"] or found["d2"]), int(found["y1"] or found["y2"])
    return f"{year:04d}-{month:02d}-{day:02d}" if month and 1 <= day <= 31 else None


def bare(text: str) -> str:
    """The text without the punctuation that says nothing."""
    return _PUNCTUATION.sub("", _HYPHEN.sub(" ", text)).replace(" & ", " and ")


def items(text: str) -> list[str] | None:
    """The things of a list in one line or with bullets; ``None`` when it is no list."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    if len(lines) >= 2 and all(_BULLET.match(line) for line in lines):
        return [_BULLET.sub("", line).strip() for line in lines]
    if len(lines) != 1:
        return None
    parts = [part.strip() for part in _SPLIT.split(text.strip())]
    parts = [part for part in parts if part]
    return parts if len(parts) >= 2 else None
