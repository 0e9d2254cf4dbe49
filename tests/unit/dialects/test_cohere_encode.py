"""Requests for Cohere: what is sent, dropped, translated and refused."""

import json
from typing import Any

import pytest

from llm_orchestrator.dialects import cohere
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
TOOLS = (Tool("f", "does", {"type": "object"}), Tool("g"))
SCHEMA = OutputSchema("out", {"type": "object", "properties": {"x": {"type": "string"}}})


def sent(target: Candidate | None = None, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    """The body and the notices."""
    call = cohere.encode(Request(**({"messages": HI} | fields)), target or targets.cohere())
    assert call.headers["Content-Type"] == "application/json"
    return json.loads(call.body), list(call.notices)


def turns(*messages: Message) -> list[dict[str, Any]]:
    """The messages on the wire; nothing may be dropped."""
    body, notices = sent(messages=messages)
    assert notices == []
    found: list[dict[str, Any]] = body["messages"]
    return found


def test_nothing_is_sent_that_was_not_asked_for() -> None:
    body = {"model": "command-x", "messages": [{"role": "user", "content": "Hi"}]}
    assert sent() == (body | {"stream": False}, [])
    assert sent(stream=True) == (body | {"stream": True}, [])


@pytest.mark.parametrize("version", ["", "/v1", "/v2"])
def test_an_address_with_a_version_does_as_well(version: str) -> None:
    target = targets.cohere(base_url=f"https://proxy.example{version}")
    request = Request(messages=HI)
    assert cohere.encode(request, target).url == "https://proxy.example/v2/chat"
    call = cohere.list_models(target.provider, None)
    assert call.url == "https://proxy.example/v1/models?page_size=100"


def test_text_parts_go_as_one_text_and_images_beside_it() -> None:
    parts = (Text(text="a"), Text(text="b"))
    assert turns(Message("user", parts)) == [{"role": "user", "content": "ab"}]
    image = Image(url="https://e.x/a.png", detail="low")
    assert turns(Message("user", (Text(text="a"), image)))[0]["content"] == [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "https://e.x/a.png", "detail": "low"}},
    ]
    with pytest.raises(UnsupportedError, match="images"):
        sent(targets.cohere("sampling"), messages=(Message("user", (image,)),))


def test_tool_turns() -> None:
    found = turns(
        *HI,
        Message(
            "assistant",
            (
                Reasoning(text="First f. "),
                Text(text="Then g."),
                ToolCall(id="1", name="f", arguments='{"x": 1}'),
            ),
        ),
        Message(
            "user",
            (ToolResult(call_id="1", content="no", is_error=True), Text(text="And now?")),
        ),
    )
    assert found[1:] == [
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": "1",
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"x": 1}'},
                }
            ],
            "tool_plan": "First f. Then g.",
        },
        {
            "role": "tool",
            "tool_call_id": "1",
            "content": [{"type": "document", "document": {"data": "Error: no"}}],
        },
        {"role": "user", "content": "And now?"},
    ]


def test_thoughts_go_back_where_they_came_from_here() -> None:
    thought = Message("assistant", (Reasoning(text="hm"), Text(text="yes")))
    assert turns(*HI, thought, *HI)[1]["content"] == [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "yes"},
    ]
    for foreign in (Reasoning(text="hm", signature="s"), Reasoning(redacted="r"), Reasoning()):
        message = Message("assistant", (foreign, Text(text="yes")))
        body, notices = sent(messages=(*HI, message, *HI))
        assert body["messages"][1] == {"role": "assistant", "content": "yes"}
        assert len(notices) == 1


def test_a_beginning_of_the_answer_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="prefill"):
        sent(messages=(*HI, Message("assistant", "So")))


@pytest.mark.parametrize(
    "name, value, wire, expected, noticed",
    [
        ("temperature", 0.5, "temperature", 0.5, False),
        ("temperature", 1.5, "temperature", 1, True),
        ("top_p", 1, "p", 0.99, True),
        ("top_p", 0.9, "p", 0.9, False),
        ("top_k", 600, "k", 500, True),
        ("frequency_penalty", -1, "frequency_penalty", 0, True),
        ("presence_penalty", 2, "presence_penalty", 1, True),
        ("max_tokens", 9, "max_tokens", 9, False),
        ("seed", 7, "seed", 7, False),
        ("stop", ("a", "b"), "stop_sequences", ["a", "b"], False),
        ("effort", "none", "thinking", {"type": "disabled"}, False),
        ("effort", "low", "thinking", {"type": "enabled", "token_budget": 2048}, False),
        ("effort", "high", "thinking", {"type": "enabled"}, False),
    ],
)
def test_parameters(name: str, value: Any, wire: str, expected: Any, noticed: bool) -> None:
    body, notices = sent(**{name: value})
    assert body[wire] == expected
    assert bool(notices) == noticed
    assert body.keys() == {"model", "messages", "stream", wire}


