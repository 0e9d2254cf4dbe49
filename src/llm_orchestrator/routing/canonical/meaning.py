"""The form of an answer that was found in a text."""

import re
from fractions import Fraction
from typing import Any

from llm_orchestrator.routing.canonical import (
    choices,
    documents,
    expression,
    numbers,
    plain,
    values,
    words,
)
from llm_orchestrator.routing.canonical.form import Canonical, shown
from llm_orchestrator.routing.canonical.question import Question

_BRACKETS = re.compile(r"\A([(\[{])(.*)([)\]}])\Z", re.DOTALL)
_SINGLE_NUMBER = re.compile(
    r"(?:US\$|[$€£¥₹])?\s?-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:\s?(?:%|percent\b))?"
    r"(?:\s?(?:thousand|million|billion|cents|hours?|minutes?|seconds?|days?|weeks?|months?|years?)\b)?"
)
_CLOSING = re.compile(
    r"(?:\b(?:is|was|are|were|be|equals?|costs?|totals?|scored|got|earns?|paid|pays|has|have)\b|=)"
    r"\s*((?:[$€£¥₹-]\s?)*\d[\d.,]*(?:/\d+)?(?:\s?%|\s[a-z]+(?: per [a-z]+)?)?)\Z"
)
_ANNOTATION = re.compile(r"<<[^<>]*>>")
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_ASSIGNED = re.compile(r"\A\s*[A-Za-z]\w{0,2}\s*(?:=|∈|\\in\b)\s*")
_LONGEST = 2000
"""Characters of what can be an answer and not an essay."""
_LONGEST_CLAUSE = 60  # words in which a lone number is the answer
_MOST_ITEMS = 40


def meaning_of(value: Any, question: Question, *, marked: bool = True) -> Canonical | None:
    """The form of a value out of JSON or of a text; ``None`` when it has none."""
    if isinstance(value, str):
        return _text(value, question, marked=marked)
    if value is None:
        return None
    if question.literal:
        key, quoted = values.literal(repr(value)) or ("", False)
        return Canonical(kind="literal", key=key, unit="str" if quoted else "", marked=marked)
    if isinstance(value, bool):
        return _boolean("yes" if value else "no")
    if isinstance(value, int | float):
        return (
            _number(numbers.Amount(Fraction(str(value)), places=None)) if _finite(value) else None
        )
    if isinstance(value, list) and len(value) == 1:
        return meaning_of(value[0], question, marked=marked)
    key_text = documents.key(documents.without_comments(value))
    return None if key_text is None else Canonical(kind="json", key=key_text, marked=marked)


def _finite(value: float) -> bool:
    return value == value and abs(value) < 1e300  # noqa: PLR0124 - NaN differs from itself


def _text(text: str, question: Question, *, marked: bool) -> Canonical | None:
    if question.literal:
        return _literal(text, marked=marked)
    if len(text) > _LONGEST:
        return None
    if question.options:
        letter = choices.named(plain.short(text), question)
        return None if letter is None else Canonical(kind="choice", key=letter, marked=marked)
    if (inner := _inner_answer(text)) is not None:
        text = inner
    bare = plain.short(text)
    if not bare:
        return None
    if said := words.boolean(bare, alone=not question.boolean):
        return _boolean(said, marked=marked)
    if day := words.date_key(bare):
        return Canonical(kind="text", key=day, marked=marked)
    return _plain_text(text, bare, question, marked=marked)


def _literal(text: str, *, marked: bool) -> Canonical | None:
    found = values.literal(plain.unwrapped(text))
    if found is None or len(found[0]) > _LONGEST:
        return None
    return Canonical(kind="literal", key=found[0], unit="str" if found[1] else "", marked=marked)


def _plain_text(text: str, bare: str, question: Question, *, marked: bool) -> Canonical | None:
    """A number, a list, a formula or a few words; ``bare`` is the text without its dress."""
    math = plain.short(plain.formula(bare))
    form = _amount(math, question, marked=marked)
    if not marked:
        # A sentence out of a text: only a number in it can be the answer.
        return form or _closing(math, text, question)
    if form is None:
        form = _several(math, bare, question, marked=marked) or _formula(math, marked=marked)
    if form is None and question.numeric:
        form = _lone_number(text, question)
    if form is None and (key := words.text_key(bare)) is not None:
        form = Canonical(kind="text", key=_answer_of(key, question), marked=marked)
    return form


def _inner_answer(text: str) -> str | None:
    """An answer that says "The answer is" once more."""
    if len(text) > 400:
        return None
    box = re.search(r"\\boxed\{(.*)\}", text, re.DOTALL)
    if box:
        return box[1]
    found = re.match(
        r"\s*(?:so |thus |hence |therefore,? )?the (?:final |correct )?answer is:?\s+",
        text,
        re.IGNORECASE,
    )
    return text[found.end() :] if found else None


