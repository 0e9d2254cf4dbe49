"""Output schemas: one portable subset for every provider, and the answer parsed back.

What may be asked for: a JSON schema as a dict (bare, ``{"name", "schema"}``, or a whole
``{"type": "json_schema", ...}``), a pydantic model or ``TypeAdapter``, a dataclass, a msgspec
Struct, a TypedDict, or a type such as ``list[int]``.

The portable subset is what OpenAI (strict), Anthropic, Gemini and Bedrock all take:

- ``type``: object, array, string, number, integer, boolean, null; several types become ``anyOf``.
- ``properties``: on the wire all are required and nothing else is allowed
  (``additionalProperties: false``). An optional property also takes null; a null that only stands
  for "left out" is taken away again when the answer is parsed.
- ``items`` (one schema), ``anyOf``, ``enum`` (texts and numbers); ``const`` becomes ``enum``,
  ``oneOf`` becomes ``anyOf`` and is checked here, ``allOf`` with one entry is that entry.
- ``$ref`` to ``#/$defs/<name>`` or ``#/definitions/<name>``. Not recursive: Anthropic and Bedrock
  refuse it.
- ``title`` and ``description``. Limits (``minimum``, ``maxLength``, ``pattern``, ``format``,
  ``minItems`` and their like) and ``default`` are told in the description; limits are checked
  when the answer is parsed (by the type itself, where a type was given).
- A root that is no object is wrapped as ``{"value": ...}`` and unwrapped again.
- At most 10 nested objects, 5,000 properties, 1,000 enum values (OpenAI's limits).

All else (``not``, ``if``, ``patternProperties``, tuples, objects with free keys, remote
references, several ``allOf``) raises `SchemaError` with the path.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

import msgspec

from llm_orchestrator.engine.schema_check import Mismatch, Node
from llm_orchestrator.engine.schema_subset import Translation
from llm_orchestrator.engine.schema_words import refuse
from llm_orchestrator.errors import OutputError, SchemaError
from llm_orchestrator.types.request import OutputSchema

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FENCE = re.compile(r"```[A-Za-z0-9_-]*[ \t]*\r?\n(.*?)```", re.DOTALL)
_OPENING = re.compile(r"[{\[]")
_MAX_STARTS = 64  # places in prose at which JSON is looked for

Convert = Callable[[Any], Any]
"""Turns checked JSON data into the type that was asked for; raises `ValueError`."""


class Parse:
    """Reads an answer: ``parse(text)`` is the value; raises `OutputError` with path and reason."""

    __slots__ = ("_convert", "_node", "_wrapped")

    def __init__(self, node: Node, convert: Convert | None, *, wrapped: bool) -> None:
        self._node = node
        self._convert = convert
        self._wrapped = wrapped

    def __call__(self, text: str) -> Any:
        first: OutputError | None = None
        for value in _candidates(text):
            try:
                return self._read(value, text)
            except OutputError as error:
                first = first or error
        if first is not None:
            raise first
        reason = "it is empty" if not text.strip() else "it is not JSON"
        raise OutputError(f"the answer does not fit the output schema: {reason}", text=text)

    def _read(self, value: Any, text: str) -> Any:
        try:
            value = self._check(value)
        except Mismatch as mismatch:
            raise _misfit(mismatch.path, mismatch.reason, text) from None
        if self._convert is None:
            return value
        try:
            return self._convert(value)
        # The type's own checks are the user's code: whatever they raise, the answer was paid for
        # and must reach the user with the error.
        except Exception as error:
            path, reason = _explain(error)
            raise _misfit(path, reason, text) from error

    def _check(self, value: Any) -> Any:
        if not self._wrapped:
            return self._node.check(value)
        if isinstance(value, dict) and value.keys() == {"value"}:
            try:
                return self._node.check(value["value"])
            except Mismatch as mismatch:
                mismatch.steps.append("value")
                raise
        return self._node.check(value)  # a model that was only told in words may not wrap


def output_schema(ask: Any) -> tuple[OutputSchema, Parse]:
    """The wire schema of what is asked for, and the function that parses the answer back.

    Raises `SchemaError` when ``ask`` is no schema or type, or is outside the portable subset.
    """
    if isinstance(ask, Mapping):
        try:
            encoded = msgspec.json.encode(ask)
        except (TypeError, ValueError, RecursionError) as error:
            refuse("$", f"this is not JSON: {error}")
        return _from_json(encoded)
    try:
        return _from_type(ask)
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        return _from_type.__wrapped__(ask)


@lru_cache(maxsize=256)
def _from_json(encoded: bytes) -> tuple[OutputSchema, Parse]:
    ask: Any = msgspec.json.decode(encoded)
    name, path = None, "$"
    if ask.get("type") == "json_schema":
        ask, path = ask.get("json_schema", ask), "$.json_schema"
    if isinstance(ask, dict) and isinstance(ask.get("schema"), dict):
        name = ask.get("name")
        if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
            refuse(f"{path}.name", f"{name!r}: 1 to 64 letters, digits, _ and - are expected")
        ask = ask["schema"]
    if not isinstance(ask, dict):
        refuse(path, "this is no schema")
    return _build(ask, name or _safe_name(ask.get("title")), None)


@lru_cache(maxsize=256)
def _from_type(ask: Any) -> tuple[OutputSchema, Parse]:
    if isinstance(ask, str | bytes | int | float | list | None):
        refuse("$", f"{ask!r} is no schema; give a JSON schema as a dict, or a type")
    convert: Convert
    try:
        if hasattr(ask, "model_json_schema"):
            schema, convert = ask.model_json_schema(), _by_json(ask.model_validate_json)
        elif hasattr(ask, "json_schema") and hasattr(ask, "validate_json"):  # a TypeAdapter
            schema, convert = ask.json_schema(), _by_json(ask.validate_json)
        else:
            schema, convert = msgspec.json.schema(ask), partial(msgspec.convert, type=ask)
    # msgspec raises TypeError and NameError, pydantic errors of its own that are RuntimeErrors.
    except (TypeError, NameError, ValueError, RuntimeError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        reason = lines[-1] if isinstance(error, TypeError) else lines[0]  # which names the type
        refuse("$", f"{ask!r} cannot be told as a JSON schema: {reason}{_hint(ask)}")
    name = _safe_name(getattr(ask, "__name__", None) if isinstance(ask, type) else None)
    return _build(schema, name, convert)


def _hint(ask: Any) -> str:
    inner = getattr(ask, "__args__", ())
    if any(hasattr(part, "model_json_schema") for part in inner):
        return f"; give pydantic.TypeAdapter({ask})"
    return ""


def _by_json(validate: Callable[[bytes], Any]) -> Convert:
    return lambda value: validate(msgspec.json.encode(value))


def _build(
    schema: Mapping[str, Any], name: str, convert: Convert | None
) -> tuple[OutputSchema, Parse]:
    if not schema:
        refuse("$", "this is no schema: it allows anything")
    wire, node, wrapped = Translation(schema, typed=convert is not None).run()
    return OutputSchema(name, wire), Parse(node, convert, wrapped=wrapped)


def _safe_name(name: Any) -> str:
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:64] if isinstance(name, str) else ""
    return safe or "answer"


def _misfit(path: str, reason: str, text: str) -> OutputError:
    message = f"the answer does not fit the output schema at {path}: {reason}"
    return OutputError(message, text=text, path=path)


def _explain(error: Exception) -> tuple[str, str]:
    """Path and short reason of an error raised by pydantic, msgspec or the type itself."""
    listing = getattr(error, "errors", None)
    if callable(listing) and (found := listing()):
        steps: list[str | int] = list(found[0].get("loc", ()))[::-1]
        mismatch = Mismatch(str(found[0].get("msg", error)))
        mismatch.steps = steps
        return mismatch.path, mismatch.reason
    reason, _, place = str(error).partition(" - at `")
    return place.rstrip("`") or "$", reason or type(error).__name__


def _candidates(text: str) -> Iterator[Any]:
    """The JSON values that the text may mean: itself, else fenced blocks, else those in prose."""
    try:
        yield msgspec.json.decode(text.strip().removeprefix("\ufeff"))
        return
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    for block in reversed(_FENCE.findall(text)):
        try:
            yield msgspec.json.decode(block)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            continue
    yield from _in_prose(text)


def _in_prose(text: str) -> Iterator[Any]:
    from json import JSONDecodeError, JSONDecoder

    decoder = JSONDecoder(parse_constant=_no_constant)
    position = 0
    for _ in range(_MAX_STARTS):
        found = _OPENING.search(text, position)
        if found is None:
            return
        start = found.start()
        try:
            value, position = decoder.raw_decode(text, start)
        except JSONDecodeError as error:
            # What began as JSON and then broke off must not be mistaken for a part of itself.
            if text[start + 1 : error.pos].strip() or text.startswith('"', error.pos):
                return
            position = start + 1
        except (ValueError, RecursionError):
            return
        else:
            yield value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


__all__ = ["OutputSchema", "Parse", "SchemaError", "output_schema"]
