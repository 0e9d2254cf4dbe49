"""Tools on Converse: described, chosen, called, answered, and where families differ."""

from typing import Any

import pytest

from llm_orchestrator.dialects import bedrock
from llm_orchestrator.errors import UnsupportedError
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import (
    Message,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tests.unit.dialects.bedrock_samples import HI, asked, body, sent
from tests.unit.dialects.bedrock_samples import bedrock as target_of

TOOL = Tool("f", "does", {"type": "object", "properties": {"x": {"type": "integer"}}})
CALL = Message("assistant", (ToolCall(id="t1", name="f", arguments='{"x": 1}'),))
RESULT = Message("tool", (ToolResult(call_id="t1", content="20 degrees"),))
ANY = target_of()
LLAMA = target_of(id="us.meta.llama4-scout-17b-instruct-v1:0")
MISTRAL = target_of(id="mistral.mistral-large-2407-v1:0")


def test_tools_are_described_and_chosen() -> None:
    found = body(asked(tools=(TOOL, Tool("g"))))["toolConfig"]
    assert found["tools"] == [
        {
            "toolSpec": {
                "name": "f",
                "description": "does",
                "inputSchema": {"json": TOOL.parameters},
            }
        },
        {"toolSpec": {"name": "g", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
    ]
    assert "toolChoice" not in found


@pytest.mark.parametrize(
    "choice, wire",
    [
        (ToolChoice("auto"), {"auto": {}}),
        (ToolChoice("required"), {"any": {}}),
        (ToolChoice(name="f"), {"tool": {"name": "f"}}),
    ],
)
def test_how_tools_are_chosen(choice: ToolChoice, wire: dict[str, Any]) -> None:
    found = body(asked(tools=(TOOL,), tool_choice=choice))["toolConfig"]
    assert found["toolChoice"] == wire


def test_a_choice_that_the_family_does_not_take_is_said() -> None:
    forced = asked(tools=(TOOL,), tool_choice=ToolChoice("required"))
    found, notices = sent(forced, LLAMA)
    assert "toolChoice" not in found["toolConfig"]
    assert notices == ["tool_choice cannot be forced on this model"]
    assert body(forced, MISTRAL)["toolConfig"]["toolChoice"] == {"any": {}}
    named = asked(tools=(TOOL,), tool_choice=ToolChoice(name="f"))
    assert sent(named, MISTRAL)[1] == ["tool_choice cannot be forced on this model"]


def test_no_tools_means_that_none_are_sent() -> None:
    none = ToolChoice("none")
    assert "toolConfig" not in body(asked(tools=(TOOL,), tool_choice=none))
    found, notices = sent(asked(*HI, CALL, RESULT, tools=(TOOL,), tool_choice=none))
    assert "toolChoice" not in found["toolConfig"]
    assert notices == ["tool_choice none cannot be asked for when earlier turns used tools"]


def test_tools_of_earlier_turns_are_declared_again() -> None:
    found, notices = sent(asked(*HI, CALL, RESULT))
    assert [one["toolSpec"]["name"] for one in found["toolConfig"]["tools"]] == ["f"]
    assert len(notices) == 1
    found, _ = sent(asked(*HI, Message("assistant", "so"), RESULT))
    assert [one["toolSpec"]["name"] for one in found["toolConfig"]["tools"]] == ["tool"]


def test_tools_need_a_model_that_has_them() -> None:
    with pytest.raises(UnsupportedError, match="tools"):
        bedrock.encode(asked(tools=(TOOL,)), target_of("vision"))


def test_strict_tools_where_schemas_are_enforced() -> None:
    strict = asked(tools=(Tool("f", strict=True),))
    assert body(strict)["toolConfig"]["tools"][0]["toolSpec"]["strict"] is True
    found, notices = sent(strict, target_of("tools"))
    assert "strict" not in found["toolConfig"]["tools"][0]["toolSpec"]
    assert notices == ["strict of a tool is not enforced by this model"]


def test_calls_one_at_a_time_cannot_be_asked_for() -> None:
    _, notices = sent(asked(tools=(TOOL,), parallel_tool_calls=False))
    assert notices == ["parallel_tool_calls cannot be switched off on this wire"]


def told(text: str, *, is_error: bool = False, target: Candidate = ANY) -> dict[str, Any]:
    result = Message("tool", (ToolResult(call_id="t1", content=text, is_error=is_error),))
    found = body(asked(*HI, CALL, result, tools=(TOOL,)), target)["messages"][2]
    assert found["role"] == "user"
    block: dict[str, Any] = found["content"][0]["toolResult"]
    assert block.pop("toolUseId") == "t1"
    return block


def test_results_are_json_where_they_are_an_object_and_text_otherwise() -> None:
    assert told(' {"a": [1, null]}') == {"content": [{"json": {"a": [1, None]}}]}
    for text in ("20", "[1]", '{"a": ', "{a}", "", '{"a": 1} and more'):
        assert told(text) == {"content": [{"text": text}]}


def test_a_family_that_wants_json_gets_it() -> None:
    assert told("20", target=MISTRAL) == {"content": [{"json": {"result": "20"}}]}
    assert told('{"a": 1}', target=MISTRAL) == {"content": [{"json": {"a": 1}}]}


def test_errors_of_tools_have_a_status_or_say_so() -> None:
    assert told("no", is_error=True) == {"content": [{"text": "no"}], "status": "error"}
    assert told("no", is_error=True, target=LLAMA) == {"content": [{"text": "Error: no"}]}


@pytest.mark.parametrize("strange", ["a b", "x" * 65, "ä", "a/b"])
def test_ids_of_other_wires_are_made_to_fit_and_still_belong_together(strange: str) -> None:
    call = Message("assistant", (ToolCall(id=strange, name="f"), ToolCall(id="t2", name="f")))
    results = Message(
        "tool",
        (ToolResult(call_id=strange, content="a"), ToolResult(call_id="t2", content="b")),
    )
    turns = body(asked(*HI, call, results, tools=(TOOL,)))["messages"]
    calls = [block["toolUse"]["toolUseId"] for block in turns[1]["content"]]
    assert [block["toolResult"]["toolUseId"] for block in turns[2]["content"]] == calls
    assert calls[1] == "t2"
    assert calls[0] != strange
