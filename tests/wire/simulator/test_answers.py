"""What the models say: schemas are satisfied, labels fit, and everything repeats."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_orchestrator.simulator import labels, prose, tokens
from llm_orchestrator.simulator.answers import generate
from llm_orchestrator.simulator.ask import Ask, ToolResult, Turn
from llm_orchestrator.simulator.draw import Draw
from llm_orchestrator.simulator.jsonschema import problem
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.schema import Filler, from_template


@given(st.text())
def test_tokens_join_to_the_text_and_never_outnumber_its_bytes(text: str) -> None:
    parts = tokens.split(text)
    assert "".join(parts) == text
    assert tokens.count(text) == len(parts) <= len(text.encode("utf-8", "replace"))


def test_about_four_characters_a_token() -> None:
    text = prose.words("Tell me about sailing and weather", 500, Draw(1))
    assert len(text.split()) == 500
    assert 3.5 < len(text) / tokens.count(text) < 5


@pytest.mark.parametrize(
    "prompt, answer",
    [
        ("Is this positive, negative or neutral? I love this wonderful place.", "positive"),
        (
            "Classify the sentiment as positive, negative or neutral.\n\nPost: It came broken.",
            "negative",
        ),
        ("Label it as positive, negative or neutral: The shop opens at nine.", "neutral"),
        ("Label it as positive, negative or neutral: It was not good at all.", "negative"),
        ("Classify into one of: billing, shipping, login.\n\nYour shipping costs?", "shipping"),
        ("What is 17 + 25?", "42"),
        ("What is 84 / 2?", "42"),
        ("What is 40 - 82?", "-42"),
        ("Give the sentiment in one word: I love it", "positive"),
        ("Compute 6 × 7", "42"),
    ],
)
def test_labels_and_sums(prompt: str, answer: str) -> None:
    about = re.split(r"\n\n|: |\? ", prompt)[-1]
    assert labels.short(prompt, about, Draw(1)) == answer


def test_a_question_that_wants_prose_gets_prose() -> None:
    assert labels.short("Describe the sea.", "Describe the sea.", Draw(1)) is None


SCHEMAS: dict[str, Any] = {
    "recursive": {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "children": {"type": "array", "items": {"$ref": "#"}},
        },
        "required": ["name", "children"],
    },
    "defs": {
        "type": "object",
        "properties": {"place": {"$ref": "#/$defs/place"}},
        "required": ["place"],
        "$defs": {
            "place": {
                "type": "object",
                "properties": {
                    "lat": {"type": "number", "minimum": -90, "maximum": 90},
                    "zip": {"type": "string", "pattern": "^[0-9]{5}$"},
                    "when": {"type": "string", "format": "date"},
                    "size": {"enum": ["S", "M", "L"]},
                },
                "required": ["lat", "zip", "when", "size"],
            }
        },
    },
    "numbers": {
        "type": "object",
        "properties": {
            "even": {"type": "integer", "multipleOf": 2, "exclusiveMinimum": 2, "maximum": 6},
            "below": {"type": "number", "exclusiveMaximum": 0},
            "score": {"type": "number"},
            "fixed": {"const": 7},
        },
        "required": ["even", "below", "score", "fixed"],
    },
    "texts": {
        "type": "object",
        "properties": {
            "long": {"type": "string", "minLength": 40, "maxLength": 60},
            "code": {"type": "string", "pattern": "^(EN|DE)-\\d{2}$"},
            "maybe": {"type": ["string", "null"]},
            "either": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
        },
        "required": ["long", "code", "maybe", "either", "tags"],
    },
    "merged": {"allOf": [{"type": "object", "properties": {"a": {"type": "boolean"}}}]},
}


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("seed", range(8))
def test_values_satisfy_their_schema(name: str, seed: int) -> None:
    schema = SCHEMAS[name]
    assert problem(schema) is None
    value = Filler(schema, "The train from Porto was wonderful.", Draw(seed)).value()
    json.dumps(value)
    assert violations(value, schema, schema) == []


def violations(value: Any, schema: Any, root: Any) -> list[str]:
    """A judge of the tests' own, for the keywords that the schemas above use."""
    if "$ref" in schema:
        schema = root if schema["$ref"] == "#" else root["$defs"][schema["$ref"].split("/")[-1]]
    for part in schema.get("allOf", []):
        if found := violations(value, part, root):
            return found
    if "anyOf" in schema:
        return [] if any(not violations(value, p, root) for p in schema["anyOf"]) else ["anyOf"]
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
    }
    kind = schema.get("type", [])
    wanted = [kind] if isinstance(kind, str) else kind
    if wanted and not any(isinstance(value, kinds[k]) for k in wanted):
        return [f"{value!r} is no {wanted}"]
    checks: dict[str, Any] = {
        "enum": lambda e: value in e,
        "const": lambda c: value == c,
        "minimum": lambda n: value >= n,
        "maximum": lambda n: value <= n,
        "exclusiveMinimum": lambda n: value > n,
        "exclusiveMaximum": lambda n: value < n,
        "multipleOf": lambda n: value % n == 0,
        "minLength": lambda n: len(value) >= n,
        "maxLength": lambda n: len(value) <= n,
        "minItems": lambda n: len(value) >= n,
        "maxItems": lambda n: len(value) <= n,
        "pattern": lambda p: re.search(p, value),
        "required": lambda names: set(names) <= set(value),
    }
    wrong = [key for key, check in checks.items() if key in schema and not check(schema[key])]
    if isinstance(value, dict):
        for key, part in schema.get("properties", {}).items():
            wrong += violations(value[key], part, root) if key in value else []
    if isinstance(value, list) and "items" in schema:
        wrong += [w for item in value for w in violations(item, schema["items"], root)]
    return wrong


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objekt"},
        {"type": "object", "properties": []},
        {"type": "object", "properties": {"a": 1}},
        {"type": "object", "required": "a"},
        {"type": "array", "items": {"type": "string", "pattern": "("}},
        {"type": "string", "minLength": -1},
        {"type": "number", "multipleOf": 0},
        {"enum": []},
        {"$ref": "#/$defs/nowhere"},
        {"anyOf": {}},
        [],
    ],
)
def test_schemas_that_are_none(schema: Any) -> None:
    assert problem(schema)


