"""Answers in JSON: found in a text however it is broken, and compared as values."""

import json
import re
from collections.abc import Mapping
from typing import Any

from llm_orchestrator.routing.canonical import words

_KEY = re.compile(r"""["'](?:final[_ ]?)?answer["']\s*:\s*""", re.IGNORECASE)
_ANSWERS = ("final_answer", "finalanswer", "final answer", "answer")
_FENCE = re.compile(r"```(?:json5?|JSON)?[ \t]*\n(.*?)(?:\n?```|\Z)", re.DOTALL)
_SINGLE = re.compile(r"'((?:[^'\\]|\\.)*)'")
_BARE = re.compile(r"[^\n}]+")
_ESCAPE = re.compile(r'\\(?!["\\/bfnrtu])')
_DECODER = json.JSONDecoder(strict=False)
# LaTeX whose backslash JSON has eaten: \frac, \boxed, \text, \times, \theta, \right ...
_EATEN = (("\f", "\\f"), ("\b", "\\b"))
_EATEN_WORDS = (
    (re.compile(r"\t(?=ext|imes|heta|an\b|au\b|o\b|frac|riangle)"), r"\\t"),
    (re.compile(r"\r(?=ight|ho\b|m\b)"), r"\\r"),
    (re.compile(r"\n(?=eq\b|u\b|abla)"), r"\\n"),
)
COMMENTS = frozenset(
    "reasoning reason reasons explanation explanations rationale thought thoughts thinking steps"
    " step_by_step analysis justification comment comments notes note chain_of_thought cot"
    " confidence confidence_score certainty description_of_reasoning scratchpad working".split()
)
"""Fields that say why, not what."""
_MOST_WORDS = 12
_LONGEST_LITERAL = 4000

MISSING: Any = object()
"""No answer is in the text; ``None`` would be JSON's null."""


def answer(text: str) -> Any:
    """The value of the last field ``answer`` in the text, or `MISSING`."""
    found = list(_KEY.finditer(text))
    return _value(text[found[-1].end() :]) if found else MISSING


def _value(text: str) -> Any:
    for attempt in (text, _ESCAPE.sub(r"\\\\", text)):
        try:
            value, _ = _DECODER.raw_decode(attempt)
        except (ValueError, RecursionError):
            continue
        return _restored(value)
    if single := _SINGLE.match(text):
        return single[1]
    if text[:1] in {"{", "[", "("}:
        return _balanced(text)
    if text[:1] in {'"', "'"}:
        return MISSING  # it broke off
    bare = _BARE.match(text)
    return bare[0].strip().rstrip(",") if bare else MISSING


def _balanced(text: str) -> Any:
    """What stands between the first bracket and its partner: a literal that is not JSON."""
    depth, quote = 0, ""
    for at, each in enumerate(text[:_LONGEST_LITERAL]):
        if quote:
            quote = "" if each == quote and text[at - 1] != "\\" else quote
        elif each in "\"'":
            quote = each
        elif each in "([{":
            depth += 1
        elif each in ")]}":
            depth -= 1
            if depth == 0:
                return text[: at + 1]
    return MISSING


def _restored(value: Any) -> Any:
    if isinstance(value, str):
        for eaten, meant in _EATEN:
            value = value.replace(eaten, meant)
        for pattern, meant in _EATEN_WORDS:
            value = pattern.sub(meant, value)
    return value


def whole(text: str) -> Any:
    """The JSON object or array that a text is or fences, or `MISSING`."""
    for candidate in (text, *reversed(_FENCE.findall(text)), _braced(text)):
        stripped = candidate.strip()
        if not stripped or stripped[0] not in "{[":
            continue
        for attempt in (stripped, _ESCAPE.sub(r"\\\\", stripped)):
            try:
                return _DECODER.decode(attempt)
            except (ValueError, RecursionError):
                continue
    return MISSING


def _braced(text: str) -> str:
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else ""


def without_comments(value: Any) -> Any:
    """An object without the fields that only explain; its answer alone, where it has one."""
    if not isinstance(value, dict):
        return value
    lowered = {str(key).lower(): key for key in value}
    for name in _ANSWERS:
        if name in lowered:
            return value[lowered[name]]
    kept = {key: item for key, item in value.items() if str(key).lower() not in COMMENTS}
    return kept or value


def key(value: Any, schema: Mapping[str, Any] | None = None) -> str | None:
    """A JSON value in one spelling; ``None`` where it holds prose, which nobody writes twice.

    Numbers are compared by value, short texts without case and punctuation unless the schema
    lists them (``enum``, ``const``), fields in any order.
    """
    try:
        return json.dumps(_plain(value, schema or {}), sort_keys=True, ensure_ascii=False)
    except (_ProseError, RecursionError):
        return None


class _ProseError(Exception):
    pass


def _plain(value: Any, schema: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        fields = schema.get("properties")
        fields = fields if isinstance(fields, dict) else {}
        required = schema.get("required") or ()
        return {
            str(name): _plain(item, _sub(fields.get(name)))
            for name, item in value.items()
            if str(name).lower() not in COMMENTS
            # A field that may be left out says nothing when it is null.
            and not (item is None and fields and name not in required)
        }
    if isinstance(value, list):
        return [_plain(item, _sub(schema.get("items"))) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, str):
        if "enum" in schema or "const" in schema or "format" in schema:
            return value
        if not value.strip():
            return ""
        short = words.text_key(value, most=_MOST_WORDS)
        if short is None:
            raise _ProseError
        return short
    return value


def _sub(schema: Any) -> Mapping[str, Any]:
    return schema if isinstance(schema, dict) else {}