@pytest.mark.parametrize(
    "name, value",
    [
        ("user", "u"),
        ("service_tier", "flex"),
        ("temperature", 0.5),
        ("effort", "low"),
    ],
)
def test_what_is_not_taken_is_dropped_and_said(name: str, value: Any) -> None:
    body, notices = sent(targets.cohere("tools"), **{name: value})
    assert body.keys() == {"model", "messages", "stream"}
    assert name in notices[0]
    with pytest.raises(UnsupportedError, match=name):
        sent(targets.cohere("tools"), strict=True, **{name: value})


def test_no_effort_is_no_news_to_a_model_that_cannot_think() -> None:
    assert sent(targets.cohere("tools"), effort="none")[1] == []


def test_names_and_markers_are_dropped_and_said() -> None:
    marked = Message("user", (Text(text="Hi", cache="5m"),), "ann")
    body, notices = sent(messages=(marked,))
    assert body["messages"] == [{"role": "user", "content": "Hi"}]
    assert len(notices) == 2


def test_tools() -> None:
    body, notices = sent(tools=TOOLS)
    assert body["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "f",
                "description": "does",
                "parameters": {"type": "object"},
            },
        },
        {
            "type": "function",
            "function": {"name": "g", "parameters": {"type": "object", "properties": {}}},
        },
    ]
    assert not {"tool_choice", "strict_tools"} & body.keys()
    assert notices == []
    with pytest.raises(UnsupportedError, match="tools"):
        sent(targets.cohere("sampling"), tools=TOOLS)


@pytest.mark.parametrize("mode, word", [("auto", None), ("none", "NONE"), ("required", "REQUIRED")])
def test_tool_choices(mode: Any, word: str | None) -> None:
    assert sent(tools=TOOLS, tool_choice=ToolChoice(mode))[0].get("tool_choice") == word


def test_a_tool_by_name_is_the_only_one_that_is_offered() -> None:
    body, notices = sent(tools=TOOLS, tool_choice=ToolChoice("required", "g"))
    assert [tool["function"]["name"] for tool in body["tools"]] == ["g"]
    assert (body["tool_choice"], notices) == ("REQUIRED", [])


def test_strict_tools_are_all_or_none() -> None:
    strict = Tool("s", strict=True)
    assert sent(tools=(strict,))[0]["strict_tools"] is True
    body, notices = sent(tools=(strict, *TOOLS))
    assert "strict_tools" not in body
    assert "strict" in notices[0]


def test_tools_one_at_a_time_cannot_be_asked_for() -> None:
    assert len(sent(tools=TOOLS, parallel_tool_calls=False)[1]) == 1
    assert sent(tools=TOOLS, parallel_tool_calls=True)[1] == []


def test_a_schema() -> None:
    body, notices = sent(schema=SCHEMA)
    assert body["response_format"] == {"type": "json_object", "schema": SCHEMA.schema}
    assert notices == []


@pytest.mark.parametrize(
    "target, fields",
    [(targets.cohere("tools"), {}), (targets.cohere(), {"tools": TOOLS})],
)
def test_a_schema_where_there_is_no_mode(target: Candidate, fields: dict[str, Any]) -> None:
    body, notices = sent(target, schema=SCHEMA, **fields)
    assert "response_format" not in body
    assert json.dumps(SCHEMA.schema, separators=(",", ":")) in body["messages"][0]["content"]
    assert len(notices) == 1


def test_extra_fields_go_as_they_are() -> None:
    assert sent(extra={"safety_mode": "STRICT"})[0]["safety_mode"] == "STRICT"


def test_embeddings() -> None:
    call = cohere.encode_embeddings(["a", "b"], targets.cohere(), None)
    assert call.url == "https://api.cohere.com/v2/embed"
    assert json.loads(call.body) == {
        "model": "command-x",
        "texts": ["a", "b"],
        "input_type": "search_document",
        "embedding_types": ["float"],
    }


def test_pages_of_models() -> None:
    call = cohere.list_models(targets.cohere().provider, "a&b")
    assert call.url == "https://api.cohere.com/v1/models?page_size=100&page_token=a%26b"
    assert call.method == "GET"


def test_counts() -> None:
    parts = Message("user", (Text(text="a"), Text(text="b")))
    request = Request(messages=(Message("system", "s"), parts))
    call = cohere.encode_count(request, targets.cohere())
    assert call.url == "https://api.cohere.com/v1/tokenize"
    assert json.loads(call.body) == {"model": "command-x", "text": "s\nab"}


@pytest.mark.parametrize(
    "request_",
    [
        Request(messages=HI, tools=TOOLS),
        Request(messages=(Message("user", (Image(url="data:,x"),)),)),
        Request(messages=(Message("user", "x" * 65_537),)),
    ],
)
def test_counts_that_are_not_to_be_had(request_: Request) -> None:
    with pytest.raises(UnsupportedError, match="exact count"):
        cohere.encode_count(request_, targets.cohere())
