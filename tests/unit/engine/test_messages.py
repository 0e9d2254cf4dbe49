"""From the messages that people write to ours: both makers' shapes, and anything that is none."""

import random
from typing import Any

import pytest

from llm_orchestrator.dialects import load
from llm_orchestrator.engine.compose import compose
from llm_orchestrator.engine.messages import read_messages
from llm_orchestrator.errors import InvalidRequestError, OrchestratorError
from llm_orchestrator.types.request import (
    Image,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from tests.unit.dialects import targets

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
DATA = f"data:image/png;base64,{PIXEL}"
HI = {"role": "user", "content": "Hi"}


def read(messages: Any, system: Any = None) -> tuple[Message, ...]:
    return read_messages(messages, system, [])


def parts(*content: Any, role: str = "user") -> Any:
    """The parts of one message as we have them."""
    *_, last = read([HI, {"role": role, "content": list(content)}])
    return last.content


def refusal(messages: Any, system: Any = None) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        read(messages, system)
    return caught.value.message


# ------------------------------------------------------------------ turns


@pytest.mark.parametrize(
    "messages",
    [
        "Hi",
        HI,
        [HI],
        (HI,),
        iter([HI]),
        Message("user", "Hi"),
        [Message("user", "Hi")],
        [{"role": "user", "content": "Hi", "name": None}],
    ],
)
def test_one_user_turn(messages: Any) -> None:
    assert read(messages) == (Message("user", "Hi"),)


def test_roles_and_names() -> None:
    found = read(
        [
            {"role": "developer", "content": "d"},
            {"role": "user", "content": "Grüße 漢字 🙂", "name": "ann"},
            {"role": "assistant", "content": "b"},
        ],
        system="s",
    )
    assert found == (
        Message("system", "s"),
        Message("system", "d"),
        Message("user", "Grüße 漢字 🙂", "ann"),
        Message("assistant", "b"),
    )


def test_tool_calls_of_openai() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
    found = read(
        [
            HI,
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "a", "content": "20"},
        ]
    )
    assert found[1:] == (
        Message("assistant", (ToolCall(id="a", name="f", arguments='{"x": 1}'),)),
        Message("tool", (ToolResult(call_id="a", content="20"),)),
    )


def test_text_beside_tool_calls() -> None:
    call = {"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}
    found = read([HI, {"role": "assistant", "content": "Wait", "tool_calls": [call]}])
    assert found[1].content == (
        Text(text="Wait"),
        ToolCall(id="a", name="f", arguments='{"x":1}'),
    )


def test_tool_blocks_of_anthropic() -> None:
    use = {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}
    assert parts(use, role="assistant") == (ToolCall(id="a", name="f", arguments='{"x":1}'),)
    result = {"type": "tool_result", "tool_use_id": "a", "is_error": True}
    texts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert parts(result | {"content": "20"}) == (
        ToolResult(call_id="a", content="20", is_error=True),
    )
    assert parts(result | {"content": texts})[0].content == "ab"
    assert parts(result)[0].content == ""
    found = read([HI, {"role": "user", "content": [result, {"type": "text", "text": "and?"}]}])
    assert found[1].role == "user"


def test_results_that_are_no_text_are_json() -> None:
    message = {"role": "tool", "tool_call_id": "a", "content": {"temperature": 20}}
    assert read([HI, message])[1].content == (
        ToolResult(call_id="a", content='{"temperature":20}'),
    )


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": DATA}},
        {"type": "image_url", "image_url": DATA},
        {"type": "input_image", "image_url": DATA},
        {"type": "image", "url": DATA},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
        },
        {"type": "image", "source": {"type": "url", "url": DATA}},
        Image(url=DATA),
    ],
)
def test_images_of_all_shapes(part: Any) -> None:
    assert parts(part) == (Image(url=DATA),)


def test_details_and_thoughts_and_markers() -> None:
    image = {"type": "image_url", "image_url": {"url": DATA, "detail": "low"}}
    assert parts(image) == (Image(url=DATA, detail="low"),)
    thoughts = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "xyz"},
    ]
    assert parts(*thoughts, role="assistant") == (
        Reasoning(text="hm", signature="s"),
        Reasoning(redacted="xyz"),
    )
    text = {"type": "text", "text": "a"}
    hour = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert parts(text | hour)[0].cache == "1h"
    assert parts(text | {"cache_control": {"type": "ephemeral"}})[0].cache == "5m"
    assert parts(text | {"cache": True})[0].cache == "5m"
    assert parts(text)[0].cache is None


def test_parts_of_ours_and_plain_texts() -> None:
    assert parts("a", Text(text="b")) == (Text(text="a"), Text(text="b"))


# ------------------------------------------------------------------ what is refused

