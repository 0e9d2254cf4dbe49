"""Requests for Responses mean what the official SDK sends, and its stream is read as there."""

import json
from typing import Any

import msgspec
import pytest

from llm_orchestrator.dialects import responses
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import (
    Image,
    Message,
    OutputSchema,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from llm_orchestrator.types.secret import Secret
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects.feeding import cut, feed, one_by_one
from tests.wire.recorded import FOLDER, MISSING, Difference, differences, requests
from tests.wire.rows import HI, JSON_ASKED, PIXEL, WEATHER

RECORDED = requests("openai_responses")
OPENAI = msgspec.structs.replace(TABLE["openai"], dialect="responses", key=Secret("TEST_KEY"))
CASES = {
    "responses_plain": Request(messages=HI),
    "responses_system": Request(messages=(Message("system", "Be brief."), *HI)),
    "responses_image": Request(messages=(Message("user", (Text(text="What?"), Image(url=PIXEL))),)),
    "responses_tools": Request(
        messages=(
            Message("user", "Weather?"),
            Message(
                "assistant",
                (ToolCall(id="call_1", name="get_weather", arguments='{"city":"Paris"}'),),
            ),
            Message("tool", (ToolResult(call_id="call_1", content="20"),)),
        ),
        tools=(Tool("get_weather", "Weather", WEATHER, strict=True),),
        tool_choice=ToolChoice("required", "get_weather"),
    ),
    "responses_json_schema": Request(messages=HI, schema=OutputSchema("out", WEATHER)),
    "responses_params": Request(
        messages=HI,
        max_tokens=64,
        effort="low",
        temperature=0.2,
        top_p=0.9,
        extra={"reasoning": {"summary": "auto"}},
    ),
    "responses_stream": Request(messages=HI, stream=True),
}
ITEMS: Difference = {
    # One turn is a list of one.
    "body.input": ("Hi", MISSING),
    "body.input.0.role": (MISSING, "user"),
    "body.input.0.content": (MISSING, "Hi"),
}
NOT_KEPT: Difference = {"body.store": (MISSING, False)}


def thinker() -> Candidate:
    words = frozenset(("reasoning", "sampling", "system", "tools", "vision", "schema"))
    return Candidate(OPENAI, Model(provider="openai", id="gpt-x", abilities=words))


def expected(case: str) -> Difference:
    found = JSON_ASKED
    if RECORDED[case]["body"]["input"] == "Hi":
        found = found | ITEMS
    return found if case == "responses_system" else found | NOT_KEPT


@pytest.mark.parametrize("case", CASES)
def test_the_request_means_what_the_sdk_sends(case: str) -> None:
    target = thinker()
    if case != "responses_params":
        target = Candidate(OPENAI, Model(provider="openai", id="gpt-x"))
    call = responses.encode(CASES[case], target)
    assert differences(RECORDED[case], call, OPENAI) == expected(case)
    assert call.notices == ()
    assert responses.encode(CASES[case], target) == call


def test_every_recorded_case_is_compared() -> None:
    assert RECORDED.keys() == CASES.keys()


# ------------------------------------------------------------------ the stream


STREAM: dict[str, Any] = json.loads((FOLDER / "streams_responses.json").read_text(encoding="utf-8"))
DATA = STREAM["bytes"].encode()
TARGET = Candidate(OPENAI, Model(provider="openai", id="gpt-x"))


def test_the_stream_says_what_the_sdk_read() -> None:
    out = feed(responses, TARGET, [DATA])
    sdk = STREAM["sdk_parsed"]
    assert out.error is None
    assert (out.finished, out.settled) == (True, True)
    assert out.response.parts == (
        Text(text=sdk["output_text"]),
        ToolCall(id="call_1", name="get_weather", arguments='{"city":"Paris"}'),
    )
    assert (out.response.model, out.response.id) == ("gpt-x", "resp_1")
    assert out.response.finish_reason == "tool_calls"
    used = sdk["usage"]
    assert out.usage == Usage(
        used["input_tokens"],
        used["output_tokens"],
        used["input_tokens_details"]["cached_tokens"],
        used["input_tokens_details"]["cache_write_tokens"],
        0,
        used["output_tokens_details"]["reasoning_tokens"],
    )


def test_however_it_is_cut() -> None:
    whole = feed(responses, TARGET, [DATA]).meaning
    assert feed(responses, TARGET, one_by_one(DATA)).meaning == whole
    crlf = DATA.replace(b"\n", b"\r\n")
    assert feed(responses, TARGET, [crlf]).meaning == whole
    for place in range(0, len(DATA), 37):
        assert feed(responses, TARGET, cut(DATA, [place])).meaning == whole


def test_no_part_of_it_is_complete() -> None:
    end = DATA.index(b"event: response.completed")
    for place in range(0, end, 101):
        assert not feed(responses, TARGET, [DATA[:place]]).finished
    assert not feed(responses, TARGET, [DATA[:end]]).finished