def test_a_schema_in_words() -> None:
    schema = json.dumps({"type": "object", "properties": {"city": {"enum": ["Oslo", "Rome"]}}})
    prompt = f"Answer with JSON that fits this schema, like {{so}}:\n{schema}\nWhere is it?"
    value = json.loads(from_template(prompt, "In Rome", Draw(1)))
    assert value["city"] in {"Oslo", "Rome"}
    wrong = from_template('JSON of {"properties": {"city": {"type": "town"}}}', "x", Draw(1))
    assert "city" not in json.loads(wrong)


def test_json_in_words() -> None:
    prompt = 'Reply with JSON: {"mood": "good|bad", "n": 3, "sure": true, "p": 0.5, "who": "..."}'
    value = json.loads(from_template(prompt, "The awful bus", Draw(1)))
    assert value["mood"] == "bad"
    assert isinstance(value["n"], int)
    assert isinstance(value["sure"], bool)
    assert 0 <= value["p"] <= 1
    assert isinstance(value["who"], str)
    named = json.loads(from_template("Answer as JSON with the keys: title, year.", "x", Draw(1)))
    assert set(named) == {"title", "year"}
    assert set(json.loads(from_template("JSON please", "x", Draw(1)))) == {"answer"}


@pytest.mark.parametrize(
    "prompt, length",
    [("Answer in exactly 37 words", 37), ("In 12 words: what is rain?", 12)],
)
def test_asked_for_words(prompt: str, length: int) -> None:
    assert len(said(prompt).split()) == length


@pytest.mark.parametrize(
    "prompt, number",
    [("Describe rain in two sentences", 2), ("Write 4 sentences on snow", 4), ("One sentence", 1)],
)
def test_asked_for_sentences(prompt: str, number: int) -> None:
    assert len(re.findall(r"[.!?](?:\s|$)", said(prompt))) == number


def said(prompt: str, **more: Any) -> str:
    model = Model("openai", "sim-chat", "sim-chat")
    (answer,) = generate(Ask(model, [], [Turn("user", prompt)], **more), seed=1)
    return answer.text


def test_a_strange_beginning_is_continued_with_a_gap() -> None:
    turns = [Turn("user", "Describe the sea"), Turn("assistant", "Whales")]
    ask = Ask(Model("x", "sim-chat", "sim-chat"), [], turns, prefill="Whales")
    (answer,) = generate(ask, seed=1)
    assert answer.text.startswith(" ")
    assert "Whales" not in answer.text


def test_a_failed_tool_is_said() -> None:
    result = ToolResult("c", "boom", is_error=True)
    turns = [Turn("user", "Weather?"), Turn("user", results=[result])]
    (answer,) = generate(Ask(Model("x", "sim-chat", "sim-chat"), [], turns), seed=1)
    assert "failed" in answer.text


def test_draws_repeat_everywhere() -> None:
    draw = Draw("a", 1)
    assert [draw.below(1000) for _ in range(3)] == [812, 789, 711]
