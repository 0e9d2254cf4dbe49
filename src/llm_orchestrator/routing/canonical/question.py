"""What a prompt asks for, as far as that decides how answers are compared."""

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

_OPTION = re.compile(r"^[ \t>*-]{0,4}[(\[]?([A-Z]|[a-z])[)\].:][ \t]+(\S.*)$", re.MULTILINE)
_INLINE = re.compile(
    r"(?:^|[\s,;])\(([A-Z]|[a-z])\)[ \t]+(.+?)(?=(?:[\s,;]\([A-Za-z]\)[ \t])|\n|\Z)"
)
_YES_NO = re.compile(
    r"\b(?:yes\s*(?:/|or|,)\s*['\"]?no|true\s*(?:/|or)\s*['\"]?false)\b"
    r"|(?:\A|[.!?\n]\s*)(?:is|are|was|were|am|do|does|did|can|could|should|would|will|has|have|had"
    r"|may|might|must|shall|isn't|aren't|doesn't|don't)\b[^.?!\n]*\?\s*\Z",
    re.IGNORECASE,
)
_COUNT = re.compile(r"\bhow (?:many|much)\b", re.IGNORECASE)
_EITHER = re.compile(r"\bor\b", re.IGNORECASE)
_RESULT = re.compile(
    r"\b(?:outputs?|return(?:s|ed)?|print(?:s|ed)?|assert(?:ion)?|evaluates?|result)\b|\?\?",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"^[ \t]*(?:def|async def|class|function|fn|func|lambda)\s+\w+\s*[(<:]|=>\s*\{"
    r"|\bprint\(|console\.log\("
    r"|```(?:python|py|javascript|js|typescript|ts|java|c|cpp|go|rust|ruby)\b",
    re.MULTILINE,
)
_PROGRAM = re.compile(
    r"\b(?:write|implement|create|generate|develop|complete|produce|give me|provide|fix|refactor"
    r"|translate|convert)\s+(?:me\s+)?(?:an?|some|the|this|following|\d+)?\s*"
    r"(?:(?!of\b|for\b|outputs?\b|results?\b|values?\b|what\b)[\w+#.-]+\s+){0,3}?"
    r"(?:function|program|code|script|class|query|sql|regex|regular expression|method|html|css"
    r"|one-liner)\b",
    re.IGNORECASE,
)
_NUMERIC = re.compile(
    r"\bhow\s+(?:many|much|far|long|old|tall|fast|often|big|large|heavy|deep|wide|high)\b"
    r"|\b(?:calculate|compute|evaluate)\b|\bto the nearest\b|\bround\b"
    r"|\b(?:what|find|determine|give)\b[^.?!\n]{0,60}\b(?:number|total|sum|value|probability"
    r"|percent(?:age)?|average|mean|median|area|volume|perimeter|length|distance|height|width|price"
    r"|cost|profit|salary|age|speed|rate|ratio|fraction|remainder|product|difference|quotient|ways"
    r"|degree|temperature|weight|amount|radius|diameter|slope|integer|minimum|maximum)s?\b",
    re.IGNORECASE,
)
_ORDERED = re.compile(
    r"\b(?:order(?:ed)?|sort(?:ed)?|arrange|rank(?:ed)?|sequence|steps?|pairs?|triples?|tuples?"
    r"|coordinates?|points?|vectors?|permutations?|interval|first|chronological|respectively)\b",
    re.IGNORECASE,
)
_PERCENT = re.compile(r"%|\bper\s?cent(?:age)?\b", re.IGNORECASE)
_COUNTING = re.compile(r"\bhow many of (?:the following|these|the above)\b", re.IGNORECASE)
_SEVERAL = re.compile(
    r"\b(?:all that apply|select all|choose all|which of these are)\b", re.IGNORECASE
)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a prompt asks for; a plain prompt asks for nothing in particular."""

    text: str = ""
    options: Mapping[str, str] = {}
    """Letter -> text, where the prompt offers a choice."""
    several: bool = False
    """Whether several options may be right."""
    boolean: bool = False
    literal: bool = False
    """Whether it asks what code gives: a value as the programming language writes it."""
    program: bool = False
    """Whether it asks for code."""
    numeric: bool = False
    ordered: bool = False
    percent: bool = False

    @property
    def definite(self) -> bool:
        """Whether there is one short answer to it, by the way in which it is asked."""
        return bool(self.options) or self.boolean or self.literal or self.numeric


@lru_cache(maxsize=512)
def read(prompt: str) -> Question:
    """What the prompt asks for."""
    asked = prompt[-8000:]
    options = {} if _COUNTING.search(asked) else _options(asked)
    last = asked[-1500:].strip()
    program = not options and _PROGRAM.search(last) is not None
    # Values are compared to the letter where what code gives may be asked for.
    literal = (
        not options
        and not program
        and _CODE.search(asked) is not None
        and _RESULT.search(asked) is not None
    )
    return Question(
        text=asked,
        options=options,
        several=bool(options) and _SEVERAL.search(asked) is not None,
        boolean=not options and not literal and not _COUNT.search(last) and _is_yes_no(last),
        literal=literal,
        program=program,
        numeric=not options and not literal and _NUMERIC.search(last) is not None,
        ordered=_ORDERED.search(last) is not None,
        percent=_PERCENT.search(last) is not None,
    )


def _is_yes_no(text: str) -> bool:
    found = _YES_NO.search(text)
    # "Is it a bird or a plane?" is none.
    return found is not None and (
        re.match(r"yes|true", found[0], re.IGNORECASE) is not None or not _EITHER.search(found[0])
    )


def _options(text: str) -> dict[str, str]:
    """The last list of options: at least two, lettered from A without a gap."""
    best: dict[str, str] = {}
    for pattern in (_OPTION, _INLINE):
        run: dict[str, str] = {}
        for found in pattern.finditer(text):
            letter, words = found[1].upper(), found[2].strip()
            if letter == "A":
                run = {"A": words}
            elif run and ord(letter) == ord("A") + len(run):
                run[letter] = words
            else:
                continue
            if len(run) >= 2:
                best = run
        if best:
            return best
    return best
