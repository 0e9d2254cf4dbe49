"""Translates a JSON schema to the subset that every provider takes (see `structured`)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llm_orchestrator.engine.schema_check import (
    AnyOf,
    Array,
    Node,
    Object,
    Scalar,
    kind_of,
)
from llm_orchestrator.engine.schema_words import (
    KINDS,
    KNOWN,
    MAX_DEPTH,
    MAX_HEIGHT,
    MAX_LETTERS,
    MAX_PROPERTIES,
    MAX_VALUES,
    NOTES,
    REFUSED,
    check_keywords,
    describe,
    read_kinds,
    read_limits,
    read_notes,
    read_required,
    refuse,
)

Translated = tuple[dict[str, Any], Node]


class Translation:
    """One schema on its way to the wire. ``typed`` leaves limits and extra keywords to the type."""

    def __init__(self, root: Mapping[str, Any], *, typed: bool) -> None:
        self.root = root
        self.typed = typed
        self.defs: dict[str, dict[str, Any]] = {}
        self._done: dict[str, Translated] = {}
        self._open: list[str] = []
        self._properties = 0
        self._values = 0
        self._letters = 0

    def run(self) -> tuple[dict[str, Any], Node, bool]:
        """The wire schema, its check, and whether the answer is wrapped in ``{"value": ...}``."""
        wire, node = self.schema(self.root, "$", 0)
        if "$ref" in wire:  # the root itself must be an object everywhere
            wire = self.defs[wire["$ref"].rpartition("/")[2]]
        wrapped = wire.get("type") != "object"
        if wrapped:
            wire = {
                "type": "object",
                "properties": {"value": wire},
                "required": ["value"],
                "additionalProperties": False,
            }
        if node.height + wrapped > MAX_HEIGHT:
            refuse("$", f"objects are nested more than {MAX_HEIGHT} levels deep")
        used = self._reachable(wire)
        if used:
            wire = {**wire, "$defs": used}
        return wire, node, wrapped

    def _reachable(self, wire: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        todo = [wire]
        while todo:
            item = todo.pop()
            if isinstance(item, list):
                todo += item
            elif isinstance(item, dict):
                name = item.get("$ref", "")
                if isinstance(name, str) and name:
                    name = name.rpartition("/")[2]
                    if name not in found:
                        found[name] = self.defs[name]
                        todo.append(found[name])
                else:
                    todo += item.values()
        return {name: wire for name, wire in self.defs.items() if name in found}

    def schema(self, schema: Any, path: str, depth: int) -> Translated:
        """Translate the schema at ``path``."""
        if not isinstance(schema, Mapping):
            refuse(path, f"a schema is an object, this is {describe(schema)}")
        if depth > MAX_DEPTH:
            refuse(path, "schemas are nested too deeply")
        check_keywords(schema, path, typed=self.typed)
        if schema.get("nullable") is True:  # OpenAPI 3.0
            rest = {key: value for key, value in schema.items() if key != "nullable"}
            return nullable(self.schema(rest, path, depth))
        if "$ref" in schema:
            return self._ref(schema, path, depth)
        for keyword in ("anyOf", "oneOf", "allOf"):
            if keyword in schema:
                return self._union(keyword, schema, path, depth)
        if "enum" in schema or "const" in schema:
            return self._enum(schema, path)
        kinds = read_kinds(schema, path)
        if len(kinds) == 1:
            return self._kind(kinds[0], schema, path, depth)
        bare = {key: value for key, value in schema.items() if key not in NOTES}
        parts = [self._kind(kind, bare, path, depth) for kind in kinds]
        wire = {**read_notes(schema), "anyOf": [wire for wire, _ in parts]}
        return wire, AnyOf([node for _, node in parts])

    def _ref(self, schema: Mapping[str, Any], path: str, depth: int) -> Translated:
        pointer = schema["$ref"]
        match = re.fullmatch(r"#/(\$defs|definitions)/([^/]+)", str(pointer))
        if match is None:
            reason = "only references to #/$defs/<name> of the same schema are portable"
            if pointer == "#":
                reason = "recursive schemas are not portable"
            refuse(f"{path}.$ref", f"{pointer!r}: {reason}")
        section, name = match[1], match[2].replace("~1", "/").replace("~0", "~")
        place = f"$.{section}.{name}"
        known = self.root.get(section)
        if not isinstance(known, Mapping) or name not in known:
            refuse(f"{path}.$ref", f"{pointer!r} leads nowhere")
        if place in self._open:
            refuse(f"{path}.$ref", f"{pointer!r} is recursive, which is not portable")
        siblings = {k: v for k, v in schema.items() if k in {"description", "default"}}
        odd = (schema.keys() & KNOWN) - NOTES - {"$ref", "$defs", "definitions"}
        if odd and not self.typed:
            refuse(path, f"{min(odd)} beside $ref is not portable")
        self._open.append(place)
        try:
            if "description" in siblings and isinstance(known[name], Mapping):
                # No provider takes a description beside $ref: the definition is copied.
                return self.schema({**known[name], **siblings}, path, depth + 1)
            if place not in self._done:
                self._done[place] = self._define(name, known[name], place, depth)
        finally:
            self._open.pop()
        wire, node = self._done[place]
        return dict(wire), node

    def _define(self, name: str, schema: Any, place: str, depth: int) -> Translated:
        wire, node = self.schema(schema, place, depth + 1)
        if "$ref" in wire:  # an alias of another definition
            return wire, node
        safe = re.sub(r"[^A-Za-z0-9_-]", "_", name) or "_"
        while safe in self.defs:
            safe += "_"
        self.defs[safe] = wire
        return {"$ref": f"#/$defs/{safe}"}, node

    def _union(self, keyword: str, schema: Mapping[str, Any], path: str, depth: int) -> Translated:
        odd = (schema.keys() & KNOWN) - NOTES - {keyword, "$defs", "definitions"}
        if odd:
            refuse(path, f"{min(odd)} beside {keyword} is not portable; move it into the branches")
        branches = schema[keyword]
        if not isinstance(branches, Sequence) or isinstance(branches, str) or not branches:
            refuse(f"{path}.{keyword}", "a list of schemas is expected")
        if keyword == "allOf" and len(branches) > 1:
            refuse(f"{path}.allOf", "allOf is not portable; write the properties in one object")
        place = f"{path}.{keyword}"
        if len(branches) == 1:
            notes = {k: v for k, v in schema.items() if k in {"title", "description", "default"}}
            branch = branches[0]
            merged = {**branch, **notes} if isinstance(branch, Mapping) else branch
            return self.schema(merged, f"{place}[0]", depth + 1)
        parts = [
            self.schema(branch, f"{place}[{index}]", depth + 1)
            for index, branch in enumerate(branches)
        ]
        # A type tells its alternatives apart by itself.
        exclusive = keyword == "oneOf" and not self.typed
        wire = {**read_notes(schema), "anyOf": _flat(wire for wire, _ in parts)}
        return wire, AnyOf([node for _, node in parts], exclusive=exclusive)

    def _enum(self, schema: Mapping[str, Any], path: str) -> Translated:
        values = [schema["const"]] if "const" in schema else schema["enum"]
        place = f"{path}.{'const' if 'const' in schema else 'enum'}"
        if not isinstance(values, Sequence) or isinstance(values, str) or not values:
            refuse(place, "a list of values is expected")
        kinds = read_kinds(schema, path) if "type" in schema else list(KINDS)
        groups: dict[str, list[Any]] = {}
        for value in values:
            kind = kind_of(value)
            if kind in {"object", "array"}:
                refuse(place, f"only texts, numbers, booleans and null can be listed, not {kind}")
            if kind not in kinds and not (kind == "integer" and "number" in kinds):
                refuse(place, f"{describe(value)} is not of type {' or '.join(kinds)}")
            if kind == "integer" and "integer" not in kinds:
                kind = "number"
            groups.setdefault(kind, []).append(value)
        self._values += len(values)
        if self._values > MAX_VALUES:
            refuse(place, f"more than {MAX_VALUES} listed values")
        self._count_letters(values, place)
        notes = read_notes(schema)
        parts = [_listed(kind, group) for kind, group in groups.items()]
        if len(parts) == 1:
            wire, node = parts[0]
            text = "\n".join(filter(None, (notes.get("description"), wire.get("description"))))
            merged = {**wire, **notes}
            return ({**merged, "description": text} if text else merged), node
        union = AnyOf([node for _, node in parts])
        return {**notes, "anyOf": [wire for wire, _ in parts]}, union

    def _kind(self, kind: str, schema: Mapping[str, Any], path: str, depth: int) -> Translated:
        limits = read_limits(kind, schema, path, typed=self.typed)
        notes = read_notes(schema, limits)
        checked = () if self.typed else limits
        if kind == "object":
            return self._object(schema, notes, path, depth)
        if kind == "array":
            if "items" not in schema:
                refuse(path, "items is missing: an array needs the schema of its items")
            if isinstance(schema["items"], list):
                refuse(f"{path}.items", f"a list of schemas: {REFUSED['prefixItems']}")
            item, node = self.schema(schema["items"], f"{path}.items", depth + 1)
            return {"type": "array", **notes, "items": item}, Array(node, checked)
        return {"type": kind, **notes}, Scalar(kind, None, checked)

    def _object(
        self, schema: Mapping[str, Any], notes: dict[str, Any], path: str, depth: int
    ) -> Translated:
        properties = schema.get("properties")
        extra = schema.get("additionalProperties", schema.get("unevaluatedProperties"))
        if isinstance(extra, Mapping) and extra:
            refuse(
                f"{path}.additionalProperties",
                "objects with free keys are not portable; use an array of objects with a name "
                "and a value",
            )
        if properties is None:
            refuse(path, "properties is missing: objects with free keys are not portable")
        if not isinstance(properties, Mapping):
            refuse(f"{path}.properties", f"an object is expected, not {describe(properties)}")
        self._properties += len(properties)
        if self._properties > MAX_PROPERTIES:
            refuse(path, f"more than {MAX_PROPERTIES} properties")
        self._count_letters(properties, path)
        required = read_required(schema, properties, path)
        wires: dict[str, Any] = {}
        nodes: dict[str, Node] = {}
        for name, inner in properties.items():
            part = self.schema(inner, f"{path}.properties.{name}", depth + 1)
            nodes[name] = part[1]
            wires[name] = part[0] if name in required else nullable(part)[0]
        wire = {
            "type": "object",
            **notes,
            "properties": wires,
            "required": list(wires),
            "additionalProperties": False,
        }
        return wire, Object(nodes, required, closed=extra is False)

    def _count_letters(self, texts: Iterable[Any], path: str) -> None:
        self._letters += sum(len(text) for text in texts if isinstance(text, str))
        if self._letters > MAX_LETTERS:
            refuse(path, f"names and listed values are longer than {MAX_LETTERS} characters")


def nullable(part: Translated) -> Translated:
    """The schema, or null."""
    wire, node = part
    if node.takes_null:
        return part
    notes: dict[str, Any] = {key: wire.pop(key) for key in ("title", "description") if key in wire}
    branches = wire.get("anyOf", [wire])
    union = AnyOf([node, Scalar("null")])
    return {**notes, "anyOf": [*branches, {"type": "null"}]}, union


def _flat(wires: Iterable[dict[str, Any]]) -> list[Any]:
    """Branches with bare unions inside them opened, and one null at most."""
    flat: list[Any] = []
    for wire in wires:
        for branch in wire["anyOf"] if wire.keys() == {"anyOf"} else [wire]:
            if branch not in flat:
                flat.append(branch)
    return flat


def _listed(kind: str, values: list[Any]) -> Translated:
    """Values of one kind. Lists of booleans are told in words: Gemini knows no such enum."""
    node = Scalar(kind, tuple(values))
    wire: dict[str, Any] = {"type": kind}
    if kind == "boolean":
        if len(set(values)) == 1:
            wire["description"] = f"(always {str(values[0]).lower()})"
    elif kind != "null":
        wire["enum"] = list(dict.fromkeys(values))
    return wire, node
