"""Numbers as people and models write them: 1,234.50 · 3/4 · 1.5e3 · $5 · 20 % · 5 km · twelve."""

import re
from fractions import Fraction

import msgspec

from llm_orchestrator.routing.canonical import units
from llm_orchestrator.routing.canonical.question import Question

_DECIMAL = (
    r"\d{1,3}(?:,\d{3})+(?:\.\d+)?"
    r"|\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?"  # Indian: 1,00,000
    r"|\d{1,3}(?:\.\d{3})+,\d+"  # European, where both signs show it: 1.234,5
    r"|\d{1,3}(?:['_ ]\d{3})+(?:\.\d+)?(?!\d)"
    r"|\d+(?:\.\d*)?|\.\d+"
)
_FRACTION = (
    r"\\frac\s*(?:\{\s*(-?\d+)\s*\}|(\d))\s*(?:\{\s*(\d+)\s*\}|(\d))|(\d+)\s*/\s*(\d+)(?![\d.])"
)
_AMOUNT = re.compile(
    rf"(?P<sign>[-+–]|minus\s|negative\s)?\s*(?P<before>{units.CURRENCY})?\s*"
    rf"(?P<sign2>[-–])?\s*(?:(?P<whole>\d+)(?:\s+|(?=\\)|\s*-\s*(?=\d+/\d))(?=\\frac|\d+\s*/))?"
    rf"(?:(?P<fraction>{_FRACTION})|(?P<decimal>{_DECIMAL}))"
    r"(?P<exponent>[eE][-+]?\d{1,3}(?![\w.])|\s*[*x]\s*10\s*(?:\^|\*\*)\s*[{(]?\s*([-+]?\d{1,3})\s*[})]?)?",
    re.IGNORECASE,
)
_BARE_POWER = re.compile(r"(-?)\s*10\s*(?:\^|\*\*)\s*[{(]?\s*([-+]?\d{1,3})\s*[})]?\Z")
_SCALE = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12, "lakh": 5, "crore": 7}
_MONEY_SCALE = {"k": 3, "m": 6, "mn": 6, "bn": 9, "b": 9, "tn": 12}
_SCALED = re.compile(
    r"\s*(thousand|million|billion|trillion|lakh|crore|bn|mn|tn|[kmb])\b", re.IGNORECASE
)
_QUALIFIER = re.compile(
    r"\A(?:(?:approximately|approx\.?|about|around|roughly|nearly|exactly|precisely|only|just|a"
    r" total of|total of|equal to|equals)\s+|[≈~=]\s*)+",
    re.IGNORECASE,
)
_LEFT_SIDE = re.compile(r"[\w)}\]][^<>!=≠≤≥]*\Z")
_SECOND = re.compile(r"\b(?:or|and)\b|[,;]", re.IGNORECASE)
_ASIDE = re.compile(r"\s*\((?:[^()]|\([^()]*\))*\)\s*\Z")
_AND = re.compile(r"\s*(?:,\s*(?:and\s)?|\band\b)?\s+(?=\d)", re.IGNORECASE)
_ORDINAL = re.compile(r"\A(?:st|nd|rd|th)\b")
_UNIT_WORDS = re.compile(r"[^\W\d]+(?:[ ./*^-]*[^\W\d]+){0,4}(?:\^\{?-?\d\}?)?\Z")
_WORDS = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
        " fifteen sixteen seventeen eighteen nineteen".split()
    )
} | {word: 20 + 10 * at for at, word in enumerate(
    "twenty thirty forty fifty sixty seventy eighty ninety".split())}  # fmt: skip
_BIG = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}


class Amount(msgspec.Struct, frozen=True):
    """A number with its unit."""

    value: Fraction
    unit: str = ""
    places: int | None = None


def amount(text: str, question: Question) -> Amount | None:
    """The number that a text is, all of it; ``None`` when it is none, or more than one."""
    text = _right_side(_QUALIFIER.sub("", text.strip()))
    if not text or len(text) > 120:
        return None
    if (parts := _compound(text, question)) is not None:
        return parts
    if bare := _BARE_POWER.match(text):
        return Amount(Fraction(10) ** int(bare[2]) * (-1 if bare[1] else 1))
    found = _AMOUNT.match(text)
    if found is None:
        return spelled(text, question)
    rest = text[found.end() :]
    value, places = _value(found)
    if value is None:
        return None
    if scaled := _SCALED.match(rest):
        word = scaled[1].lower()
        power = _SCALE.get(word) or (_MONEY_SCALE[word] if found["before"] else 0)
        if power:
            value, rest, places = value * 10**power, rest[scaled.end() :], None
    return _with_unit(value, places, found["before"] or "", rest, question)


