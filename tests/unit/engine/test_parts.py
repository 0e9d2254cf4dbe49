"""Parts of messages: what tools have answered, objects of ours, and what is refused in them."""

from typing import Any

import pytest

from llm_orchestrator.engine.messages import read_messages
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.types.request import (
    Image,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)

DATA = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
PNG = f"data:image/png;base64,{DATA}"
BLOCK = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}}
DEEP = "[" * 100_000 + "]" * 100_000


def read(*messages: Any) -> tuple[Message, ...]:
    return read_messages(messages, None, [])


def result(content: Any) -> Any:
    """What a tool's answer is read as; the same in both shapes and from objects of ours."""
    user = Message("user", "q")
    block = {"type": "tool_result", "tool_use_id": "t", "content": content}
    found: list[Any] = []
    for message in (
        {"role": "user", "content": [block]},
        {"role": "tool", "tool_call_id": "t", "content": content},
        Message("tool", (ToolResult(call_id="t", content=content),)),
    ):
        part: Any = read(user, message)[1].content[0]
        assert (type(part), part.call_id) == (ToolResult, "t")
        found.append(part.content)
    assert found[0] == found[1] == found[2]
    return found[0]


# ------------------------------------------------------------------ what a tool has answered


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, ""),
        ("20 degrees", "20 degrees"),
        ([], ""),
        ([{"type": "text", "text": "20"}, {"type": "text", "text": " degrees"}], "20 degrees"),
        ([{"text": "20"}], "20"),
        ([Text(text="20")], "20"),
        ({"degrees": 20}, '{"degrees":20}'),
        ([20, 21], "[20,21]"),
        (["20", "21"], '["20","21"]'),
        ([{"degrees": 20}], '[{"degrees":20}]'),
        ([{"type": "weather", "text": "20"}], '[{"type":"weather","text":"20"}]'),
        ([{"type": ["weather"], "text": "20"}], '[{"type":["weather"],"text":"20"}]'),
        (20, "20"),
    ],
)
def test_text_and_data(content: Any, expected: str) -> None:
    assert result(content) == expected


@pytest.mark.parametrize(
    "picture", [BLOCK, {"type": "image_url", "image_url": {"url": PNG}}, Image(url=PNG)]
)
def test_pictures_stay_pictures(picture: Any) -> None:
    assert result([{"type": "text", "text": "see"}, picture]) == (Text(text="see"), Image(url=PNG))
    assert result([picture]) == (Image(url=PNG),)


def test_a_marked_text_stays_a_part() -> None:
    marked = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}
    assert result([marked]) == (Text(text="long", cache="5m"),)


