"""What is no portable output schema, said with its path; and what is read out of answers."""

import copy
import subprocess
import sys
from typing import Any

import pytest

from llm_orchestrator.engine.structured import output_schema
from llm_orchestrator.errors import OutputError, SchemaError
from tests.unit.engine.schema_samples import Cat, Dog, Zoo, lint, obj


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(levels):
        schema = obj(a=schema)
    return schema


@pytest.mark.parametrize(
    "ask, path",
    [
        (None, "$"),
        (42, "$"),
        ("an apple", "$"),
        ({}, "$"),
        ({"name": "Joe", "age": 3}, "$.name"),
        ({"type": "str"}, "$.type"),
        ({"type": []}, "$.type"),
        ({"type": 3}, "$.type"),
        ({"type": "object"}, "$"),
        ({"type": "object", "propertes": {}}, "$.propertes"),
        (obj(a={}), "$.properties.a"),
        (obj(a=True), "$.properties.a"),
        (obj(a="string"), "$.properties.a"),
        (obj(a={"type": "object"}), "$.properties.a"),
        (obj(a={"type": "object", "properties": []}), "$.properties.a.properties"),
        (obj(a={"type": "array"}), "$.properties.a"),
        (obj(a={"type": "array", "items": [{"type": "integer"}]}), "$.properties.a.items"),
        (obj(a={"type": "array", "items": {"not": {}}}), "$.properties.a.items.not"),
        ({**obj(), "required": ["a"]}, "$.required"),
        ({**obj(), "required": True}, "$.required"),
        ({**obj(), "additionalProperties": {"type": "string"}}, "$.additionalProperties"),
        ({**obj(), "patternProperties": {}}, "$.patternProperties"),
        (obj(a={"$ref": "https://a.example/schema"}), "$.properties.a.$ref"),
        (obj(a={"$ref": "#/$defs/gone"}), "$.properties.a.$ref"),
        (obj(a={"$ref": "#"}), "$.properties.a.$ref"),
        (obj(a={"$ref": 3}), "$.properties.a.$ref"),
        (
            {**obj(a={"$ref": "#/$defs/n"}), "$defs": {"n": obj(next={"$ref": "#/$defs/n"})}},
            "$.$defs.n.properties.next.$ref",
        ),
        ({"$ref": "#/$defs/n", "type": "object", "$defs": {"n": obj()}}, "$"),
        (obj(a={"allOf": [{"type": "integer"}, {"type": "integer"}]}), "$.properties.a.allOf"),
        (obj(a={"anyOf": []}), "$.properties.a.anyOf"),
        (obj(a={"anyOf": {"type": "integer"}}), "$.properties.a.anyOf"),
        (obj(a={"anyOf": [{"type": "integer"}], "minimum": 1}), "$.properties.a"),
        (obj(a={"enum": []}), "$.properties.a.enum"),
        (obj(a={"enum": "ab"}), "$.properties.a.enum"),
        (obj(a={"enum": [{}]}), "$.properties.a.enum"),
        (obj(a={"type": "string", "enum": [1]}), "$.properties.a.enum"),
        (obj(a={"type": "integer", "minimum": "0"}), "$.properties.a.minimum"),
        (obj(a={"type": "number", "multipleOf": 0}), "$.properties.a.multipleOf"),
        (obj(a={"type": "string", "minLength": -1}), "$.properties.a.minLength"),
        (obj(a={"type": "string", "format": 1}), "$.properties.a.format"),
        (obj(a={"type": "string", "pattern": "("}), "$.properties.a.pattern"),
        (obj(a={"type": "string", "pattern": 1}), "$.properties.a.pattern"),
        (
            obj(a={"type": "array", "items": {"type": "null"}, "uniqueItems": 1}),
            "$.properties.a.uniqueItems",
        ),
        ({"type": "json_schema"}, "$.type"),
        ({"enum": list(range(1001))}, "$.enum"),
        ({"enum": ["x" * 1000 for _ in range(121)]}, "$.enum"),
        (obj(**{f"p{n}": {"type": "null"} for n in range(5001)}), "$"),
        (nested(11), "$"),
        (dict[str, int], "$.additionalProperties"),
        (tuple[int, str], "$.prefixItems"),
        (Any, "$"),
        (object, "$"),
        (list, "$"),
        (Cat | Dog, "$"),
        (object(), "$"),
        (b"bytes", "$"),
        ({"type": "json_schema", "json_schema": 3}, "$.json_schema"),
        ({"$ref": "#/$defs/a", "$defs": {"a": 3}}, "$.$defs.a"),
        ({"type": "string", "default": {1, object()}}, "$"),
    ],
)
def test_what_is_no_portable_schema_is_refused_with_its_path(ask: Any, path: str) -> None:
    with pytest.raises(SchemaError) as caught:
        output_schema(ask)
    assert caught.value.path == path
    assert path in str(caught.value)


