"""Output schemas written as dicts: the portable form of each, and how answers are checked."""

import json
import pickle
from typing import Any

import pytest

from llm_orchestrator.engine.structured import output_schema
from llm_orchestrator.errors import OutputError, SchemaError
from tests.unit.engine.schema_samples import lint, obj


def test_three_ways_to_write_a_dict() -> None:
    bare = obj(a={"type": "integer"})
    named = {"name": "thing", "schema": bare, "strict": True}
    assert output_schema(bare)[0].schema == output_schema(named)[0].schema
    whole = {"type": "json_schema", "json_schema": named}
    assert output_schema(whole)[0] == output_schema(named)[0]
    assert output_schema(named)[0].name == "thing"
    assert output_schema({**bare, "title": "My Thing"})[0].name == "My_Thing"
    assert output_schema(bare)[0].name == "answer"
    assert output_schema(obj(schema={"type": "integer"}))[1]('{"schema": 1}') == {"schema": 1}


@pytest.mark.parametrize("name", ["", "a b", "ä", "x" * 65, 3, "a\n"])
def test_a_bad_name_is_refused(name: Any) -> None:
    with pytest.raises(SchemaError) as caught:
        output_schema({"name": name, "schema": obj(a={"type": "integer"})})
    assert caught.value.path == "$.name"


def test_an_optional_property_is_nullable_and_required_on_the_wire() -> None:
    ask = {"properties": {"a": {"type": "integer"}, "b": {"type": "string", "title": "B"}}}
    ask["required"] = ["a"]  # type: ignore[assignment]
    schema, parse = output_schema(ask)
    assert schema.schema == {
        "type": "object",
        "properties": {
            "a": {"type": "integer"},
            "b": {"title": "B", "anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["a", "b"],
        "additionalProperties": False,
    }
    assert parse('{"a": 1, "b": null}') == {"a": 1}
    assert parse('{"a": 1}') == {"a": 1}
    assert parse('{"a": 1, "b": "x", "more": 2}') == {"a": 1, "b": "x", "more": 2}
    closed = output_schema({**ask, "additionalProperties": False})[1]
    with pytest.raises(OutputError, match="is not a field") as caught:
        closed('{"a": 1, "more": 2}')
    assert caught.value.path == "$.more"


def test_null_stays_where_the_schema_itself_allows_it() -> None:
    parse = output_schema({"type": "object", "properties": {"a": {"type": ["integer", "null"]}}})[1]
    assert parse('{"a": null}') == {"a": None}


def test_limits_are_told_in_the_description_and_checked_here() -> None:
    age = {"type": "integer", "minimum": 0, "maximum": 150, "description": "In years."}
    schema, parse = output_schema(obj(age=age))
    assert schema.schema["properties"]["age"] == {
        "type": "integer",
        "description": "In years.\n(at least 0; at most 150)",
    }
    assert parse('{"age": 150}') == {"age": 150}
    with pytest.raises(OutputError, match="expected at most 150, got integer 151") as caught:
        parse('{"age": 151}')
    assert caught.value.path == "$.age"


@pytest.mark.parametrize(
    "schema, good, bad",
    [
        ({"type": "number", "exclusiveMinimum": 0}, 0.1, 0),
        ({"type": "number", "exclusiveMaximum": 1}, 0.9, 1.0),
        ({"type": "number", "multipleOf": 0.1}, 0.3, 0.35),
        ({"type": "number"}, 3, True),
        ({"type": "integer"}, 3.0, 3.5),
        ({"type": "integer"}, 10**30, "1"),
        ({"type": "boolean"}, False, 0),
        ({"type": "string", "minLength": 2}, "äö", "ä"),
        ({"type": "string", "maxLength": 2}, "äö", "abc"),
        ({"type": "string", "pattern": "^a+$"}, "aa", "b"),
        ({"type": "string", "format": "date"}, "2024-02-29", "2023-02-29"),
        ({"type": "string", "format": "date-time"}, "2024-02-29T12:00:00Z", "noon"),
        ({"type": "string", "format": "time"}, "12:00:00", "25:00"),
        ({"type": "string", "format": "uuid"}, "12345678-1234-5678-1234-567812345678", "1"),
        ({"type": "string", "format": "ipv4"}, "127.0.0.1", "256.0.0.1"),
        ({"type": "string", "format": "ipv6"}, "::1", "127.0.0.1"),
        ({"type": "string", "format": "email"}, "a@b.example", "a b@c"),
        ({"type": "string", "format": "uri"}, "https://a.example/b", "no uri"),
        ({"type": "string", "format": "of-my-own"}, "anything", 1),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 1}, [1], []),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 1}, [1], [1, 2]),
        ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, [1, 2], [1, 1]),
        ({"type": "array", "items": {"type": "integer"}, "uniqueItems": False}, [1, 1], {}),
        ({"enum": ["a", 1, None]}, None, "b"),
        ({"enum": [True, "x"]}, True, 1),
        ({"enum": [1, 2]}, 2.0, True),
        ({"const": True}, True, False),
        ({"const": "x"}, "x", "y"),
        ({"type": "number", "enum": [1, 2.5]}, 1, 2),
        ({"oneOf": [{"type": "integer"}, {"type": "number", "maximum": 5}]}, 7, 3),
        ({"allOf": [{"type": "integer"}]}, 1, "1"),
        ({"type": "integer", "nullable": True}, None, "1"),
        ({"type": ["string", "integer"], "minLength": 1, "minimum": 1}, 1, ""),
        ({"type": "null"}, None, 0),
    ],
)
def test_each_keyword_by_a_good_and_a_bad_value(schema: Any, good: Any, bad: Any) -> None:
    out, parse = output_schema(obj(v=schema))
    lint(out.schema)
    assert parse(json.dumps({"v": good})) == {"v": good}
    with pytest.raises(OutputError) as caught:
        parse(json.dumps({"v": bad}))
    assert caught.value.path == "$.v"


