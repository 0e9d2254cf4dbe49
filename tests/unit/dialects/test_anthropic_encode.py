"""Requests for Messages: what is sent, merged, dropped, translated and refused."""

import json
from typing import Any

import pytest

from llm_orchestrator.dialects import anthropic
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
TOOL = Tool("f", "does", {"type": "object", "properties": {"x": {"type": "integer"}}})
SCHEMA = OutputSchema("out", {"type": "object", "properties": {"x": {"type": "string"}}})
EPHEMERAL = {"type": "ephemeral"}
ANY = targets.anthropic()


def asked(**fields: Any) -> Request:
    everything: dict[str, Any] = {"messages": HI, "max_tokens": 64} | fields
    return Request(**everything)


def sent(request: Request, target: Candidate = ANY) -> tuple[dict[str, Any], list[str]]:
    """The body and the notices; encoding twice must give the same."""
    call = anthropic.encode(request, target)
    assert anthropic.encode(request, target) == call
    return json.loads(call.body), list(call.notices)


def body(request: Request, target: Candidate = ANY) -> dict[str, Any]:
    found, notices = sent(request, target)
    assert notices == []
    return found


def turns(*messages: Message, target: Candidate = ANY) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body(asked(messages=messages), target)["messages"]
    return found


def version(request: Request, target: Candidate = ANY) -> str:
    return anthropic.encode(request, target).headers["anthropic-version"]


# ------------------------------------------------------------------ turns


def test_one_system_text_goes_as_it_is() -> None:
    found = body(asked(messages=(Message("system", "s"), *HI)))
    assert found["system"] == "s"
    assert found["messages"] == [{"role": "user", "content": "Hi"}]


def test_several_system_turns_become_one_prompt_and_a_late_one_is_said() -> None:
    late = Message("system", "late")
    found, notices = sent(
        asked(messages=(Message("system", "a"), Message("system", (Text(text="b"),)), *HI, late))
    )
    assert [block["text"] for block in found["system"]] == ["a", "b", "late"]
    assert len(notices) == 1
    assert "moved to the front" in notices[0]


def test_consecutive_turns_of_one_role_are_merged() -> None:
    assert turns(Message("user", "a"), Message("user", (Text(text="b"),))) == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    ]


def test_the_results_of_one_turn_go_into_one_user_turn() -> None:
    found = turns(
        *HI,
        Message(
            "assistant",
            (
                Text(text="Wait"),
                ToolCall(id="a", name="f", arguments='{"x": 1}'),
                ToolCall(id="b", name="f", arguments="{}"),
            ),
        ),
        Message("tool", (ToolResult(call_id="a", content="20"),)),
        Message("tool", (ToolResult(call_id="b", content="no", is_error=True),)),
        Message("user", "and?"),
    )
    assert found[1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Wait"},
                {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
                {"type": "tool_use", "id": "b", "name": "f", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "20"},
                {"type": "tool_result", "tool_use_id": "b", "content": "no", "is_error": True},
                {"type": "text", "text": "and?"},
            ],
        },
    ]


THOUGHTS = ["earlier reasoning is not this model's own and was left out"]


def test_thoughts_are_returned_unchanged() -> None:
    parts = (Reasoning(text="hm", signature="s"), Reasoning(redacted="xyz"), Text(text="a"))
    found = turns(*HI, Message("assistant", parts), Message("user", "b"))
    assert found[1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "text", "text": "a"},
    ]


@pytest.mark.parametrize(
    ("foreign", "expected"),
    [
        (Reasoning(text="a secret"), THOUGHTS),
        (Reasoning(text="a secret", signature="gemini:abc"), THOUGHTS),
        (Reasoning(signature="gemini:abc"), []),  # what it stands for has never been shown
    ],
)
def test_thoughts_of_another_model_are_not_put_into_its_mouth(
    foreign: Reasoning, expected: list[str]
) -> None:
    turn = Message("assistant", (foreign, Text(text="a")))
    body, notices = sent(asked(messages=(*HI, turn, Message("user", "b"))))
    assert body["messages"][1] == {"role": "assistant", "content": [{"type": "text", "text": "a"}]}
    assert notices == expected


def test_a_turn_of_nothing_but_those_is_left_out() -> None:
    alone = Message("assistant", (Reasoning(text="a secret"),))
    body, _ = sent(asked(messages=(*HI, alone, Message("user", "b"))))
    texts = [{"type": "text", "text": "Hi"}, {"type": "text", "text": "b"}]
    assert body["messages"] == [{"role": "user", "content": texts}]