REFUSED: list[tuple[Any, str]] = [
    ([], "empty"),
    ("", "empty"),
    ("  \n", "empty"),
    (None, "messages"),
    (5, "messages"),
    ([{"role": "system", "content": "s"}], "empty"),
    ([{"role": "user", "content": " "}], "empty"),
    (["Hi"], "messages[0]"),
    ([HI, 5], "messages[1]"),
    ([{}], "messages[0].role"),
    ([{"role": "robot", "content": "x"}], "messages[0].role"),
    ([{"role": ["user"], "content": "x"}], "messages[0].role"),
    ([{"role": "user"}], "messages[0].content"),
    ([{"role": "user", "content": 5}], "messages[0].content"),
    ([{"role": "user", "content": b"bytes"}], "messages[0].content"),
    ([{"role": "user", "content": [5]}], "messages[0].content[0]"),
    ([{"role": "user", "content": ["a", {"type": "video"}]}], "messages[0].content[1].type"),
    ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content[0].text"),
    ([{"role": "user", "content": [{"type": "image_url"}]}], "messages[0].content[0]"),
    ([{"role": "user", "content": "x", "name": 5}], "messages[0].name"),
    ([{"role": "tool", "content": "x"}], "messages[0].tool_call_id"),
    ([{"role": "assistant", "tool_calls": "f"}], "messages[0].tool_calls"),
    ([{"role": "assistant", "tool_calls": [{}]}], "messages[0].tool_calls[0]"),
    (
        [{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}],
        "messages[0].tool_calls[0].id",
    ),
    (
        [
            {
                "role": "assistant",
                "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{"}}],
            }
        ],
        "messages[0].tool_calls[0]",
    ),
    ([{"role": "user", "content": "\ud800"}], "messages[0].content"),
    ([{"role": "user", "content": "ok \ud800"}], "messages[0].content"),
    ("\udfff", "messages"),
    (
        [{"role": "user", "content": [{"type": "image", "url": DATA, "detail": 5}]}],
        "messages[0].content[0].detail",
    ),
    ([{"role": "user", "content": [{"type": "text", "text": "\ud800"}]}], "messages[0].content[0]"),
]


@pytest.mark.parametrize(("messages", "place"), REFUSED)
def test_what_is_wrong_is_refused_with_its_place(messages: Any, place: str) -> None:
    assert place in refusal(messages)


@pytest.mark.parametrize("system", [5, b"s", ["s"], "\ud800"])
def test_a_system_prompt_that_is_none(system: Any) -> None:
    assert "system" in refusal("Hi", system)


# ------------------------------------------------------------------ anything at all

ODD: list[Any] = [
    None,
    True,
    0,
    2**70,
    1.5,
    float("nan"),
    "",
    "text",
    "\ud800",
    "user",
    "tool",
    [],
    {},
    [None],
    [[]],
    {"a": 1},
    {"type": "text", "text": "x"},
    {"type": ["text"]},
    {1: 2},
    ("a",),
    b"bytes",
    object(),
    {1},
    lambda: 1,
]
GOOD: list[dict[str, Any]] = [
    {"role": "system", "content": "s"},
    {
        "role": "user",
        "name": "ann",
        "content": [
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
            {"type": "image_url", "image_url": {"url": DATA, "detail": "low"}},
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
            },
        ],
    },
    {
        "role": "assistant",
        "content": "x",
        "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "a", "content": "20"},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "h", "signature": "s"},
            {"type": "tool_use", "id": "b", "name": "f", "input": {"x": 1}},
        ],
    },
    {
        "role": "user",
        "content": [
            {
                "type": "tool_result",
                "tool_use_id": "b",
                "content": [{"type": "text", "text": "z"}],
            }
        ],
    },
]


def odd(value: Any, rng: random.Random) -> Any:
    """The value with one of its parts replaced."""
    if rng.random() < 0.1:
        return rng.choice(ODD)
    if isinstance(value, dict) and value:
        key = rng.choice(list(value))
        return value | {key: odd(value[key], rng)}
    if isinstance(value, list) and value:
        place = rng.randrange(len(value))
        return [*value[:place], odd(value[place], rng), *value[place + 1 :]]
    return rng.choice(ODD)


def test_anything_is_sent_or_refused_in_our_words() -> None:
    sent = refused = 0
    for seed in range(3000):
        messages = odd(GOOD, random.Random(seed))
        try:
            made = compose(messages, {}).request
            for wire, target in (("openai", targets.openai()), ("anthropic", targets.anthropic())):
                load(wire).encode(made, target)
            sent += 1
        except OrchestratorError as error:
            refused += bool(error.message)
        except Exception as error:
            error.add_note(f"seed {seed}: {messages!r}")
            raise
    assert sent > 100
    assert refused > 100