def test_references_are_kept_and_used_once() -> None:
    ask = {
        **obj(home={"$ref": "#/$defs/a~1b"}, work={"$ref": "#/$defs/a~1b", "description": "Job."}),
        "$defs": {
            "a/b": obj(street={"type": "string"}),
            "unused": {"type": "string"},
        },
    }
    schema, parse = output_schema(ask)
    lint(schema.schema)
    assert list(schema.schema["$defs"]) == ["a_b"]
    assert schema.schema["properties"]["home"] == {"$ref": "#/$defs/a_b"}
    assert schema.schema["properties"]["work"]["description"] == "Job."
    value = {"home": {"street": "x"}, "work": {"street": "y"}}
    assert parse(json.dumps(value)) == value


def test_references_may_lead_to_references() -> None:
    ask = obj(
        a={"$ref": "#/$defs/alias"},
        b={"$ref": "#/definitions/x.y"},
        c={"$ref": "#/$defs/x y"},
        d={"anyOf": [{"$ref": "#/$defs/alias"}, {"type": ["integer", "null"]}, {"type": "null"}]},
    )
    ask["$defs"] = {"alias": {"$ref": "#/$defs/x y"}, "x y": {"type": "string"}}
    ask["definitions"] = {"x.y": {"items": {"type": "string"}}}
    schema, parse = output_schema(ask)
    lint(schema.schema)
    assert list(schema.schema["$defs"]) == ["x_y", "x_y_"]
    assert schema.schema["properties"]["d"]["anyOf"] == [
        {"$ref": "#/$defs/x_y"},
        {"type": "integer"},
        {"type": "null"},
    ]
    value = {"a": "1", "b": ["2"], "c": "3", "d": None}
    assert parse(json.dumps(value)) == value


def test_a_union_in_the_type_of_a_root_is_wrapped() -> None:
    schema, parse = output_schema({"type": ["integer", "string"], "title": "T", "minimum": 1})
    lint(schema.schema)
    assert schema.name == "T"
    assert parse('{"value": "x"}') == "x"
    assert parse("7") == 7
    with pytest.raises(OutputError, match="at least 1"):
        parse('{"value": 0}')


def test_the_place_of_a_misfit_is_named() -> None:
    parse = output_schema(obj(rows={"type": "array", "items": obj(n={"type": "integer"})}))[1]
    with pytest.raises(OutputError) as caught:
        parse('{"rows": [{"n": 1}, {"n": "two"}]}')
    assert caught.value.path == "$.rows[1].n"
    assert "expected integer, got string 'two'" in str(caught.value)
    with pytest.raises(OutputError, match="is missing") as caught:
        parse('{"rows": [{}]}')
    assert caught.value.path == "$.rows[0].n"
    assert pickle.loads(pickle.dumps(caught.value)).path == caught.value.path


def test_of_several_alternatives_the_nearest_explains_the_misfit() -> None:
    cat = obj(kind={"const": "cat"}, lives={"type": "integer"})
    dog = obj(kind={"const": "dog"}, name=obj(first={"type": "string"}))
    parse = output_schema({"anyOf": [cat, dog]})[1]
    with pytest.raises(OutputError) as caught:
        parse('{"value": {"kind": "dog", "name": {"first": 1}}}')
    assert caught.value.path == "$.value.name.first"
    with pytest.raises(OutputError, match="none of the 2 alternatives"):
        parse('{"value": 3}')
