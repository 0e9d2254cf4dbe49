"""Requests for Cohere mean what its SDK sends."""

import json
from typing import Any

import pytest

from llm_orchestrator.types.request import (
    Message,
    Reasoning,
    Request,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tests.wire.recorded import MISSING, Difference
from tests.wire.rows import ASKED, HI, WEATHER, Row

COHERE = Row("cohere")
STRICT = Tool("get_weather", "Weather", WEATHER, strict=True)
CASES = ASKED | {
    "tools": Request(messages=HI, tools=(STRICT,), tool_choice=ToolChoice("required")),
    "tool_result": Request(
        messages=(
            Message("user", "Weather?"),
            Message(
                "assistant",
                (
                    Reasoning(text="call"),
                    ToolCall(id="call_1", name="get_weather", arguments='{"city": "Paris"}'),
                ),
            ),
            Message("tool", (ToolResult(call_id="call_1", content='{"temp":20}'),)),
        ),
        tools=ASKED["tool_result"].tools,
    ),
    "params": Request(
        messages=HI, max_tokens=64, stop=("END",), temperature=0.2, seed=7, top_k=5, top_p=0.9
    ),
    "thinking": Request(messages=HI, effort="minimal"),
}
ANYTHING: Difference = {"headers.accept": ("*/*", MISSING)}


def test_every_recorded_case_is_compared() -> None:
    assert COHERE.recorded.keys() == CASES.keys() | {"embeddings", "models_list"}


@pytest.mark.parametrize("case", CASES)
def test_the_request_means_what_the_sdk_sends(case: str) -> None:
    found, call = COHERE.case(case, CASES[case])
    assert found == ANYTHING
    assert call.notices == ()


@pytest.mark.parametrize("case", CASES)
def test_encoding_changes_nothing_and_repeats(case: str) -> None:
    assert COHERE.case(case, CASES[case])[1] == COHERE.case(case, CASES[case])[1]


def test_the_other_calls() -> None:
    assert COHERE.embeddings(256) == ANYTHING
    # Not only the models that chat.
    path = "/v1/models?page_size=100"
    assert COHERE.models() == ANYTHING | {"path": (f"{path}&endpoint=chat", path)}


def test_the_strings_of_arguments_stay_as_they_are() -> None:
    body: dict[str, Any] = json.loads(COHERE.case("tool_result", CASES["tool_result"])[1].body)
    assert body["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"city": "Paris"}'
