"""From the arguments of a call to a request: what is taken, and what is refused with its place."""

import random
from typing import Any

import pytest

from llm_orchestrator.dialects import load
from llm_orchestrator.engine.compose import compose
from llm_orchestrator.errors import InvalidRequestError, OrchestratorError
from llm_orchestrator.types.request import Message, OutputSchema, Request, Tool, ToolChoice
from tests.unit.dialects import targets


def request(**options: Any) -> Request:
    return compose("Hi", options).request  # type: ignore[arg-type]


def refusal(**options: Any) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        request(**options)
    return caught.value.message


# ------------------------------------------------------------------ what is taken


def test_nothing_is_set_that_was_not_given() -> None:
    assert request() == Request(messages=(Message("user", "Hi"),))


def test_none_leaves_the_choice_to_the_provider() -> None:
    names = ("temperature", "max_tokens", "stop", "tools", "schema", "seed", "extra", "system")
    assert request(**dict.fromkeys(names)) == request()


def test_all_options() -> None:
    found = compose(
        [{"role": "user", "content": "Hi"}],
        {
            "system": "Be kind.",
            "temperature": 0,
            "top_p": 1.0,
            "top_k": 1,
            "max_tokens": 1,
            "stop": "END",
            "seed": -1,
            "effort": "xhigh",
            "frequency_penalty": -2,
            "presence_penalty": 2.0,
            "service_tier": "flex",
            "user": "u",
            "parallel_tool_calls": False,
            "extra": {"logprobs": True},
        },
        stream=True,
        strict=True,
    ).request
    assert found == Request(
        messages=(Message("system", "Be kind."), Message("user", "Hi")),
        stream=True,
        strict=True,
        temperature=0,
        top_p=1.0,
        top_k=1,
        max_tokens=1,
        stop=("END",),
        seed=-1,
        effort="xhigh",
        frequency_penalty=-2,
        presence_penalty=2.0,
        service_tier="flex",
        user="u",
        parallel_tool_calls=False,
        extra={"logprobs": True},
    )


@pytest.mark.parametrize(
    "stop, expected",
    [("a", ("a",)), (["a", "b"], ("a", "b")), (("a",), ("a",)), ([], []), ("", "")],
)
def test_stops(stop: Any, expected: Any) -> None:
    assert request(stop=stop).stop == expected


SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}


@pytest.mark.parametrize(
    "tool",
    [
        Tool("f", "does", SCHEMA),
        {
            "type": "function",
            "function": {"name": "f", "description": "does", "parameters": SCHEMA},
        },
        {"name": "f", "description": "does", "parameters": SCHEMA},
        {"name": "f", "description": "does", "input_schema": SCHEMA},
    ],
)
def test_tools_of_both_makers(tool: Any) -> None:
    assert request(tools=[tool]).tools == (Tool("f", "does", SCHEMA),)


def test_flags_of_tools() -> None:
    (tool,) = request(
        tools=[{"name": "f", "strict": True, "cache_control": {"type": "ephemeral"}}]
    ).tools
    assert tool == Tool("f", "", {"type": "object", "properties": {}}, strict=True, cache="5m")


@pytest.mark.parametrize(
    "choice, expected",
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ("any", ToolChoice("required")),
        ("f", ToolChoice("required", "f")),
        ({"type": "auto"}, ToolChoice("auto")),
        ({"type": "any"}, ToolChoice("required")),
        ({"type": "tool", "name": "f"}, ToolChoice("required", "f")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("required", "f")),
        (ToolChoice("required", "f"), ToolChoice("required", "f")),
    ],
)
def test_choices_of_both_makers(choice: Any, expected: ToolChoice) -> None:
    assert request(tools=[{"name": "f"}], tool_choice=choice).tool_choice == expected


def test_a_schema_brings_its_parser() -> None:
    composed = compose("Hi", {"schema": SCHEMA})
    assert isinstance(composed.request.schema, OutputSchema)
    assert composed.parse is not None
    assert composed.parse('{"x": 3}') == {"x": 3}
    assert compose("Hi", {}).parse is None


def test_the_callers_strictness_wins() -> None:
    assert compose("Hi", {"strict": False}, strict=True).request.strict is False
    assert compose("Hi", {}, strict=True).request.strict is True


# ------------------------------------------------------------------ what is refused