def test_images() -> None:
    parts = (Image(url="data:image/gif;base64,R0lG"), Image(url="https://e.x/a.png"))
    assert [block["source"] for block in turns(Message("user", parts))[0]["content"]] == [
        {"type": "base64", "media_type": "image/gif", "data": "R0lG"},
        {"type": "url", "url": "https://e.x/a.png"},
    ]
    with pytest.raises(UnsupportedError, match="images"):
        turns(Message("user", parts), target=targets.anthropic("tools"))


def test_prefill_where_the_model_takes_it() -> None:
    start = Message("assistant", "Once")
    for target in (ANY, targets.anthropic("prefill")):
        assert turns(*HI, start, target=target)[-1] == {"role": "assistant", "content": "Once"}
    with pytest.raises(UnsupportedError, match="prefill"):
        turns(*HI, start, target=targets.anthropic("tools"))


def test_an_answered_tool_call_is_no_prefill() -> None:
    call = Message("assistant", (ToolCall(id="a", name="f"),))
    result = Message("tool", (ToolResult(call_id="a", content="20"),))
    assert len(turns(*HI, call, result, target=targets.anthropic("tools"))) == 3


def test_cache_markers() -> None:
    request = asked(
        messages=(
            Message("system", (Text(text="s", cache="1h"),)),
            Message("user", (Image(url="https://e.x/a.png", cache="5m"), Text(text="a"))),
            Message("assistant", (ToolCall(id="a", name="f", cache="5m"),)),
            Message("tool", (ToolResult(call_id="a", content="x", cache="5m"),)),
        ),
        tools=(Tool("f", cache="1h"), TOOL),
    )
    found = body(request)
    hour = EPHEMERAL | {"ttl": "1h"}
    assert found["system"][0]["cache_control"] == hour
    assert found["tools"][0]["cache_control"] == hour
    assert "cache_control" not in found["tools"][1]
    user, assistant, result = (turn["content"] for turn in found["messages"])
    assert user[0]["cache_control"] == EPHEMERAL
    assert "cache_control" not in user[1]
    assert assistant[0]["cache_control"] == EPHEMERAL
    assert result[0]["cache_control"] == EPHEMERAL


# ------------------------------------------------------------------ limits and sampling


@pytest.mark.parametrize(
    "given, of_the_model, expected", [(9, 64_000, 9), (None, 64_000, 64_000), (None, None, 4096)]
)
def test_the_limit_that_the_wire_requires(
    given: int | None, of_the_model: int | None, expected: int
) -> None:
    target = targets.anthropic(max_output=of_the_model)
    assert body(asked(max_tokens=given), target)["max_tokens"] == expected


@pytest.mark.parametrize("field, value", [("temperature", 0), ("top_p", 0.5), ("top_k", 4)])
def test_sampling_chooses_the_older_version(field: str, value: Any) -> None:
    """The newer one refuses even default values."""
    request = asked(**{field: value})
    assert body(request)[field] == value
    assert version(request) == targets.OLDER
    assert version(asked()) == targets.NEWEST
    assert version(asked(), targets.anthropic(version="")) == targets.OLDER


@pytest.mark.parametrize("field", ["temperature", "top_p", "top_k"])
def test_sampling_that_a_model_refuses_is_dropped(field: str) -> None:
    target = targets.anthropic("tools reasoning")
    found, notices = sent(asked(**{field: 1}), target)
    assert field not in found
    assert notices == [f"{field} is not supported by this model"]
    assert version(asked(**{field: 1}), target) == targets.NEWEST
    with pytest.raises(UnsupportedError, match=field):
        sent(asked(**{field: 1}, strict=True), target)


def test_sampling_gives_way_to_thinking() -> None:
    target = targets.anthropic("reasoning sampling adaptive_thinking")
    found, notices = sent(asked(temperature=0.5, effort="low"), target)
    assert "temperature" not in found
    assert notices == ["temperature cannot be combined with thinking"]
    assert version(asked(temperature=0.5, effort="low"), target) == targets.NEWEST


def test_a_high_temperature_is_lowered() -> None:
    found, notices = sent(asked(temperature=1.7))
    assert found["temperature"] == 1
    assert len(notices) == 1
    assert "lowered" in notices[0]