def _compound(text: str, question: Question) -> Amount | None:
    """``2 hours and 30 minutes``: parts of one kind, as many of the first unit."""
    parts = _AND.split(text)
    if not 2 <= len(parts) <= 3 or not all(part[-1:].isalpha() for part in parts):
        return None
    total = Fraction(0)
    first = ""
    for part in parts:
        one = amount(part, question)
        first = first or (one.unit if one else "")
        if one is None or not one.unit:
            return None
        if (factors := units.factors(one.unit, first)) is None:
            return None
        total += one.value * factors[0] / factors[1]
    return Amount(total, first)


def _right_side(text: str) -> str:
    """What stands behind the last sign of equality: ``x = 5`` says 5."""
    left, sign, right = text.rpartition("=")
    if sign and _LEFT_SIDE.search(left) and not _SECOND.search(left):
        return _QUALIFIER.sub("", right.strip())
    return text


def _value(found: re.Match[str]) -> tuple[Fraction | None, int | None]:
    places: int | None = None
    if found["fraction"]:
        groups: list[str] = re.findall(r"-?\d+", found["fraction"])
        if len(groups) == 1:  # \frac12
            groups = [groups[0][:-1], groups[0][-1]]
        if int(groups[1]) == 0:
            return None, None
        value = Fraction(int(groups[0]), int(groups[1]))
        if found["whole"]:
            value += int(found["whole"])
    elif found["whole"]:
        return None, None
    else:
        digits = found["decimal"]
        if re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+", digits):
            digits = digits.replace(".", "").replace(",", ".")
        digits = re.sub(r"[,'_ ]", "", digits)
        value = Fraction(digits.removesuffix("."))
        places = len(digits.partition(".")[2])
    if exponent := found["exponent"]:
        power = int(re.findall(r"[-+]?\d+", exponent)[-1])
        value *= Fraction(10) ** power
        places = None if places is None else max(0, places - power)
    negative = bool(found["sign"] and found["sign"].strip() != "+") != bool(found["sign2"])
    return (-value if negative else value), places


def _with_unit(
    value: Fraction, places: int | None, before: str, rest: str, question: Question
) -> Amount | None:
    rest = _ORDINAL.sub("", rest.strip()) if places == 0 else rest.strip()
    if rest[:1] == "%" or re.match(r"per\s?cents?\b(?!age)", rest, re.IGNORECASE):
        if re.sub(r"\A(?:%|per\s?cents?)", "", rest, flags=re.IGNORECASE).strip(
            " .)"
        ) and not _noun(rest):
            return None
        if question.percent:
            return Amount(value, places=places)
        return Amount(value / 100, places=None if places is None else places + 2)
    rest = _ASIDE.sub("", rest).strip(" .")
    if not rest:
        return Amount(value, units.known(before) or "" if before else "", places)
    if unit := units.known(rest):
        return Amount(value, unit, places) if not before else _money(value, before, unit, places)
    if rest.startswith(("/", "*", "^")) or not _UNIT_WORDS.match(rest):
        return None
    if before:
        # "$5 per hour", "$5 in total": the currency is the unit.
        return Amount(value, units.known(before) or "", places)
    first = units.known(rest.split()[0])
    if first is not None:
        if per := re.search(r"\s(?:per|each|every|an?)\s+(\w+)\Z", rest):
            return Amount(value, f"{first}/{_singular(per[1])}", places)
        return Amount(value, first if _noun(rest) else rest.lower(), places)
    if "/" in rest or "^" in rest:
        return Amount(value, rest.replace(" ", ""), places)
    return Amount(value, "" if question.numeric else _singular(rest), places)


def _money(value: Fraction, before: str, unit: str, places: int | None) -> Amount | None:
    """``$5 USD`` is fine, ``$5 km`` is not an amount."""
    name = units.known(before)
    return Amount(value, unit, places) if unit == name else None


def _noun(rest: str) -> bool:
    """Whether words behind a unit only say of what: not another unit or rate."""
    return not re.search(r"[/^*]|\b(?:per|each|every|an?|and|or)\b", rest, re.IGNORECASE)


def _singular(noun: str) -> str:
    words = noun.lower().split()
    last = words[-1]
    if last.endswith("s") and not last.endswith("ss") and len(last) > 3:
        words[-1] = last[:-1]
    return " ".join(words)


def spelled(text: str, question: Question) -> Amount | None:
    """A number in English words, with its unit behind it."""
    tokens = re.findall(r"[a-z]+|\S", text.lower().replace("-", " "))
    total = part = used = 0
    for token in tokens:
        if token in _WORDS:
            part += _WORDS[token]
        elif token in _BIG and used:
            if token == "hundred":
                part *= 100
            else:
                total, part = total + part * _BIG[token], 0
        elif not (token == "and" and used and part % 100 == 0):
            break
        used += 1
    if not used or len(tokens) - used > 4 or tokens[used - 1] == "and":
        return None
    rest = " ".join(tokens[used:])
    if tokens[0] == "one" and rest:
        return None  # "one of them"
    return _with_unit(Fraction(total + part), 0, "", rest, question)
