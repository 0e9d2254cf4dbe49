"""Details of thoughts that a router wants back: kept with the thoughts, returned as they came."""

import json
from typing import Any

import pytest

from llm_orchestrator.dialects import openai
from llm_orchestrator.types.request import Message, Part, Reasoning, Request, Text, ToolCall
from tests.unit.dialects import targets
from tests.unit.dialects.feeding import Outcome, feed

TARGET = targets.openai(reasoning_details=True)
DETAILS = [
    {"type": "reasoning.text", "text": "hm, x", "signature": "s=", "index": 0, "format": "f"},
    {"type": "reasoning.encrypted", "data": "c2VhbGVk", "id": None, "index": 1},
]
CALL = {"id": "a", "function": {"name": "f", "arguments": "{}"}}


def parts(target: Any = TARGET, **turn: Any) -> tuple[Part, ...]:
    body = {"choices": [{"message": {"content": "Hi"} | turn, "finish_reason": "stop"}]}
    return openai.decode(targets.reply(200, json.dumps(body)), target).parts


def streamed(*deltas: dict[str, Any]) -> Outcome:
    chunks: list[Any] = [{"choices": [{"delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    data = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    return feed(openai, TARGET, data)


def sent(answer: tuple[Part, ...], target: Any = TARGET) -> tuple[dict[str, Any], list[str]]:
    messages = (Message("user", "q"), Message("assistant", answer), Message("user", "r"))
    call = openai.encode(Request(messages=messages), target)
    turn: dict[str, Any] = json.loads(call.body)["messages"][1]
    return turn, list(call.notices)


@pytest.mark.parametrize("more", [{}, {"content": None, "tool_calls": [CALL]}])
def test_they_go_back_as_they_came(more: dict[str, Any]) -> None:
    answer = parts(reasoning="hm, x", reasoning_details=DETAILS, **more)
    assert isinstance(answer[0], Reasoning)
    assert answer[0].text == "hm, x"
    turn, notices = sent(answer)
    assert (turn["reasoning_details"], notices) == (DETAILS, [])


def test_details_without_text() -> None:
    answer = parts(reasoning_details=DETAILS)
    assert [type(part) for part in answer] == [Reasoning, Text]
    assert sent(answer)[0]["reasoning_details"] == DETAILS


def test_of_a_stream_they_are_put_together() -> None:
    out = streamed(
        {
            "reasoning": "hm",
            "reasoning_details": [
                {"type": "reasoning.text", "text": "hm", "index": 0, "format": "f"}
            ],
        },
        {
            "reasoning": ", x",
            "reasoning_details": [{"type": "reasoning.text", "text": ", x", "index": 0}],
        },
        {
            "reasoning_details": [
                {"type": "reasoning.text", "text": "", "signature": "s=", "index": 0},
                DETAILS[1],
            ]
        },
        {"content": "Hi"},
        {"tool_calls": [CALL | {"index": 0}]},
    )
    answer = out.response.parts
    assert [type(part) for part in answer] == [Reasoning, Text, ToolCall]
    assert sent(answer)[0]["reasoning_details"] == DETAILS


def test_sealed_blocks_are_not_joined() -> None:
    sealed = {"type": "reasoning.encrypted", "data": "a", "index": 0}
    out = streamed({"reasoning_details": [sealed]}, {"reasoning_details": [sealed | {"data": "b"}]})
    found = sent(out.response.parts)[0] if out.response.parts else {}
    turn = found.get("reasoning_details")
    assert turn is None or [block["data"] for block in turn] == ["a", "b"]


@pytest.mark.parametrize("details", [None, [], {}, "x", 3])
def test_what_are_none(details: Any) -> None:
    assert parts(reasoning_details=details) == (Text(text="Hi"),)
    assert streamed({"reasoning_details": details, "content": "Hi"}).response.parts == (
        Text(text="Hi"),
    )


def test_servers_without_them_are_left_alone() -> None:
    plain = targets.openai()
    assert parts(plain, reasoning_details=DETAILS) == (Text(text="Hi"),)
    turn, notices = sent(parts(reasoning_details=DETAILS), plain)
    assert "reasoning_details" not in turn
    assert len(notices) == 1


@pytest.mark.parametrize(
    "signature", ["sig==", "gemini:x", "reasoning_details:%%", "reasoning_details:bm9uZQ=="]
)
def test_what_is_not_ours_does_not_go_there(signature: str) -> None:
    turn, notices = sent((Reasoning(text="hm", signature=signature), Text(text="Hi")))
    assert "reasoning_details" not in turn
    assert len(notices) == 1
