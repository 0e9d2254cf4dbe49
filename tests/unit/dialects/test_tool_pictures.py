"""Pictures that a tool has shown: as pictures on every wire, never as text."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from llm_orchestrator.dialects import load
from llm_orchestrator.errors import UnsupportedError
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.request import Image, Message, Request, Text, ToolCall, ToolResult
from tests.unit.dialects import bedrock_samples, targets

DATA = "iVBORw0KGgo="
PNG = Image(url=f"data:image/png;base64,{DATA}")
NOTICE = "an image in a tool result was put into the user turn after it"


def of(wire: str) -> Callable[[str | None], Candidate]:
    def target(abilities: str | None = None) -> Candidate:
        row = Provider(name=wire, dialect=wire, base_url="https://api.example")
        return Candidate(row, targets.model(wire, "m", abilities))

    return target


TARGETS: dict[str, Callable[[str | None], Candidate]] = {
    "anthropic": targets.anthropic,
    "openai": targets.openai,
    "gemini": targets.gemini,
    "bedrock": bedrock_samples.bedrock,
    "cohere": of("cohere"),
    "responses": of("responses"),
}
NATIVE = ("anthropic", "bedrock", "responses")


def conversation(*after: Message, text: str = "see") -> Request:
    """Two calls; one has shown something."""
    shown = ((Text(text=text),) if text else ()) + (PNG,)
    return Request(
        messages=(
            Message("user", "q"),
            Message("assistant", (ToolCall(id="a", name="f"), ToolCall(id="b", name="f"))),
            Message("tool", (ToolResult(call_id="a", content=shown),)),
            Message("tool", (ToolResult(call_id="b", content="20"),)),
            *after,
        )
    )


def sent(wire: str, request: Request) -> tuple[dict[str, Any], list[str]]:
    call = load(wire).encode(request, TARGETS[wire](None))
    assert call.body.count(DATA.encode()) == 1
    return json.loads(call.body), list(call.notices)


@pytest.mark.parametrize("wire", TARGETS)
@pytest.mark.parametrize("text", ["see", ""])
def test_no_text_holds_its_bytes(wire: str, text: str) -> None:
    body, notices = sent(wire, conversation(text=text))

    def texts(value: Any, key: str = "") -> list[Any]:
        if isinstance(value, dict):
            return [text for name, one in value.items() for text in texts(one, name)]
        if isinstance(value, list):
            return [text for one in value for text in texts(one, key)]
        return [value] if key in {"text", "content", "output", "input", "result"} else []

    assert not any(DATA in found for found in texts(body) if isinstance(found, str))
    assert (NOTICE in notices) is (wire not in NATIVE)


def test_messages() -> None:
    body, _ = sent("anthropic", conversation())
    source = {"type": "base64", "media_type": "image/png", "data": DATA}
    content = [{"type": "text", "text": "see"}, {"type": "image", "source": source}]
    first = {"type": "tool_result", "tool_use_id": "a", "content": content}
    second = {"type": "tool_result", "tool_use_id": "b", "content": "20"}
    assert body["messages"][2] == {"role": "user", "content": [first, second]}


def test_converse() -> None:
    body, _ = sent("bedrock", conversation())
    result = body["messages"][2]["content"][0]["toolResult"]
    image = {"image": {"format": "png", "source": {"bytes": DATA}}}
    assert result == {"toolUseId": "a", "content": [{"text": "see"}, image]}


def test_responses() -> None:
    body, _ = sent("responses", conversation())
    outputs = [item for item in body["input"] if item.get("type") == "function_call_output"]
    image = {"type": "input_image", "image_url": PNG.url, "detail": "auto"}
    see = {"type": "input_text", "text": "see"}
    assert [one["output"] for one in outputs] == [[see, image], "20"]


def test_chat_completions() -> None:
    """All results stand together, right after the calls; the pictures come after them."""
    body, _ = sent("openai", conversation())
    assert [turn["role"] for turn in body["messages"]] == [
        "user",
        "assistant",
        "tool",
        "tool",
        "user",
    ]
    assert body["messages"][2]["content"] == "see"
    assert body["messages"][4]["content"] == [
        {"type": "text", "text": "What the tool call a has shown:"},
        {"type": "image_url", "image_url": {"url": PNG.url}},
    ]


def test_a_result_without_words_says_where_to_look() -> None:
    body, _ = sent("openai", conversation(text=""))
    assert body["messages"][2]["content"] == "What it has shown follows in the next message."


@pytest.mark.parametrize(
    "after",
    [
        Message("user", "and now?"),
        Message("user", (Text(text="and now?"),)),
        Message("user", (ToolResult(call_id="c", content="21"), Text(text="and now?"))),
    ],
)
def test_the_next_user_turn_takes_the_pictures(after: Message) -> None:
    body, _ = sent("openai", conversation(after))
    *before, last = body["messages"]
    assert [part["type"] for part in last["content"]] == ["text", "image_url", "text"]
    assert last["content"][-1]["text"] == "and now?"
    assert before[-1]["role"] == "tool"


def test_another_turn_does_not() -> None:
    body, _ = sent("openai", conversation(Message("assistant", "nice"), Message("user", "go")))
    roles = [turn["role"] for turn in body["messages"]]
    assert roles == ["user", "assistant", "tool", "tool", "user", "assistant", "user"]


def test_one_turn_with_result_and_words() -> None:
    """As Anthropic's shape has it."""
    turn = Message("user", (ToolResult(call_id="a", content=(PNG,)), Text(text="and now?")))
    calls = Message("assistant", (ToolCall(id="a", name="f"),))
    body, _ = sent("openai", Request(messages=(Message("user", "q"), calls, turn)))
    assert [one["role"] for one in body["messages"]] == ["user", "assistant", "tool", "user"]
    assert [part["type"] for part in body["messages"][3]["content"]] == [
        "text",
        "image_url",
        "text",
    ]


def test_generate_content() -> None:
    body, _ = sent("gemini", conversation())
    *_, results, pictures = body["contents"]
    assert ["functionResponse" in part for part in results["parts"]] == [True, True]
    assert pictures["parts"][1] == {"inlineData": {"mimeType": "image/png", "data": DATA}}


@pytest.mark.parametrize("wire", TARGETS)
def test_a_model_that_sees_nothing(wire: str) -> None:
    with pytest.raises(UnsupportedError, match="images are not supported"):
        load(wire).encode(conversation(), TARGETS[wire]("tools"))


@pytest.mark.parametrize("wire", [wire for wire in TARGETS if wire not in NATIVE])
def test_strict(wire: str) -> None:
    request = conversation()
    strict = Request(messages=request.messages, strict=True)
    with pytest.raises(UnsupportedError, match="an image in a tool result"):
        load(wire).encode(strict, TARGETS[wire](None))
