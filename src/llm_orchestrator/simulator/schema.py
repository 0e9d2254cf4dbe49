"""A JSON value that satisfies a JSON schema and suits the prompt."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any, Final

from llm_orchestrator.simulator import labels, prose
from llm_orchestrator.simulator.draw import Draw
from llm_orchestrator.simulator.jsonschema import problem

_DEEP: Final = 6
_LOOKS: Final = 50
_FORMATS: Final = {
    "date": "2026-05-14",
    "time": "09:30:00Z",
    "date-time": "2026-05-14T09:30:00Z",
    "duration": "PT45M",
    "email": "sam@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.7",
    "ipv6": "2001:db8::7",
    "uuid": "3f0c1f5e-7a44-4a0e-9f38-5c2b1d6a9e10",
    "uri": "https://example.com/page",
}


class Filler:
    """Fills schemas for one prompt: `text` is what is judged, `root` resolves references."""

    def __init__(self, root: dict[str, Any], text: str, draw: Draw) -> None:
        self._root = root
        self._text = text
        self._draw = draw

    def value(self) -> Any:
        """The whole value."""
        return self._fill(self._root, "", 0)

    def _resolve(self, schema: Any) -> dict[str, Any]:
        if not isinstance(schema, dict):
            return {}
        for _ in range(20):
            if "$ref" not in schema:
                break
            target: Any = self._root
            for part in str(schema["$ref"]).lstrip("#/").split("/"):
                key = part.replace("~1", "/").replace("~0", "~")
                target = target.get(key, {}) if isinstance(target, dict) and part else target
            schema = target if isinstance(target, dict) else {}
        whole: dict[str, Any] = dict(schema)
        for part in whole.get("allOf", []):
            whole |= self._resolve(part)
        return whole

    def _fill(self, schema: Any, name: str, depth: int) -> Any:
        schema = self._resolve(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._from_enum(schema["enum"])
        options = schema.get("anyOf") or schema.get("oneOf")
        if options:
            return self._fill(self._option(options, depth), name, depth)
        kind = self._kind(schema, depth)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        if kind in {"integer", "number"}:
            return self._number(schema, name, whole=kind == "integer")
        if kind == "boolean":
            mood = labels.polarity(self._text)
            return self._draw.pick([True, False]) if mood == 0 else mood > 0
        return None if kind == "null" else self._string(schema, name)

    def _option(self, options: list[Any], depth: int) -> Any:
        solid = [o for o in options if self._resolve(o).get("type") != "null"] or options
        empty = [o for o in options if self._resolve(o).get("type") == "null"]
        return self._draw.pick(empty if empty and depth > _DEEP else solid)

    @staticmethod
    def _kind(schema: dict[str, Any], depth: int) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            if "null" in kind and depth > _DEEP:
                return "null"
            kind = next((k for k in kind if k != "null"), "null")
        if kind is None:
            kind = "object" if "properties" in schema else "array" if "items" in schema else ""
        return str(kind)

    def _from_enum(self, values: list[Any]) -> Any:
        texts = [value for value in values if isinstance(value, str)]
        return labels.choose(texts, self._text, self._draw) if texts else self._draw.pick(values)

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        required = set(schema.get("required", []))
        properties = schema.get("properties", {})
        value = {
            name: self._fill(part, name, depth + 1)
            for name, part in properties.items()
            if name in required or depth < _DEEP // 2
        }
        for name in sorted(required - set(properties)):
            value[name] = self._string({}, name)
        return value

    def _array(self, schema: dict[str, Any], name: str, depth: int) -> list[Any]:
        low = int(schema.get("minItems", 0))
        high = int(schema.get("maxItems", max(low, 3)))
        number = low if depth > _DEEP else max(low, min(high, 1 + self._draw.below(3)))
        fixed = [self._fill(part, name, depth + 1) for part in schema.get("prefixItems", [])]
        items = schema.get("items", {"type": "string"})
        if items is False:
            return fixed
        more = [self._fill(items, name, depth + 1) for _ in range(max(0, number - len(fixed)))]
        if schema.get("uniqueItems"):
            texts = {json.dumps(item, sort_keys=True): item for item in more}
            more = list(texts.values())
        return fixed + more

    def _number(self, schema: dict[str, Any], name: str, *, whole: bool) -> int | float:
        step = schema.get("multipleOf") or (1 if whole else 0.01)
        unit = not whole and re.search(r"score|confiden|prob|ratio|share|weight", name)
        low: float | None = schema.get("minimum", schema.get("exclusiveMinimum"))
        high: float | None = schema.get("maximum", schema.get("exclusiveMaximum"))
        if low is None:
            low = (0 if unit else 1) if high is None else high - 10 * step
        if high is None:
            high = low + (1 if unit else 99)
        first = -(-low // step) + ("exclusiveMinimum" in schema and low % step == 0)
        last = high // step - ("exclusiveMaximum" in schema and high % step == 0)
        pick = int(first) + self._draw.below(max(1, int(last) - int(first) + 1))
        return int(pick * step) if whole else round(pick * step, 6)

    def _string(self, schema: dict[str, Any], name: str) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        if "pattern" in schema:
            return _matching(str(schema["pattern"]), self._draw)
        text = self._named(name.lower())
        low, high = int(schema.get("minLength", 0)), schema.get("maxLength")
        while len(text) < low:
            text += " " + prose.topic_of(self._text, self._draw)
        return text if high is None else text[: max(int(high), low)]

    def _named(self, name: str) -> str:
        if re.search(r"sentiment|mood|tone|polarity", name):
            return labels.choose(["positive", "negative", "neutral"], self._text, self._draw)
        proper = re.findall(r"(?<![.!?]\s)(?<!^)\b[A-Z][a-z]{2,}\b", self._text)
        if re.search(r"city|place|location|country|name|person|company|destination", name):
            return str(self._draw.pick(proper)) if proper else "Lisbon"
        if re.search(r"summary|reason|explan|text|descr|answer|comment|advice", name):
            return prose.paragraph(self._text, 1, self._draw)
        return prose.topic_of(self._text, self._draw).removeprefix("the ")


def _matching(pattern: str, draw: Draw) -> str:
    """A text for simple patterns: literals, classes, groups of alternatives and counts."""
    candidates = ["abc", "ABC", "123", "a1", "A-1", "abc-123", "2026-05-14", "AB-1234", "x@y.zz"]
    built = ""
    for part, count in re.findall(
        r"(\\[dws]|\[[^\]]+\]|\([^()]*\)|[^\\^$+*?{}()\[\]])(\{\d+(?:,\d*)?\}|[+*?])?", pattern
    ):
        number = int(re.sub(r"\D.*", "", count[1:])) if count.startswith("{") else 1
        built += "".join(_one(part, draw) for _ in range(number))
    for text in [built, *candidates]:
        if re.search(pattern, text):
            return text
    return built


def _one(part: str, draw: Draw) -> str:
    if part.startswith("("):
        return draw.pick(part.strip("()").removeprefix("?:").split("|"))
    tests = "7aA-_ .@b1Z"
    return next((c for c in tests if re.fullmatch(part, c)), part if part != "." else "x")


def told(instructions: str) -> dict[str, Any] | None:
    """The JSON schema of an object that a prompt holds as text, if there is one."""
    decoder = json.JSONDecoder()
    for found in islice(re.finditer(r"\{", instructions), _LOOKS):
        try:
            value, _ = decoder.raw_decode(instructions, found.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and isinstance(value.get("properties"), dict):
            return None if problem(value) else value
    return None


def from_template(instructions: str, text: str, draw: Draw) -> str:
    """A JSON object for a prompt that asks for JSON in words, by a schema or by keys."""
    schema = told(instructions)
    if schema is not None:
        return json.dumps(Filler(schema, text, draw).value(), ensure_ascii=False)
    found = re.search(r"\{[^{}]*\}", instructions)
    keys = re.findall(r"[\"']([A-Za-z_]\w*)[\"']\s*:\s*([^,}]*)", found[0]) if found else []
    if not keys:
        line = re.search(r"\b(?:keys?|fields?|properties)\b[: ]+([^.\n]+)", instructions)
        names = re.findall(r"[A-Za-z_]\w*", line[1]) if line else []
        keys = [(name, "") for name in names if name.lower() not in {"and", "or", "the", "with"}]
    properties = {key: _guess(hint) for key, hint in keys} or {"answer": {"type": "string"}}
    root = {"type": "object", "properties": properties, "required": list(properties)}
    return json.dumps(Filler(root, text, draw).value(), ensure_ascii=False)


def _guess(hint: str) -> dict[str, Any]:
    hint = hint.strip().strip("\"'<>")
    options = [part.strip(" \"'") for part in re.split(r"\s*\|\s*|\s*/\s*|\s+or\s+", hint)]
    if len(options) > 1 and all(re.fullmatch(r"[\w-]+", option) for option in options):
        return {"enum": options}
    if re.search(r"\bbool|true|false", hint):
        return {"type": "boolean"}
    if re.search(r"\bint|^\d+$", hint):
        return {"type": "integer"}
    if re.search(r"number|float|^\d*\.\d+$|0-1|0 to 1", hint):
        return {"type": "number", "minimum": 0, "maximum": 1}
    return {"type": "string"}
