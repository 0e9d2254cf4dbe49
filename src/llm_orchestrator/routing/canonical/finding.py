"""Where in a text the answer stands."""

import itertools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from llm_orchestrator.routing.canonical import choices, documents, plain, words
from llm_orchestrator.routing.canonical.question import Question

_TAG, _END_TAG = (re.compile(rf"<{slash}(?:final_)?answer>", re.IGNORECASE) for slash in ("", "/"))
_HASHES = re.compile(r"^####[ \t]*(\S.*)$", re.MULTILINE)
_CUE = re.compile(
    r"\b(?:final|correct|best|right|closest|overall)?\s*\banswer\b"
    r"(?:\s+(?:to|for|of)\b[^.\n:=]{1,60}?)?"
    r"[*_ ]*\s*(?:\bis\b|\bwas\b|\bwould be\b|\bshould be\b|\bmust be\b|=|:|\uff1a)[*_ }]*:?[ \t]*",
    re.IGNORECASE,
)
_OPTION_CUE = re.compile(
    r"\b(?:correct|best|right|closest|most \w+)\s+"
    r"(?:option|choice|statement)\b[^.\n:]{0,40}?\s*(?:\bis\b|:)"
    r"[*_ ]*:?[ \t]*|\b(?:I|we)\s+(?:would\s+)?(?:choose|select|pick)\s+(?:option\s+)?[*_]*",
    re.IGNORECASE,
)
_OUTPUT_CUE = re.compile(
    r"\b(?:(?:the\s+)?(?:final\s+)?(?:output|result|return(?:ed)?\s+value)(?:\s+of\b[^\n]{0,80}?)?"
    r"\s*(?:is|will be|would be|:|=)+|(?:returns?|prints?|outputs?|evaluates\s+to)\s*:?)[*_ ]*:?\s*"
    r"|\)\s*==\s*",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"^[ \t]*[#*_]*[ \t]*(?:final\s+)?answer[ \t]*:?[ \t]*[*_]*[ \t]*:?[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
_CAUSE = re.compile(
    r",?\s+(?:because|since|as (?:it|this|the)|which (?:is|means|corresponds)|so that)\b.*",
    re.DOTALL | re.IGNORECASE,
)
_SENTENCE_END = re.compile(
    r"(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bNo)(?<!\bMrs)(?<!\bvs)(?<!\bapprox)"
    r"(?:(?<=[^\W\d_]{2})|(?<=[\d)\]%\"'*])(?!!))[.!?](?:\s+(?=[A-Z(*\"'\d])|\s*\Z)"
)
_LETTER = re.compile(r"\A\W*[A-Z]\b")
_LINK = re.compile(r"\b(?:so|thus|hence|therefore|and|the|my|final)\b", re.IGNORECASE)
_MOST_CUES = 12
_FEW_WORDS = 3
_TAIL = 6000
"""Characters of a text's end in which an answer is looked for."""


class Found(NamedTuple):
    """A value of JSON, mostly a text, and whether the text says that it is the answer."""

    value: Any
    marked: bool = True


def candidates(text: str, question: Question, *, whole: bool) -> Iterator[Found]:
    """What may be the answer, the surest first; ``whole`` is false for a text that was cut."""
    value = documents.answer(text)
    if value is not documents.MISSING:
        yield Found(value)
        return
    marked = _structured(text)
    if marked is not None:
        yield Found(marked)
        return
    tail = text[-_TAIL:]
    cues = list(_after_cues(tail, question))
    if question.options and torn(tail, cues, question):
        return
    # The last one counts; where it names no option, an earlier one may.
    for cue in cues if question.options else cues[:1]:
        yield Found(cue.text)
    if cues and not question.options:
        return
    if not whole:
        return
    yield from _unmarked(text, question)


def _structured(text: str) -> str | None:
    if (tagged := _tagged(text)) is not None:
        return tagged
    if (box := boxed(text)) is not None:
        return box
    hashes = _HASHES.findall(text)
    # A Markdown heading of level four is no answer, unless it is the end.
    if hashes and text.rstrip().endswith(hashes[-1].rstrip()):
        return str(hashes[-1])
    return None


def _tagged(text: str) -> str | None:
    """What is between the last two tags that say that it is the answer."""
    ends = [found.start() for found in _END_TAG.finditer(text)]
    starts = [found.end() for found in _TAG.finditer(text) if ends and found.end() <= ends[-1]]
    return text[starts[-1] : ends[-1]].strip() if starts else None


def boxed(text: str) -> str | None:
    r"""What is in the last ``\boxed{...}``, however deep its braces are."""
    start = max(text.rfind("\\boxed{"), text.rfind("\\fbox{"))
    if start < 0:
        return None
    begin = text.index("{", start) + 1
    depth = 1
    for at in range(begin, min(len(text), begin + 2000)):
        if text[at] == "{" and text[at - 1] != "\\":
            depth += 1
        elif text[at] == "}" and text[at - 1] != "\\":
            depth -= 1
            if depth == 0:
                return text[begin:at].strip()
    return None


class _Cue(NamedTuple):
    """What stands behind "the answer is", where that begins, and where the answer does."""

    start: int
    end: int
    text: str


def torn(text: str, cues: list[_Cue], question: Question) -> bool:
    """Whether a text ends in several answers that differ, with nothing said in between."""
    last = choices.named(plain.short(cues[0].text), question) if cues else None
    for later, earlier in itertools.pairwise(cues):
        between = _LETTER.sub("", text[earlier.end : later.start])
        if re.search(r"\w", _LINK.sub("", between)):
            return False
        if choices.named(plain.short(earlier.text), question) not in {None, last}:
            return True
    return False


def _after_cues(text: str, question: Question) -> Iterator[_Cue]:
    found = [*_CUE.finditer(text), *_HEADING.finditer(text)]
    if question.options:
        found += _OPTION_CUE.finditer(text)
    if question.literal and not found:
        found += _OUTPUT_CUE.finditer(text)
    for match in sorted(found, key=lambda each: -each.end())[:_MOST_CUES]:
        segment = text[match.end() :].lstrip(" \t")
        if not segment.strip(" \n*_"):
            continue
        yield _Cue(match.start(), match.end(), first_part(segment, question))


def first_part(segment: str, question: Question) -> str:
    """The answer at the beginning of what follows a cue."""
    segment = segment.strip("\n ")
    if segment.startswith("```"):
        return plain.unwrapped(segment.split("\n```", 1)[0] + "\n```")
    for left, right in (("$$", "$$"), ("\\[", "\\]")):
        if segment.startswith(left) and (end := segment.find(right, len(left))) > 0:
            return segment[: end + len(right)]
    line = segment.split("\n", 1)[0].strip()
    if question.literal:
        return line
    line = _CAUSE.sub("", line)
    parts = _SENTENCE_END.split(line, maxsplit=1)
    return parts[0].strip()


def _unmarked(text: str, question: Question) -> Iterator[Found]:
    if question.options:
        if letter := choices.said(text[-_TAIL:], question):
            yield Found(letter, marked=False)
        yield Found(text, marked=True)
        return
    value = documents.whole(text)
    if value is not documents.MISSING and not question.literal:
        yield Found(documents.without_comments(value))
        return
    if question.boolean and (said := words.boolean(plain.short(text), alone=False)):
        yield Found(said)
        return
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) == 1 or (question.literal and text.startswith("```")):
        yield from _one_line(text, question)
        return
    if question.literal:
        fenced = re.findall(r"```\w*\n(.*?)\n```", text, re.DOTALL)
        if fenced and "\n" not in fenced[-1]:
            yield Found(fenced[-1], marked=False)
        return
    if not question.numeric and all(len(line) < 60 for line in lines) and words.items(text):
        yield Found(text)
    elif not question.boolean:
        yield Found(last_sentence(text), marked=False)


def _one_line(text: str, question: Question) -> Iterator[Found]:
    """A single line is the answer.

    Of several sentences, it is a first one that is hardly more than one word, or the last one where
    that has the number that was asked for.
    """
    first = first_part(text, question)
    if question.literal or len(first) >= len(text.rstrip(" .!?\n")) - 1:
        yield Found(text)
    elif len(first.split()) <= _FEW_WORDS:
        yield Found(first)
    else:
        yield Found(last_sentence(text), marked=False)


def last_sentence(text: str) -> str:
    """The last sentence of a text, where people say what came out."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    if last.startswith(("```", "\\]", "$$", "---")) and len(lines) > 1:
        last = lines[-2]
    sentences = [part for part in _SENTENCE_END.split(last) if part and part.strip()]
    return sentences[-1].strip() if sentences else last
