"""Any schema and any value survive the way to the wire and back."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from llm_orchestrator.engine.structured import output_schema
from tests.unit.engine.schema_samples import lint

scalars = st.sampled_from(
    [
        ({"type": "integer"}, st.integers()),
        ({"type": "number"}, st.floats(allow_nan=False, allow_infinity=False)),
        ({"type": "string"}, st.text()),
        ({"type": "boolean"}, st.booleans()),
        ({"type": "null"}, st.none()),
        ({"enum": ["a", 2, None]}, st.sampled_from(["a", 2, None])),
        ({"type": ["integer", "null"]}, st.none() | st.integers()),
    ]
)
Pair = tuple[dict[str, Any], st.SearchStrategy[Any]]


def grow(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    def array(pair: Pair) -> Pair:
        return {"type": "array", "items": pair[0]}, st.lists(pair[1], max_size=3)

    def thing(pairs: dict[str, Pair]) -> Pair:
        must = {name: pair[1] for name, pair in pairs.items() if not name.startswith("o")}
        may = {name: pair[1] for name, pair in pairs.items() if name.startswith("o")}
        schema = {
            "type": "object",
            "properties": {name: pair[0] for name, pair in pairs.items()},
            "required": list(must),
        }
        return schema, st.fixed_dictionaries(must, optional=may)

    names = st.sampled_from(["a", "b", "o1", "o2"])
    return inner.map(array) | st.dictionaries(names, inner, max_size=3).map(thing)


def to_wire(schema: dict[str, Any], value: Any) -> Any:
    """The value as a provider would answer it: null for every property that is left out."""
    if schema.get("type") == "object":
        return {
            name: to_wire(inner, value[name]) if name in value else None
            for name, inner in schema["properties"].items()
        }
    if schema.get("type") == "array":
        return [to_wire(schema["items"], item) for item in value]
    return value


def keeps_null(schema: dict[str, Any]) -> bool:
    return None in schema.get("enum", ()) or "null" in schema.get("type", "")


def left_out(schema: dict[str, Any], value: Any) -> Any:
    """An optional property that may itself be null cannot be told from one left out."""
    if schema.get("type") == "object":
        return {
            name: left_out(inner, value[name]) if name in value else None
            for name, inner in schema["properties"].items()
            if name in value or keeps_null(inner)
        }
    if schema.get("type") == "array":
        return [left_out(schema["items"], item) for item in value]
    return value


@settings(deadline=None)  # a slow machine is no fault
@given(st.recursive(scalars, grow, max_leaves=8), st.data())
def test_any_value_survives_the_way_to_the_wire_and_back(pair: Pair, data: st.DataObject) -> None:
    schema, values = pair
    value = data.draw(values)
    out, parse = output_schema(schema)
    lint(out.schema)
    answer = to_wire(schema, value)
    if schema.get("type") != "object":
        answer = {"value": answer}
    assert parse(json.dumps(answer)) == left_out(schema, value)
