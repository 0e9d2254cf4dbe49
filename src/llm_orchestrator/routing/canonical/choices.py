"""Which of the offered options an answer names."""

import re
from collections.abc import Mapping

from llm_orchestrator.routing.canonical import plain, words
from llm_orchestrator.routing.canonical.question import Question

_LEAD = re.compile(
    r"\A(?:(?:the\s+)?(?:correct\s+|best\s+|right\s+)?"
    r"(?:option|choice|answer|letter)\s*(?:is\s*)?[:#]?\s*)+",
    re.IGNORECASE,
)
_LETTER = re.compile(r"\A[(\[\"'*_ ]*([A-Za-z])[)\]\"'*_ ]*(?:\Z|[).:,;—–-]\s*|\n)")
_BRACKETED = re.compile(r"\A[*_ ]*[(\[]([A-Za-z])[)\]]")
_IN_BRACKETS = re.compile(r"(?<!\w)\(([A-Z])\)")
_LIST = re.compile(r"\A[(\[]?([A-Z])[)\]]?(?:(?:\s*(?:,|and|&|/|\+)\s*)+[(\[]?([A-Z])[)\]]?)+\Z")
_SAID = re.compile(
    r"(?:\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer)\s+|\A\s*|\*\*)[(\[]?([A-Z])[)\]]?(?:\*\*)?"
    r"\s+(?:is|would be|seems)\s+(?:the\s+)?"
    r"(?:most\s+)?(?:correct|right|best|appropriate|accurate|likely)",
)


def named(text: str, question: Question) -> str | None:
    """The letter (or letters, ``A,C``) of the options that a short answer names."""
    text = _LEAD.sub("", plain.formula(text).strip()).strip()
    if not text:
        return None
    options = question.options
    if _LIST.match(text):
        letters = sorted(set(re.findall(r"[A-Z]", text)))
        return ",".join(letters) if all(letter in options for letter in letters) else None
    found = _LETTER.match(text) or _BRACKETED.match(text)
    if found and found[1].upper() in options and _fits(found, text):
        letter = found[1].upper()
        rest = text[found.end() :].strip()
        other = _by_text(rest, options) if rest else None
        # "B. Paris" where Paris is C: nobody knows what was meant.
        return letter if other in {None, letter} else None
    return _by_text(text, options)


def _fits(found: re.Match[str], text: str) -> bool:
    """Whether a letter stands for an option: a small one only in brackets or alone."""
    return found[1].isupper() or len(text) <= 3 or text[0] in "(["


def said(text: str, question: Question) -> str | None:
    """The letter that a longer text names at its end, without saying "answer"."""
    if found := list(_SAID.finditer(text)):
        letter = found[-1][1]
        return letter if letter in question.options else None
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    for line in (*lines[:-4:-1], *lines[:1]):
        bare = plain.short(line)
        if re.match(r"\A[(\[]?[A-Z](?:[)\].:]|\Z)", bare) and (letter := named(bare, question)):
            alone = len(bare) <= 4 or _by_text(bare[2:].lstrip("). "), question.options)
            if alone or line in {lines[0], lines[-1]}:
                return letter
    bracketed = set(_IN_BRACKETS.findall(" ".join(lines[-1:])))
    letter = bracketed.pop() if len(bracketed) == 1 else ""
    return letter if letter in question.options else None


def _by_text(text: str, options: Mapping[str, str]) -> str | None:
    key = _key(text)
    if not key:
        return None
    found = [letter for letter, option in options.items() if _key(option) == key]
    return found[0] if len(found) == 1 else None


def _key(text: str) -> str:
    """Option texts may be long: no limit here, they are compared with each other only."""
    text = plain.formula(plain.short(text)).casefold()
    return re.sub(r"\A(?:a|an|the) ", "", " ".join(words.bare(text).split()))