def test_a_misspelt_option_names_those_that_there_are() -> None:
    with pytest.raises(TypeError, match=r"max_token'.*max_tokens"):
        request(max_token=5)


REFUSED = [
    ("temperature", -0.1),
    ("temperature", 2.1),
    ("temperature", float("nan")),
    ("temperature", float("inf")),
    ("temperature", "1"),
    ("temperature", True),
    ("top_p", 1.1),
    ("frequency_penalty", -3),
    ("presence_penalty", 3),
    ("max_tokens", 0),
    ("max_tokens", 1.0),
    ("max_tokens", "9"),
    ("max_tokens", True),
    ("top_k", 0),
    ("effort", "huge"),
    ("effort", ["low"]),
    ("seed", "7"),
    ("seed", 1.5),
    ("stop", 5),
    ("stop", [1]),
    ("stop", {"a": 1}),
    ("stop", "\ud800"),
    ("tools", {"name": "f"}),
    ("tools", 5),
    ("tools", ["f"]),
    ("tools", [{}]),
    ("tools", [{"name": ""}]),
    ("tools", [{"function": "f"}]),
    ("tools", [{"name": "f", "parameters": "x"}]),
    ("tools", [{"name": "f", "parameters": {"x": object()}}]),
    ("tools", [{"name": "f", "description": 5}]),
    ("tools", [{"name": "\ud800"}]),
    ("tool_choice", "g"),
    ("tool_choice", 5),
    ("tool_choice", {"type": "tool"}),
    ("parallel_tool_calls", "no"),
    ("strict", 1),
    ("user", 5),
    ("user", "\ud800"),
    ("service_tier", ["flex"]),
    ("extra", [1]),
    ("extra", {"x": object()}),
    ("extra", {"x": "\ud800"}),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_what_is_wrong_is_refused_by_its_name(name: str, value: Any) -> None:
    assert refusal(**{name: value}).startswith(name)


def test_what_refers_to_itself() -> None:
    extra: dict[str, Any] = {}
    extra["me"] = extra
    assert refusal(extra=extra).startswith("extra")


# ------------------------------------------------------------------ anything at all

ODD: list[Any] = [
    True,
    0,
    -1,
    2**70,
    1.5,
    "",
    "text",
    "\ud800",
    [],
    {},
    [None],
    {"a": 1},
    {1: 2},
    b"bytes",
    object(),
    {1},
    lambda: 1,
]
GOOD: dict[str, Any] = {
    "system": "S",
    "temperature": 1,
    "top_p": 0.5,
    "top_k": 3,
    "max_tokens": 5,
    "stop": ["a"],
    "seed": 1,
    "effort": "low",
    "tools": [
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True},
        }
    ],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": True,
    "schema": SCHEMA,
    "service_tier": "flex",
    "user": "u",
    "extra": {"a": [1]},
}


def odd(value: Any, rng: random.Random) -> Any:
    """The value with one of its parts replaced."""
    if rng.random() < 0.15:
        return rng.choice(ODD)
    if isinstance(value, dict) and value:
        key = rng.choice(list(value))
        return value | {key: odd(value[key], rng)}
    if isinstance(value, list) and value:
        return [odd(value[0], rng), *value[1:]]
    return rng.choice(ODD)


def test_anything_is_sent_or_refused_in_our_words() -> None:
    sent = refused = 0
    for seed in range(3000):
        rng = random.Random(seed)
        options = dict(GOOD)
        for name in rng.sample(sorted(GOOD), 2):
            options[name] = odd(GOOD[name], rng)
        try:
            made = compose("Hi", options).request  # type: ignore[arg-type]
            for wire, target in (("openai", targets.openai()), ("anthropic", targets.anthropic())):
                load(wire).encode(made, target)
            sent += 1
        except OrchestratorError as error:
            refused += bool(error.message)
        except Exception as error:
            error.add_note(f"seed {seed}: {options!r}")
            raise
    assert sent > 100
    assert refused > 100


def test_a_tool_may_be_kept_for_an_hour() -> None:
    tool = {"name": "f", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert [one.cache for one in compose("x", {"tools": [tool]}).request.tools] == ["1h"]
    with pytest.raises(InvalidRequestError, match=r"tools\[0\]"):
        compose("x", {"tools": [{"name": "f", "cache_control": {"ttl": "2h"}}]})
