"""Requests for Chat Completions: what is sent, dropped, translated and refused."""

import json
from typing import Any

import pytest

from llm_orchestrator.dialects import openai
from llm_orchestrator.errors import InvalidRequestError, UnsupportedError
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
TOOL = Tool("f", "does", {"type": "object", "properties": {}})
SCHEMA = OutputSchema("out", {"type": "object", "properties": {"x": {"type": "string"}}})


def asked(**fields: Any) -> Request:
    return Request(**({"messages": HI} | fields))


def sent(request: Request, target: Candidate | None = None) -> tuple[dict[str, Any], list[str]]:
    """The body and the notices; encoding twice must give the same."""
    target = target or targets.openai()
    call = openai.encode(request, target)
    assert openai.encode(request, target) == call
    assert (call.method, call.headers["Content-Type"]) == ("POST", "application/json")
    return json.loads(call.body), list(call.notices)


def body(request: Request, target: Candidate | None = None) -> dict[str, Any]:
    found, notices = sent(request, target)
    assert notices == []
    return found


def turns(*messages: Message, target: Candidate | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body(asked(messages=messages), target)["messages"]
    return found


# ------------------------------------------------------------------ turns


def test_nothing_is_sent_that_was_not_asked_for() -> None:
    assert body(asked()) == {"model": "gpt-x", "messages": [{"role": "user", "content": "Hi"}]}


def test_text_parts_go_as_one_text() -> None:
    parts = (Text(text="a"), Text(text="b"))
    assert turns(Message("user", parts)) == [{"role": "user", "content": "ab"}]


def test_a_name_is_kept() -> None:
    assert turns(Message("user", "Hi", "ann"))[0]["name"] == "ann"


def test_images_beside_text() -> None:
    parts = (Image(url="https://e.x/a.png", detail="low"), Text(text="b"), Image(url="data:,x"))
    assert turns(Message("user", parts))[0]["content"] == [
        {"type": "image_url", "image_url": {"url": "https://e.x/a.png", "detail": "low"}},
        {"type": "text", "text": "b"},
        {"type": "image_url", "image_url": {"url": "data:,x"}},
    ]


def test_tool_turns() -> None:
    found = turns(
        Message("assistant", (Text(text="Wait"), ToolCall(id="a", name="f", arguments='{"x": 1}'))),
        Message("tool", (ToolResult(call_id="a", content="20"),)),
        Message("tool", (ToolResult(call_id="b", content="no", is_error=True),)),
    )
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
    assert found == [
        {"role": "assistant", "content": "Wait", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "20"},
        {"role": "tool", "tool_call_id": "b", "content": "Error: no"},
    ]


def test_results_stand_before_the_words_of_the_same_turn() -> None:
    parts = (Text(text="and?"), ToolResult(call_id="a", content="20"))
    assert turns(Message("user", parts)) == [
        {"role": "tool", "tool_call_id": "a", "content": "20"},
        {"role": "user", "content": "and?"},
    ]


def test_the_system_role_of_a_server() -> None:
    target = targets.openai(system_role="developer")
    assert turns(Message("system", "s"), *HI, target=target)[0]["role"] == "developer"


def test_earlier_thoughts_are_dropped() -> None:
    turn = Message("assistant", (Reasoning(text="hm", signature="s"), Text(text="a")))
    found, notices = sent(asked(messages=(*HI, turn)))
    assert found["messages"][1] == {"role": "assistant", "content": "a"}
    assert len(notices) == 1
    assert "reasoning" in notices[0]


# ------------------------------------------------------------------ parameters


def test_all_parameters() -> None:
    request = asked(
        temperature=0.0,
        top_p=0.5,
        top_k=4,
        max_tokens=9,
        stop=("a", "b"),
        seed=0,
        effort="high",
        frequency_penalty=0.1,
        presence_penalty=-0.1,
        user="u",
        service_tier="flex",
        extra={"logprobs": True},
    )
    assert body(request) == {
        "model": "gpt-x",
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0.0,
        "top_p": 0.5,
        "top_k": 4,
        "max_completion_tokens": 9,
        "stop": ["a", "b"],
        "seed": 0,
        "reasoning_effort": "high",
        "frequency_penalty": 0.1,
        "presence_penalty": -0.1,
        "user": "u",
        "service_tier": "flex",
        "logprobs": True,
    }


def test_a_reply_holds_one_answer() -> None:
    assert body(asked(extra={"n": 1}))["n"] == 1
    with pytest.raises(InvalidRequestError, match="extra: n must be 1"):
        openai.encode(asked(extra={"n": 2}), targets.openai())


def test_the_names_that_a_server_has_for_them() -> None:
    target = targets.openai(max_tokens="max_tokens", rename={"seed": "random_seed"})
    found = body(asked(max_tokens=9, seed=7), target)
    assert (found["max_tokens"], found["random_seed"]) == (9, 7)
    assert not found.keys() & {"max_completion_tokens", "seed"}


@pytest.mark.parametrize(
    "field, value, abilities, wire",
    [
        ("temperature", 0.5, "tools", "temperature"),
        ("top_p", 0.5, "tools", "top_p"),
        ("top_k", 5, "tools", "top_k"),
        ("frequency_penalty", 0.5, "tools", "frequency_penalty"),
        ("presence_penalty", 0.5, "tools", "presence_penalty"),
        ("stop", ("a",), "reasoning", "stop"),
        ("effort", "low", "sampling", "reasoning_effort"),
    ],
)
def test_what_a_model_cannot_take_is_dropped_and_said(
    field: str, value: Any, abilities: str, wire: str
) -> None:
    found, notices = sent(asked(**{field: value}), targets.openai(abilities))
    assert wire not in found
    assert notices == [f"{wire} is not supported by this model"]
    with pytest.raises(UnsupportedError, match=wire) as caught:
        openai.encode(asked(**{field: value}, strict=True), targets.openai(abilities))
    assert (caught.value.provider, caught.value.model) == ("openai", "gpt-x")


@pytest.mark.parametrize(
    "field, value",
    [("top_k", 4), ("user", "u"), ("seed", 1), ("service_tier", "flex"), ("stop", ("a",))],
)
def test_what_a_server_refuses_is_dropped_and_said(field: str, value: Any) -> None:
    target = targets.openai(unsupported=frozenset((field,)))
    found, notices = sent(asked(**{field: value}), target)
    assert field not in found
    assert notices == [f"{field} has no meaning here"]
    with pytest.raises(UnsupportedError):
        openai.encode(asked(**{field: value}, strict=True), target)


@pytest.mark.parametrize("usage, expected", [(True, {"include_usage": True}), (False, None)])
def test_streams(usage: bool, expected: Any) -> None:
    found = body(asked(stream=True), targets.openai(stream_usage=usage))
    assert (found["stream"], found.get("stream_options")) == (True, expected)


def test_the_path_of_a_server() -> None:
    call = openai.encode(asked(), targets.openai(chat_path="/chat"))
    assert call.url == "https://api.openai.com/v1/chat"


# ------------------------------------------------------------------ tools


@pytest.mark.parametrize(
    "choice, expected",
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("required", "f"), {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_tool_choices(choice: ToolChoice, expected: Any) -> None:
    assert body(asked(tools=(TOOL,), tool_choice=choice))["tool_choice"] == expected


def test_tools() -> None:
    bare = Tool("g", strict=True)
    assert body(asked(tools=(TOOL, bare), parallel_tool_calls=False)) == {
        "model": "gpt-x",
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "f",
                    "description": "does",
                    "parameters": {"type": "object", "properties": {}},
                },
            },
            {"type": "function", "function": {"name": "g", "parameters": {}, "strict": True}},
        ],
        "parallel_tool_calls": False,
    }


