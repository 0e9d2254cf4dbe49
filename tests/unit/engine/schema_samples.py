"""Types of all kinds, and a judge of wire schemas, for the tests of structured output."""

import enum
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
import pydantic


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]
    lives: int = pydantic.Field(9, ge=0, le=9, description="How many are left.")


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]
    name: str | None = None


class Zoo(pydantic.BaseModel):
    pets: list[Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]]
    best: Cat = pydantic.Field(description="The best of them.")
    other: Cat | None = None
    opened: date
    color: Color = Color.RED


class Point(msgspec.Struct):
    x: int
    y: int = 7


@dataclass
class Order:
    id: int
    tags: list[str] = field(default_factory=list)
    place: Point | None = None


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


ZOO = {
    "pets": [{"kind": "cat", "lives": None}, {"kind": "dog", "name": None}],
    "best": {"kind": "cat", "lives": 3},
    "other": None,
    "opened": "2024-01-02",
    "color": None,
}


def obj(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def lint(wire: Any, defs: set[str] | None = None) -> None:
    """The subset, written down a second time: fails on anything that is not in it."""
    if defs is None:
        assert wire["type"] == "object"
        defs = set(wire.get("$defs", {}))
        for name, schema in wire.get("$defs", {}).items():
            assert name.replace("_", "").replace("-", "").isalnum()
            lint(schema, defs)
    keys = set(wire) - {"title", "description", "$defs"}
    if "$ref" in wire:
        assert wire.keys() == {"$ref"}
        assert wire["$ref"].removeprefix("#/$defs/") in defs
    elif "anyOf" in wire:
        assert keys == {"anyOf"}
        assert wire["anyOf"]
        for branch in wire["anyOf"]:
            lint(branch, defs)
    elif wire["type"] == "object":
        assert keys == {"type", "properties", "required", "additionalProperties"}
        assert wire["additionalProperties"] is False
        assert wire["required"] == list(wire["properties"])
        for schema in wire["properties"].values():
            lint(schema, defs)
    elif wire["type"] == "array":
        assert keys == {"type", "items"}
        lint(wire["items"], defs)
    else:
        assert wire["type"] in {"string", "number", "integer", "boolean", "null"}
        assert keys <= {"type", "enum"}
        if "enum" in wire:
            assert wire["type"] in {"string", "number", "integer"}
