"""The words of JSON schema: which are portable, which are not, and how they must be written."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import msgspec

from llm_orchestrator.engine.schema_check import LIMITS, Limit, show
from llm_orchestrator.errors import SchemaError

KINDS = ("object", "array", "string", "number", "integer", "boolean", "null")
MAX_HEIGHT = 10  # OpenAI: levels of nested objects
MAX_PROPERTIES = 5000  # OpenAI: properties of all objects together
MAX_VALUES = 1000  # OpenAI: values of all enums together
MAX_LETTERS = 120_000  # OpenAI: names and enum values of the whole schema together
MAX_DEPTH = 64  # schemas inside schemas of any kind; keeps the translation off the stack's end

_NUMBER_LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_STRING_LIMITS = ("minLength", "maxLength", "pattern", "format")
_ARRAY_LIMITS = ("minItems", "maxItems", "uniqueItems")
_LIMITS_OF = {
    "number": _NUMBER_LIMITS,
    "integer": _NUMBER_LIMITS,
    "string": _STRING_LIMITS,
    "array": _ARRAY_LIMITS,
}
_SHAPE = {
    "type", "properties", "required", "additionalProperties", "unevaluatedProperties", "items",
    "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "$defs", "definitions", "nullable",
}  # fmt: skip
NOTES = {
    "title", "description", "default", "examples", "example", "deprecated", "readOnly",
    "writeOnly", "$schema", "$id", "$comment", "$anchor", "discriminator", "contentEncoding",
    "contentMediaType", "propertyOrdering",
}  # fmt: skip
KNOWN = _SHAPE | NOTES | LIMITS.keys()
REFUSED = {
    "not": "say what is wanted instead",
    "if": "use anyOf with one object for each case",
    "then": "use anyOf with one object for each case",
    "else": "use anyOf with one object for each case",
    "patternProperties": "use an array of objects with a name and a value",
    "propertyNames": "use an array of objects with a name and a value",
    "minProperties": "name the properties and require them",
    "maxProperties": "name the properties",
    "dependentRequired": "use anyOf with one object for each case",
    "dependentSchemas": "use anyOf with one object for each case",
    "dependencies": "use anyOf with one object for each case",
    "prefixItems": "use an object with one property for each item",
    "additionalItems": "use an object with one property for each item",
    "contains": "describe it in the description",
    "minContains": "describe it in the description",
    "maxContains": "describe it in the description",
    "unevaluatedItems": "use items",
    "contentSchema": "describe it in the description",
    "$dynamicRef": "use $ref to #/$defs/<name>",
    "$recursiveRef": "recursive schemas are not portable",
}


def refuse(path: str, reason: str) -> NoReturn:
    """Raise the error for a schema that cannot be used."""
    raise SchemaError(f"output schema at {path}: {reason}", path=path)


def describe(value: Any) -> str:
    """A short form of what was given, for an error text."""
    if value is None or isinstance(value, bool | int | float | str | dict | list):
        return show(value)
    return f"a Python {type(value).__name__}"


def _nearest(word: str, words: Iterable[str]) -> str | None:
    import difflib  # only a wrong schema needs it

    return next(iter(difflib.get_close_matches(word, list(words), 1)), None)


def read_kinds(schema: Mapping[str, Any], path: str) -> list[str]:
    """The types that a schema names or implies."""
    kinds = schema.get("type")
    if kinds is None:
        if "properties" in schema:
            return ["object"]
        if "items" in schema:
            return ["array"]
        refuse(path, f"this is no schema: type is missing, one of {', '.join(KINDS)}")
    listed = [kinds] if isinstance(kinds, str) else kinds
    if not isinstance(listed, list | tuple) or not listed:
        refuse(f"{path}.type", f"{describe(kinds)} is no type; use one of {', '.join(KINDS)}")
    for kind in listed:
        if kind not in KINDS:
            near = _NEAR.get(str(kind).lower()) or _nearest(str(kind), KINDS)
            hint = f"; did you mean {near}?" if near else f"; use one of {', '.join(KINDS)}"
            refuse(f"{path}.type", f"{kind!r} is no type{hint}")
    return list(dict.fromkeys(listed))


_NEAR = {
    "str": "string", "text": "string", "int": "integer", "float": "number", "bool": "boolean",
    "list": "array", "dict": "object", "none": "null",
}  # fmt: skip


def read_required(
    schema: Mapping[str, Any], properties: Mapping[str, Any], path: str
) -> frozenset[str]:
    """The names of the properties that may not be left out."""
    required = schema.get("required", [])
    if not isinstance(required, list | tuple):
        refuse(f"{path}.required", f"a list of names is expected, not {describe(required)}")
    for name in required:
        if not isinstance(name, str) or name not in properties:
            refuse(f"{path}.required", f"{name!r} is none of the properties")
    return frozenset(required)


def _check_pattern(pattern: Any, path: str, *, compiles: bool) -> None:
    if not isinstance(pattern, str):
        refuse(path, "a regular expression is expected")
    if compiles:
        try:
            re.compile(pattern)
        except re.error as error:
            refuse(path, f"a regular expression that Python cannot read: {error}")


def check_keywords(schema: Mapping[str, Any], path: str, *, typed: bool) -> None:
    """Refuse keywords that are unknown or not portable; a type may bring words of its own."""
    for key in schema:
        if key in REFUSED:
            refuse(f"{path}.{key}", f"{key} is not portable; {REFUSED[key]}")
        if key not in KNOWN and not typed and not key.startswith("x-"):
            near = _nearest(key, KNOWN)
            hint = f"; did you mean {near}?" if near else ""
            refuse(f"{path}.{key}", f"{key} is no keyword of JSON schema{hint}")


def read_limits(kind: str, schema: Mapping[str, Any], path: str, *, typed: bool) -> list[Limit]:
    """The limits that apply to a kind, their arguments checked."""
    limits = [(key, schema[key]) for key in _LIMITS_OF.get(kind, ()) if key in schema]
    for key, argument in limits:
        place = f"{path}.{key}"
        if key == "pattern":
            _check_pattern(argument, place, compiles=not typed)
        elif key == "format":
            if not isinstance(argument, str):
                refuse(place, "a text is expected")
        elif key == "uniqueItems":
            if not isinstance(argument, bool):
                refuse(place, "true or false is expected")
        elif key in _NUMBER_LIMITS:
            if isinstance(argument, bool) or not isinstance(argument, int | float):
                refuse(place, "a number is expected")
            if key == "multipleOf" and argument <= 0:
                refuse(place, "a number above 0 is expected")
        elif isinstance(argument, bool) or not isinstance(argument, int) or argument < 0:
            refuse(place, "a whole number of 0 or more is expected")
    return [(key, argument) for key, argument in limits if argument is not False]


def read_notes(schema: Mapping[str, Any], limits: Sequence[Limit] = ()) -> dict[str, Any]:
    """Title and description; the description also tells what the wire cannot say."""
    notes = {key: schema[key] for key in ("title",) if isinstance(schema.get(key), str)}
    said = [LIMITS[key][0].format(argument) for key, argument in limits]
    if "contentEncoding" in schema:
        said.append(f"encoded as {schema['contentEncoding']}")
    default = schema.get("default")
    if isinstance(default, str | int | float) and len(str(default)) <= 60:
        said.append(f"default {msgspec.json.encode(default).decode()}")
    text = schema.get("description")
    lines = [text] if isinstance(text, str) and text else []
    if said:
        lines.append(f"({'; '.join(said)})")
    if lines:
        notes["description"] = "\n".join(lines)
    return notes