def test_without_tools_there_is_no_choice() -> None:
    assert body(asked(tool_choice=ToolChoice("auto"), parallel_tool_calls=True)).keys() == {
        "model",
        "messages",
    }


@pytest.mark.parametrize("target", [targets.openai("sampling"), targets.openai(lacks="tools")])
def test_tools_cannot_be_dropped(target: Candidate) -> None:
    with pytest.raises(UnsupportedError, match="tools"):
        openai.encode(asked(tools=(TOOL,)), target)


def test_images_cannot_be_dropped() -> None:
    turn = Message("user", (Image(url="https://e.x/a.png"),))
    with pytest.raises(UnsupportedError, match="images"):
        openai.encode(asked(messages=(turn,)), targets.openai("tools"))


def test_parallel_calls_that_a_server_refuses_are_dropped_and_said() -> None:
    target = targets.openai(unsupported=frozenset(("parallel_tool_calls",)))
    found, notices = sent(asked(tools=(TOOL,), parallel_tool_calls=False), target)
    assert "parallel_tool_calls" not in found
    assert notices == ["parallel_tool_calls has no meaning here"]


MARKED = [
    {"messages": (Message("user", (Text(text="Hi", cache="5m"),)),)},
    {"messages": (*HI, Message("tool", (ToolResult(call_id="a", content="x", cache="5m"),)))},
    {"messages": (*HI, Message("assistant", (ToolCall(id="a", name="f", cache="1h"),)))},
    {"tools": (Tool("f", cache="5m"),)},
]