@pytest.mark.parametrize(
    ("content", "at"),
    [
        ([{"type": "document", "source": {}}], "content[0].type"),
        ([{"type": "input_audio", "input_audio": {}}], "content[0].type"),
        ([BLOCK, {"degrees": 20}], "content: beside images"),
        ([{"type": "image"}], "content[0]: an image needs"),
        ([Image(url="data:image/png;base64,SGVsbG8sIHdvcmxk")], "content[0]: this is not an image"),
        ("\ud800", "content: character 0"),
        ([{"type": "text", "text": "\ud800"}], "content[0].text: character 0"),
        ({"\ud800": 1}, "content: this cannot be written as JSON"),
        ({1, object()}, "content: this cannot be written as JSON"),
    ],
)
def test_what_no_tool_can_answer(content: Any, at: str) -> None:
    for message in (
        {"role": "tool", "tool_call_id": "t", "content": content},
        Message("tool", (ToolResult(call_id="t", content=content),)),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            read(Message("user", "q"), message)
        assert caught.value.message.startswith("messages[1].content")
        assert at in caught.value.message


# ------------------------------------------------------------------ messages of ours are checked


def test_they_may_hold_a_list() -> None:
    given: Any = [Text(text="x"), "y", {"type": "text", "text": "z"}]
    texts = tuple(Text(text=text) for text in "xyz")
    assert read(Message("user", given)) == (Message("user", texts),)


@pytest.mark.parametrize(
    ("message", "at"),
    [
        (Message("bot", "x"), "messages[0].role: 'bot' is none of"),  # type: ignore[arg-type]
        (Message(["user"], "x"), "messages[0].role"),  # type: ignore[arg-type]
        (Message("user", "\ud800"), "messages[0].content: character 0"),
        (Message("user", None), "messages[0].content: expected a text or"),  # type: ignore[arg-type]
        (Message("user", ()), "messages[0].content is missing"),
        (Message("user", "x", 5), "messages[0].name: expected a text, got int"),  # type: ignore[arg-type]
        (Message("user", (Text(text=5),)), "messages[0].content[0].text"),  # type: ignore[arg-type]
        (Message("user", (Image(url="\ud800"),)), "messages[0].content[0].url"),
        (Message("user", (7,)), "messages[0].content[0]: expected a part"),  # type: ignore[arg-type]
        (Message("assistant", (Reasoning(text="\ud800"),)), "messages[0].content[0].text"),
        (Message("assistant", (Reasoning(signature="\ud800"),)), ".content[0].signature"),
        (Message("assistant", (ToolCall(id="\ud800", name="f"),)), ".content[0].id"),
        (Message("assistant", (ToolCall(id="t", name=3),)), ".content[0].name"),  # type: ignore[arg-type]
    ],
)
def test_what_is_wrong_in_them(message: Message, at: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read(message, Message("user", "q"))
    assert at in caught.value.message


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ('{"a": ', "are no JSON:"),
        ("[1]", "are no JSON object"),
        ('{"a": "\ud800"}', "no valid Unicode"),
        (f'{{"a": {DEEP}}}', "are no JSON: "),
    ],
)
def test_the_arguments_of_a_tool_call(arguments: str, reason: str) -> None:
    """In all the ways to write one."""
    function = {"name": "f", "arguments": arguments}
    for message in (
        Message("assistant", (ToolCall(id="t", name="f", arguments=arguments),)),
        {"role": "assistant", "tool_calls": [{"id": "t", "function": function}]},
        {"role": "assistant", "tool_calls": [ToolCall(id="t", name="f", arguments=arguments)]},
        {"role": "assistant", "content": [{"type": "tool_call", "id": "t"} | function]},
    ):
        with pytest.raises(InvalidRequestError, match=reason):
            read(Message("user", "q"), message)


def test_arguments_that_cannot_be_written() -> None:
    for value in ({"a": object()}, {"a": "\ud800"}):
        call = {"type": "tool_use", "id": "t", "name": "f", "input": value}
        with pytest.raises(InvalidRequestError, match="cannot be written as JSON"):
            read(Message("user", "q"), {"role": "assistant", "content": [call]})


def test_no_arguments_are_an_empty_object() -> None:
    call = ToolCall(id="t", name="f", arguments="")
    found: Any = read(Message("user", "q"), Message("assistant", (call,)))[1].content[0]
    assert found.arguments == "{}"


@pytest.mark.parametrize(
    "message",
    [
        {"role": ["user"], "content": "x"},
        {"role": {}, "content": [{"type": "text", "text": "x"}]},
        {"role": "user", "content": "x", "name": 5},
        {"role": "user", "content": "x", "name": "\ud800"},
        {"role": "assistant", "tool_calls": 5},
        {"role": "assistant", "tool_calls": "f"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "\ud800", "name": "f"}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "\ud800"}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": 5}]},
        {"role": "assistant", "content": [{"type": ["text"], "text": "x"}]},
        {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": 5}]},
        {"role": "tool", "tool_call_id": "\ud800", "content": "x"},
    ],
)
def test_odd_dictionaries(message: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"messages\[1\]"):
        read({"role": "user", "content": "q"}, message)