def test_ten_levels_are_allowed() -> None:
    lint(output_schema(nested(10))[0].schema)


@pytest.mark.parametrize("levels", [70, 5_000, 100_000])
def test_a_schema_of_any_depth_is_refused_calmly(levels: int) -> None:
    with pytest.raises(SchemaError):
        output_schema(nested(levels))


def test_a_schema_that_contains_itself_is_refused() -> None:
    ask = obj(a={"type": "integer"})
    ask["properties"]["self"] = ask
    with pytest.raises(SchemaError):
        output_schema(ask)


def test_copies_of_definitions_cannot_explode() -> None:
    defs = {f"d{n}": obj(**{
        f"p{i}": {"$ref": f"#/$defs/d{n + 1}", "description": "x"} for i in range(10)
    }) for n in range(9)}  # fmt: skip
    defs["d9"] = obj(a={"type": "null"})
    with pytest.raises(SchemaError):
        output_schema({"$ref": "#/$defs/d0", "$defs": defs})


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        '\n {"a": 1} \n',
        '\ufeff{"a": 1}',
        '```json\n{"a": 1}\n```',
        '```\n{"a": 1}\n```',
        'Sure! Here it is:\n```json\n{"a": 1}\n```\nAnything else?',
        'A draft:\n```json\n{"b": 1}\n```\nBetter:\n```json\n{"a": 1}\n```',
        'The answer is {"a": 1}.',
        'As in [1], I {think} that [see below] {"a": 1} is right.',
        '<think>{"draft": true}</think>{"a": 1}',
        '```json\n{"a": 1}',
        '```\n{broken}\n```\n{"a": 1}',
    ],
)
def test_json_is_found_in_what_models_wrap_round_it(text: str) -> None:
    assert output_schema(obj(a={"type": "integer"}))[1](text) == {"a": 1}


@pytest.mark.parametrize(
    "text, reason",
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("I cannot do that.", "it is not JSON"),
        ('{"rows": [{"a": 1}, {"a": 2}', "it is not JSON"),  # not the row inside
        ('{"rows": x, "b": {"a": 1}}', "it is not JSON"),
        ('{"text": "cut off {', "it is not JSON"),
        ('{"a": NaN}', "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[1] " * 200, "expected object, got array"),
        ("[see] " * 200 + '{"a": 1}', "it is not JSON"),
    ],
)
def test_an_answer_without_the_json_is_an_error_that_keeps_it(text: str, reason: str) -> None:
    with pytest.raises(OutputError, match=reason) as caught:
        output_schema(obj(a={"type": "integer"}))[1](text)
    assert caught.value.text == text


def test_a_long_broken_answer_does_not_take_long() -> None:
    text = '{"a": [' + "1, " * 1_000_000
    with pytest.raises(OutputError):
        output_schema(obj(a={"type": "array", "items": {"type": "integer"}}))[1](text)


def test_results_are_kept() -> None:
    ask = obj(a={"type": "integer"})
    assert output_schema(ask) is output_schema(copy.deepcopy(ask))
    assert output_schema(Zoo) is output_schema(Zoo)
    before = output_schema(ask)
    ask["properties"]["a"]["type"] = "string"  # a changed dict is another schema
    assert output_schema(ask)[0] != before[0]


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys\n"
        "from llm_orchestrator.engine.structured import output_schema\n"
        "output_schema({'type': 'integer'})[1]('{\"value\": 1}')\n"
        "print([m for m in ('pydantic', 'aiohttp', 'tiktoken', 'jsonschema') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