@pytest.mark.parametrize("field", ["seed", "frequency_penalty", "presence_penalty"])
def test_fields_that_the_wire_has_not(field: str) -> None:
    found, notices = sent(asked(**{field: 1}))
    assert field not in found
    assert notices == [f"{field} is not supported here"]
    with pytest.raises(UnsupportedError, match=field):
        sent(asked(**{field: 1}, strict=True))


def test_stops_of_white_space_are_dropped() -> None:
    found, notices = sent(asked(stop=("\n", "END")))
    assert found["stop_sequences"] == ["END"]
    assert len(notices) == 1
    assert "stop_sequences" not in sent(asked(stop=("\n",)))[0]


def test_extra_fields_win() -> None:
    assert body(asked(extra={"inference_geo": "eu", "max_tokens": 5})) == {
        "model": "claude-x",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 5,
        "inference_geo": "eu",
    }


# ------------------------------------------------------------------ tools and schemas


@pytest.mark.parametrize(
    "choice, parallel, expected",
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("auto"), None, {"type": "auto"}),
        (ToolChoice("none"), None, {"type": "none"}),
        (ToolChoice("required"), None, {"type": "any"}),
        (ToolChoice("required", "f"), None, {"type": "tool", "name": "f"}),
        (
            ToolChoice("required"),
            False,
            {"type": "any", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_tool_choices(choice: ToolChoice | None, parallel: bool | None, expected: Any) -> None:
    found = body(asked(tools=(TOOL,), tool_choice=choice, parallel_tool_calls=parallel))
    assert found.get("tool_choice") == expected


def test_tools() -> None:
    assert body(asked(tools=(TOOL, Tool("g"))))["tools"] == [
        {"name": "f", "description": "does", "input_schema": TOOL.parameters},
        {"name": "g", "input_schema": {"type": "object", "properties": {}}},
    ]
    with pytest.raises(UnsupportedError, match="tools"):
        sent(asked(tools=(TOOL,)), targets.anthropic("vision"))


@pytest.mark.parametrize(
    "fields, word",
    [
        ({"tools": (Tool("f", strict=True),)}, "strict"),
        ({"messages": (Message("user", "Hi", "ann"),)}, "name"),
        (
            {"messages": (Message("user", (Image(url="https://e.x/a.png", detail="low"),)),)},
            "detail",
        ),
    ],
)
def test_hints_that_the_wire_has_no_place_for(fields: Any, word: str) -> None:
    found, notices = sent(asked(**fields))
    assert f'"{word}"' not in json.dumps(found["messages"])
    assert len(notices) == 1
    assert word in notices[0]
    with pytest.raises(UnsupportedError, match=word):
        sent(asked(**fields, strict=True))


@pytest.mark.parametrize("system", [(), (Message("system", "s"),)])
def test_a_schema_in_the_prompt(system: tuple[Message, ...]) -> None:
    target = targets.anthropic("tools")
    found, notices = sent(asked(messages=(*system, *HI), schema=SCHEMA), target)
    assert [block["text"] for block in found["system"][:-1]] == [turn.text for turn in system]
    assert json.loads(found["system"][-1]["text"].partition("schema: ")[2]) == SCHEMA.schema
    assert "output_config" not in found
    assert len(notices) == 1
    assert "schema" in notices[0]
    with pytest.raises(UnsupportedError, match="schema"):
        sent(asked(schema=SCHEMA, strict=True), target)


# ------------------------------------------------------------------ counts


def test_a_count_is_of_everything_that_is_read() -> None:
    request = asked(
        messages=(Message("system", "s"), *HI),
        tools=(TOOL,),
        schema=SCHEMA,
        temperature=0.5,
        stop=("a",),
        stream=True,
    )
    call = anthropic.encode_count(request, ANY)
    assert call.headers["anthropic-version"] == targets.NEWEST
    assert json.loads(call.body).keys() == {
        "model",
        "messages",
        "system",
        "tools",
        "output_config",
    }


def test_empty_texts_stay_at_home() -> None:
    turn = Message("assistant", (Text(text=""), ToolCall(id="1", name="f")))
    answer = Message("tool", (ToolResult(call_id="1", content="ok"),))
    found = turns(*HI, turn, answer)
    assert [block["type"] for block in found[1]["content"]] == ["tool_use"]