def _boolean(said: str, *, marked: bool = True) -> Canonical:
    return Canonical(kind="boolean", key=said, marked=marked)


def _number(amount: numbers.Amount, *, marked: bool = True) -> Canonical:
    return Canonical(
        kind="number",
        key=shown(amount.value),
        unit=amount.unit,
        value=amount.value,
        places=amount.places,
        marked=marked,
    )


def _amount(text: str, question: Question, *, marked: bool) -> Canonical | None:
    found = numbers.amount(text, question)
    return None if found is None else _number(found, marked=marked)


def _formula(text: str, *, marked: bool) -> Canonical | None:
    """A closed form is a number; what has variables is an expression."""
    text = text.rstrip("°").strip()
    left, sign, right = text.rpartition("=")
    equation = sign and re.fullmatch(r"\s*[A-Za-z](?:_\w)?\s*(?:\([A-Za-z]\))?\s*", left) is None
    if sign and not equation:
        text = right
    if not re.search(r"[\d\\^*/+()]", text) or any(each in text for each in "<>≤≥≠=,;:"):
        return None
    found = expression.value(text)
    if found is None:
        return None
    value, variables = found
    if variables:
        key = f"{float(value):.9g}"
        return Canonical(kind="expression", key=key, marked=marked)
    return Canonical(kind="number", key=shown(value), value=value, marked=marked)


def _several(text: str, bare: str, question: Question, *, marked: bool) -> Canonical | None:
    """A list: of numbers, closed forms or short texts."""
    brackets = ""
    inner = _ASSIGNED.sub("", text)
    if found := _BRACKETS.match(inner):
        if found[2].count("(") == found[2].count(")") and found[1] + found[3] in {
            "()", "[]", "{}", "(]", "[)",
        }:  # fmt: skip
            brackets, inner = found[1] + found[3], found[2]
    else:
        inner = text
    if "," not in inner and brackets:
        return None  # (5) is 5
    parts = words.items(inner) if brackets or "\n" not in bare else words.items(bare)
    if parts is None or not 2 <= len(parts) <= _MOST_ITEMS:
        return None
    keys: list[str] = []
    for part in parts:
        part_text = _ASSIGNED.sub("", part.strip(" '\""))
        form = _amount(part_text, question, marked=True) or _formula(part_text, marked=True)
        key = str(form) if form else words.text_key(part_text, most=4)
        if not key:
            return None
        keys.append(key)
    if brackets in {"", "{}"} and not question.ordered:
        keys.sort()
    return Canonical(
        kind="list", key=" | ".join(keys), unit="" if brackets == "{}" else brackets, marked=marked
    )


def _lone_number(text: str, question: Question) -> Canonical | None:
    """The one number in a clause that answers a question for a number."""
    text = _ANNOTATION.sub("", plain.characters(text))
    for bold in reversed(_BOLD.findall(text)):
        if form := _amount(plain.short(plain.formula(bold)), question, marked=False):
            return form
    clause = plain.formula(text.replace("**", "").replace("$$", "$"))
    if len(clause.split()) > _LONGEST_CLAUSE:
        return None
    found = [each.strip() for each in _SINGLE_NUMBER.findall(clause)]
    if len(found) > 1 and "=" in clause:
        found = [each.strip() for each in _SINGLE_NUMBER.findall(clause.rpartition("=")[2])]
    if len(found) > 1:
        # "15 apples after 3 days": the 3 was in the question.
        given = set(map(_digits, _SINGLE_NUMBER.findall(question.text)))
        found = [each for each in found if _digits(each) not in given] or found
    if len(set(map(_digits, found))) > 1:
        return None
    return _amount(found[0], question, marked=False) if found else None


def _closing(math: str, text: str, question: Question) -> Canonical | None:
    found = _CLOSING.search(math)
    form = _amount(found[1], question, marked=False) if found else None
    return form or (_lone_number(text, question) if question.numeric else None)


def _digits(number: str) -> str:
    return re.sub(r"[^\d.]", "", number)


def _answer_of(key: str, question: Question) -> str:
    """``the capital of france is paris`` answers the question for it with ``paris``."""
    head, verb, tail = key.partition(" is ")
    if verb and tail and question.text:
        asked = set(words.bare(question.text.casefold()).split()) | {"the", "a", "an", "of", "it"}
        if set(head.split()) <= asked:
            return re.sub(r"\A(?:a|an|the) ", "", tail)
    return key
