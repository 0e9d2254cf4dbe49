"""Requests for Responses: what is sent, dropped, translated and refused."""

import json
from typing import Any

import pytest

from llm_orchestrator.dialects import responses
from llm_orchestrator.errors import UnsupportedError
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import (
    Image,
    Message,
    OutputSchema,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tests.unit.dialects import targets

HI = (Message("user", "Hi"),)
TOOL = Tool("f", "does", {"type": "object"})
SCHEMA = OutputSchema("out", {"type": "object", "properties": {}})


def sent(target: Candidate | None = None, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    """The body and the notices."""
    request = Request(**({"messages": HI} | fields))
    call = responses.encode(request, target or targets.responses())
    return json.loads(call.body), list(call.notices)


def items(*messages: Message) -> list[dict[str, Any]]:
    """The input on the wire; nothing may be dropped."""
    body, notices = sent(messages=messages)
    assert notices == []
    found: list[dict[str, Any]] = body["input"]
    return found


def test_nothing_is_sent_that_was_not_asked_for_and_nothing_kept() -> None:
    body = {"model": "gpt-x", "input": [{"role": "user", "content": "Hi"}], "store": False}
    assert sent() == (body, [])
    assert sent(stream=True) == (body | {"stream": True}, [])
    assert "store" not in sent(targets.responses(unsupported=frozenset(("store",))))[0]
    assert sent(extra={"store": True})[0]["store"] is True


def test_system_prompts_are_instructions_and_later_ones_turns() -> None:
    body, notices = sent(
        messages=(
            Message("system", "a"),
            Message("system", (Text(text="b"),)),
            *HI,
            Message("system", "c"),
        )
    )
    assert body["instructions"] == "a\n\nb"
    assert [turn["role"] for turn in body["input"]] == ["user", "system"]
    assert notices == []


def test_content() -> None:
    image = Image(url="https://e.x/a.png")
    assert items(Message("user", (Text(text="a"), Text(text="b"))))[0]["content"] == "ab"
    assert items(Message("user", (Text(text="a"), image)))[0]["content"] == [
        {"type": "input_text", "text": "a"},
        {"type": "input_image", "image_url": "https://e.x/a.png", "detail": "auto"},
    ]
    with pytest.raises(UnsupportedError, match="images"):
        sent(targets.responses("sampling"), messages=(Message("user", (image,)),))


def test_turns_with_tools_become_items_in_their_order() -> None:
    found = items(
        *HI,
        Message(
            "assistant",
            (
                Reasoning(text="hm", signature="responses:rs_1.sealed"),
                Text(text="Let me see."),
                ToolCall(id="c1", name="f", arguments='{"x":1}'),
                ToolCall(id="c2", name="f"),
            ),
        ),
        Message(
            "tool",
            (
                ToolResult(call_id="c1", content="1"),
                ToolResult(call_id="c2", content="no", is_error=True),
            ),
        ),
    )
    assert found[1:] == [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "sealed",
        },
        {"role": "assistant", "content": "Let me see."},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"x":1}'},
        {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {"type": "function_call_output", "call_id": "c2", "output": "Error: no"},
    ]


@pytest.mark.parametrize(
    "foreign",
    [
        Reasoning(text="hm"),
        Reasoning(signature="sig=="),
        Reasoning(signature="gemini:sig"),
        Reasoning(redacted="r"),
    ],
)
def test_thoughts_of_others_are_dropped_and_said(foreign: Reasoning) -> None:
    turn = Message("assistant", (foreign, Text(text="yes")))
    body, notices = sent(messages=(*HI, turn))
    assert body["input"][1:] == [{"role": "assistant", "content": "yes"}]
    assert len(notices) == 1


def test_names_and_markers_are_dropped_and_said() -> None:
    marked = Message("user", (Text(text="Hi", cache="5m"),), "ann")
    body, notices = sent(messages=(marked,), tools=(Tool("f", cache="1h"),))
    assert body["input"] == [{"role": "user", "content": "Hi"}]
    assert len(notices) == 3


@pytest.mark.parametrize(
    "name, value, wire, expected",
    [
        ("max_tokens", 9, "max_output_tokens", 9),
        ("temperature", 0.5, "temperature", 0.5),
        ("top_p", 0.5, "top_p", 0.5),
        ("user", "u", "user", "u"),
        ("service_tier", "flex", "service_tier", "flex"),
        ("effort", "low", "reasoning", {"effort": "low"}),
    ],
)
def test_parameters(name: str, value: Any, wire: str, expected: Any) -> None:
    body, notices = sent(**{name: value})
    assert (body[wire], notices) == (expected, [])
    body, notices = sent(targets.responses(unsupported=frozenset((wire,))), **{name: value})
    assert wire not in body
    assert len(notices) == 1


@pytest.mark.parametrize(
    "name, value",
    [
        ("seed", 7),
        ("top_k", 5),
        ("stop", ("x",)),
        ("frequency_penalty", 0.5),
        ("presence_penalty", 0.5),
    ],
)
def test_what_this_wire_lacks(name: str, value: Any) -> None:
    body, notices = sent(**{name: value})
    assert name not in body
    assert name in notices[0]
    with pytest.raises(UnsupportedError, match=name):
        sent(strict=True, **{name: value})


def test_what_the_model_lacks() -> None:
    body, notices = sent(targets.responses("tools"), temperature=1, effort="low")
    assert not {"temperature", "reasoning"} & body.keys()
    assert len(notices) == 2


def test_the_nearest_effort() -> None:
    body, notices = sent(targets.responses(efforts=("low", "high")), effort="max")
    assert (body["reasoning"], len(notices)) == ({"effort": "high"}, 1)


def test_thoughts_are_asked_back_of_models_that_have_them() -> None:
    thinker = targets.responses("reasoning sampling")
    assert sent(thinker)[0]["include"] == ["reasoning.encrypted_content"]
    assert "include" not in sent()[0]
    refused = targets.responses("reasoning", unsupported=frozenset(("include",)))
    assert "include" not in sent(refused)[0]


def test_tools() -> None:
    body, notices = sent(tools=(TOOL, Tool("g", strict=True)), parallel_tool_calls=False)
    assert body["tools"] == [
        {
            "type": "function",
            "name": "f",
            "description": "does",
            "parameters": {"type": "object"},
            "strict": False,
        },
        {"type": "function", "name": "g", "parameters": {}, "strict": True},
    ]
    assert (body["parallel_tool_calls"], notices) == (False, [])
    with pytest.raises(UnsupportedError, match="tools"):
        sent(targets.responses("sampling"), tools=(TOOL,))


@pytest.mark.parametrize(
    "choice, expected",
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("required", "f"), {"type": "function", "name": "f"}),
    ],
)
def test_tool_choices(choice: ToolChoice, expected: Any) -> None:
    assert sent(tools=(TOOL,), tool_choice=choice)[0]["tool_choice"] == expected
    target = targets.responses(unsupported=frozenset(("tool_choice", "parallel_tool_calls")))
    body, notices = sent(target, tools=(TOOL,), tool_choice=choice, parallel_tool_calls=True)
    assert not {"tool_choice", "parallel_tool_calls"} & body.keys()
    assert len(notices) == (1 if expected == "auto" else 2)


