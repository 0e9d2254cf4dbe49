"""Whether a JSON schema is one: the keywords' own types, and references that lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

_TYPES: Final = frozenset("object array string number integer boolean null".split())
_NUMBERS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_COUNTS: Final = ("minItems", "maxItems", "minLength", "maxLength")
_DEEPEST: Final = 40


def problem(schema: Any) -> str | None:
    """What is wrong with a schema, or None."""
    return next(_problems(schema, schema, "schema", 0), None)


def word(value: Any) -> str | None:
    """A value where a word belongs: the text itself, or its look; None stays None."""
    return value if value is None or isinstance(value, str) else repr(value)[:80]


def _problems(schema: Any, root: Any, where: str, depth: int) -> Iterator[str]:
    if isinstance(schema, bool) and depth:
        return
    if not isinstance(schema, dict):
        yield f"{where} must be an object"
        return
    if depth > _DEEPEST:
        yield f"{where} is nested too deeply"
        return
    yield from _kinds(schema, where)
    yield from _figures(schema, where)
    if "$ref" in schema and not _leads(schema["$ref"], root):
        yield f"{where}.$ref leads nowhere"
    for name, part in _parts(schema):
        if part is None:
            yield f"{where}.{name} has the wrong type"
        else:
            yield from _problems(part, root, f"{where}.{name}", depth + 1)


def _kinds(schema: dict[str, Any], where: str) -> Iterator[str]:
    kind = schema.get("type", [])
    kinds = kind if isinstance(kind, list) else [kind]
    if not all(isinstance(k, str) and k in _TYPES for k in kinds):
        yield f"{where}.type {kind!r} is not a JSON type"
    if "enum" in schema and not (isinstance(schema["enum"], list) and schema["enum"]):
        yield f"{where}.enum must be a list with at least one value"
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        yield f"{where}.required must be a list of names"
    if "pattern" in schema:
        try:
            re.compile(schema["pattern"])
        except (re.error, TypeError):
            yield f"{where}.pattern is not a regular expression"


def _figures(schema: dict[str, Any], where: str) -> Iterator[str]:
    for name in (*_NUMBERS, *_COUNTS):
        value = schema.get(name, 1)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or (name in _COUNTS and not (isinstance(value, int) and value >= 0)):
            yield f"{where}.{name} must be a number"
        elif name == "multipleOf" and value <= 0:
            yield f"{where}.{name} must be above 0"


def _parts(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The schemas inside; None stands for a container of the wrong type."""
    for name in ("properties", "$defs", "definitions"):
        group = schema.get(name, {})
        if not isinstance(group, dict):
            yield name, None
            continue
        yield from ((f"{name}.{key}", part) for key, part in group.items())
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        parts = schema.get(name, [])
        if not isinstance(parts, list):
            yield name, None
            continue
        yield from ((f"{name}.{number}", part) for number, part in enumerate(parts))
    if "items" in schema:
        yield "items", schema["items"]


def _leads(reference: Any, root: Any) -> bool:
    if not isinstance(reference, str) or not reference.startswith("#"):
        return False
    target = root
    for part in reference.lstrip("#/").split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if part:
            target = target.get(key) if isinstance(target, dict) else None
    return isinstance(target, dict)