@pytest.mark.parametrize("fields", MARKED)
def test_cache_markers_are_dropped_and_said(fields: Any) -> None:
    found, notices = sent(asked(**fields))
    assert "cache" not in json.dumps(found)
    assert len(notices) == 1
    assert "cache marker" in notices[0]
    with pytest.raises(UnsupportedError, match="cache marker"):
        openai.encode(asked(**fields, strict=True), targets.openai())


# ------------------------------------------------------------------ schemas


def test_a_schema_by_the_mode_of_the_wire() -> None:
    assert body(asked(schema=SCHEMA))["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "out", "schema": SCHEMA.schema, "strict": True},
    }


@pytest.mark.parametrize(
    "target, response_format",
    [
        (targets.openai(schema="json_object"), {"type": "json_object"}),
        (targets.openai(schema="prompt"), None),
        (targets.openai("tools"), None),
        (targets.openai(lacks="schema"), None),
    ],
)
def test_a_schema_in_the_prompt(target: Candidate, response_format: Any) -> None:
    found, notices = sent(asked(schema=SCHEMA), target)
    assert found.get("response_format") == response_format
    system, user = found["messages"]
    assert system["role"] == "system"
    assert json.loads(system["content"].partition("schema: ")[2]) == SCHEMA.schema
    assert user == {"role": "user", "content": "Hi"}
    assert len(notices) == 1
    assert "schema" in notices[0]
    with pytest.raises(UnsupportedError, match="schema"):
        openai.encode(asked(schema=SCHEMA, strict=True), target)


def test_a_schema_in_the_prompt_of_a_server_with_its_own_role() -> None:
    target = targets.openai(schema="prompt", system_role="developer")
    assert sent(asked(schema=SCHEMA), target)[0]["messages"][0]["role"] == "developer"


# ------------------------------------------------------------------ others


def test_embeddings_where_no_format_is_known() -> None:
    call = openai.encode_embeddings(["a"], targets.openai(embeddings_format=""), 64)
    assert json.loads(call.body) == {"model": "gpt-x", "input": ["a"], "dimensions": 64}


def test_a_model_that_is_known_to_embed_nothing() -> None:
    with pytest.raises(UnsupportedError, match="embeddings"):
        openai.encode_embeddings(["a"], targets.openai("tools"), None)
    assert openai.encode_embeddings(["a"], targets.openai("embeddings"), None).body


def test_counts_where_there_are_none() -> None:
    with pytest.raises(UnsupportedError, match="exact count"):
        openai.encode_count(asked(), targets.openai(count_path=""))


def test_counts() -> None:
    request = asked(messages=(Message("system", (Text(text="s"),)), *HI), tools=(TOOL,))
    call = openai.encode_count(request, targets.openai())
    assert call.url == "https://api.openai.com/v1/responses/input_tokens"
    assert json.loads(call.body) == {
        "model": "gpt-x",
        "input": [{"role": "system", "content": "s"}, {"role": "user", "content": "Hi"}],
        "tools": [
            {
                "type": "function",
                "name": "f",
                "description": "does",
                "parameters": {"type": "object", "properties": {}},
            }
        ],
    }


def test_counts_of_images_are_refused() -> None:
    turn = Message("user", (Image(url="https://e.x/a.png"),))
    with pytest.raises(UnsupportedError, match="count"):
        openai.encode_count(asked(messages=(turn,)), targets.openai())


def test_the_path_of_the_models() -> None:
    target = targets.openai(models_path="/all-models")
    call = openai.list_models(target.provider, None)
    assert (call.method, call.url) == ("GET", "https://api.openai.com/v1/all-models")
