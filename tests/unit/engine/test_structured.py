"""Output schemas from types: what goes on the wire and how it comes back."""

import copy
import json
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

import anthropic
import msgspec
import pydantic
import pytest
from openai.lib._pydantic import _ensure_strict_json_schema

from llm_orchestrator.engine.structured import output_schema
from llm_orchestrator.errors import OutputError, SchemaError
from tests.unit.engine.schema_samples import ZOO, Cat, Color, Dog, Movie, Order, Point, Zoo, lint


def test_a_pydantic_model_goes_out_portable_and_comes_back_as_itself() -> None:
    schema, parse = output_schema(Zoo)
    assert schema.name == "Zoo"
    lint(schema.schema)
    zoo = parse(json.dumps(ZOO))
    assert zoo == Zoo(
        pets=[Cat(kind="cat", lives=9), Dog(kind="dog")],
        best=Cat(kind="cat", lives=3),
        opened=date(2024, 1, 2),
    )
    assert zoo.color is Color.RED  # null stood for "left out"


@pytest.mark.parametrize("ask", [Zoo, Order, Movie, list[int], list[Order], Color])
def test_the_official_sdks_send_the_wire_schema_as_it_is(ask: Any) -> None:
    wire = output_schema(ask)[0].schema
    mine = copy.deepcopy(dict(wire))
    assert _ensure_strict_json_schema(copy.deepcopy(mine), path=(), root=mine) == wire
    theirs = anthropic.transform_schema(copy.deepcopy(mine))
    # The one difference: Anthropic's helper leaves the type out where values are listed.
    assert theirs == without_type_beside_enum(mine)


def without_type_beside_enum(value: Any) -> Any:
    if isinstance(value, list):
        return [without_type_beside_enum(item) for item in value]
    if isinstance(value, dict):
        drop = {"type"} if "enum" in value else set()
        return {k: without_type_beside_enum(v) for k, v in value.items() if k not in drop}
    return value


@pytest.mark.parametrize(
    "ask, text, expected",
    [
        (Order, '{"id": 1.0, "tags": null, "place": {"x": 2, "y": null}}', Order(1, [], Point(2))),
        (Point, '{"x": 1, "y": 2}', Point(1, 2)),
        (Movie, '{"title": "M", "year": null}', {"title": "M"}),
        (Movie, '{"title": "M", "year": 1931}', {"title": "M", "year": 1931}),
        (list[int], '{"value": [1, 2]}', [1, 2]),
        (list[int], "[1, 2]", [1, 2]),
        (int | None, '{"value": null}', None),
        (Literal["a", "b"], '{"value": "b"}', "b"),
        (Color, '{"value": "red"}', Color.RED),
        (list[date], '{"value": ["2024-02-29"]}', [date(2024, 2, 29)]),
        (pydantic.TypeAdapter(list[Dog]), '{"value": [{"kind": "dog"}]}', [Dog(kind="dog")]),
        (bool, '{"value": true}', True),
    ],
)
def test_every_kind_of_type(ask: Any, text: str, expected: Any) -> None:
    schema, parse = output_schema(ask)
    lint(schema.schema)
    assert parse(text) == expected


def test_a_list_of_models_is_pointed_to_the_type_adapter() -> None:
    with pytest.raises(SchemaError, match=r"pydantic\.TypeAdapter"):
        output_schema(list[Dog])


def test_types_that_are_no_data_are_refused() -> None:
    class Runs(pydantic.BaseModel):
        job: Callable[[], int]

    class Fails(pydantic.BaseModel):
        @classmethod
        def model_json_schema(cls, *args: Any, **kwargs: Any) -> Any:
            raise ValueError

    class Late(msgspec.Struct):
        other: "Nowhere"  # type: ignore[name-defined] # noqa: F821

    for ask in (Runs, Fails, Late, [Point], {Point: 1}.keys()):
        with pytest.raises(SchemaError) as caught:
            output_schema(ask)
        assert caught.value.path == "$"


def test_bytes_are_told_as_base64() -> None:
    class Blob(msgspec.Struct):
        data: bytes

    schema, parse = output_schema(Blob)
    assert schema.schema["properties"]["data"]["description"] == "(encoded as base64)"
    assert parse('{"data": "aGk="}') == Blob(b"hi")


def test_the_types_own_checks_have_the_last_word() -> None:
    parse = output_schema(Zoo)[1]
    text = json.dumps(ZOO | {"best": {"kind": "cat", "lives": 10}})
    with pytest.raises(OutputError, match="less than or equal to 9") as caught:
        parse(text)
    assert caught.value.path == "$.best.lives"
    assert caught.value.text == text

    class Even(msgspec.Struct):
        n: Annotated[int, msgspec.Meta(multiple_of=2)]

    with pytest.raises(OutputError, match="multiple of 2") as caught:
        output_schema(Even)[1]('{"n": 3}')
    assert caught.value.path == "$.n"


def test_a_validator_that_breaks_does_not_lose_the_answer() -> None:
    class Picky(pydantic.BaseModel):
        a: int

        @pydantic.field_validator("a")
        @classmethod
        def look_up(cls, value: int) -> int:
            table: dict[int, int] = {}
            return table[value]

    with pytest.raises(OutputError) as caught:
        output_schema(Picky)[1]('{"a": 1}')
    assert caught.value.text == '{"a": 1}'
    assert isinstance(caught.value.__cause__, KeyError)