def test_a_schema() -> None:
    body, notices = sent(schema=SCHEMA, extra={"text": {"verbosity": "low"}})
    schema = {"name": "out", "schema": SCHEMA.schema, "strict": True}
    assert body["text"] == {
        "format": {"type": "json_schema"} | schema,
        "verbosity": "low",
    }
    assert notices == []


@pytest.mark.parametrize(
    "target, mode",
    [
        (targets.responses("tools"), None),
        (targets.responses(schema="prompt"), None),
        (targets.responses(schema="json_object"), {"format": {"type": "json_object"}}),
    ],
)
def test_a_schema_where_there_is_no_mode(target: Candidate, mode: Any) -> None:
    body, notices = sent(target, schema=SCHEMA, messages=(Message("system", "s"), *HI))
    assert body.get("text") == mode
    assert body["instructions"].startswith("s\n\n")
    assert json.dumps(SCHEMA.schema, separators=(",", ":")) in body["instructions"]
    assert len(notices) == 1


def test_paths_and_names_of_a_server_with_its_own() -> None:
    target = targets.responses(chat_path="/v1/agent", rename={"max_output_tokens": "most"})
    call = responses.encode(Request(messages=HI, max_tokens=9), target)
    assert call.url == "https://api.openai.com/v1/v1/agent"
    assert json.loads(call.body)["most"] == 9


def test_counts() -> None:
    image = Message("user", (Image(url="data:,x"),))
    request = Request(
        messages=(Message("system", "s"), image), tools=(TOOL,), max_tokens=9, stream=True
    )
    call = responses.encode_count(request, targets.responses())
    assert call.url == "https://api.openai.com/v1/responses/input_tokens"
    body = json.loads(call.body)
    assert body.keys() == {"model", "instructions", "input", "tools"}


def test_counts_where_there_are_none() -> None:
    with pytest.raises(UnsupportedError, match="exact count"):
        responses.encode_count(Request(messages=HI), targets.responses(count_path=""))
