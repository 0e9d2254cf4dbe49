"""Streams of Converse: blocks, markers, usage after them, exceptions, bytes that are broken."""

import json
from typing import Any

import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects.base import LATE_ERROR, MALFORMED
from llm_orchestrator.types.events import (
    FinishEvent,
    ReasoningDelta,
    StartEvent,
    TextDelta,
    UsageEvent,
)
from llm_orchestrator.types.request import Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects.bedrock_samples import CLAUDE, event, exception, raw_frame, read
from tests.unit.dialects.feeding import one_by_one

START = event("messageStart", role="assistant")
END = event("contentBlockStop", contentBlockIndex=0)
STOP = event("messageStop", stopReason="end_turn")
USAGE = event("metadata", usage={"inputTokens": 9, "outputTokens": 2}, metrics={"latencyMs": 5})


def delta(index: int = 0, **fields: Any) -> bytes:
    return event("contentBlockDelta", contentBlockIndex=index, delta=fields)


def tool(index: int, name: str, **fields: Any) -> bytes:
    start = {"toolUse": {"toolUseId": f"id-{name}", "name": name} | fields}
    return event("contentBlockStart", contentBlockIndex=index, start=start)


HELLO = delta(text="Hel") + delta(text="lo")


# ------------------------------------------------------------------ complete or not


def test_the_stop_completes_it_and_the_usage_settles_it() -> None:
    out = read(START + HELLO + END + STOP)
    assert (out.text, out.finished, out.settled, out.usage) == ("Hello", True, False, None)
    out = read(START + HELLO + END + STOP + USAGE)
    assert (out.finished, out.settled, out.usage) == (True, True, Usage(9, 2))
    assert out.events == [
        StartEvent(CLAUDE),
        TextDelta("Hel"),
        TextDelta("lo"),
        FinishEvent("stop"),
        UsageEvent(Usage(9, 2)),
    ]


@pytest.mark.parametrize("data", [b"", START, START + HELLO, START + HELLO + END])
def test_without_a_stop_it_is_not_complete(data: bytes) -> None:
    out = read(data)
    assert (out.finished, out.settled, out.error) == (False, False, None)


def test_a_stop_that_is_cut_off_does_not_count() -> None:
    whole = START + HELLO + STOP
    for length in range(len(whole)):
        assert not read(whole[:length]).finished
    assert read(*one_by_one(whole)).finished


def test_usage_alone_completes_nothing() -> None:
    out = read(START + HELLO + USAGE)
    assert (out.finished, out.settled, out.usage) == (False, False, Usage(9, 2))


@pytest.mark.parametrize(
    "wire, meaning",
    [("max_tokens", "length"), ("guardrail_intervened", "content_filter"), ("new", "other")],
)
def test_stop_reasons(wire: str, meaning: str) -> None:
    fields = {"additionalModelResponseFields": {"stop_sequence": "x"}}
    out = read(START + HELLO + event("messageStop", stopReason=wire, **fields))
    assert out.response.finish_reason == meaning
    assert out.response.extra == fields


def test_the_lane_is_told_with_the_usage() -> None:
    flex = event(
        "metadata", usage={"inputTokens": 1, "outputTokens": 1}, serviceTier={"type": "flex"}
    )
    assert read(START + HELLO + STOP + flex).events[-1] == UsageEvent(
        Usage(1, 1), service_tier="flex"
    )


@pytest.mark.parametrize("stop", ["malformed_model_output", "malformed_tool_use"])
def test_a_malformed_answer_fails_once_its_usage_is_known(stop: str) -> None:
    data = START + HELLO + event("messageStop", stopReason=stop)
    for out in (read(data + USAGE), read(data)):
        assert type(out.error) is errors.BadReplyError
        assert out.error.code == stop
        assert not out.finished
    assert read(data + USAGE).usage == Usage(9, 2)


# ------------------------------------------------------------------ blocks


def test_calls_are_numbered_in_their_order() -> None:
    out = read(
        START,
        delta(text="I look."),
        tool(1, "f"),
        delta(1, toolUse={"input": '{"x"'}),
        delta(1, toolUse={"input": ": 1}"}),
        tool(2, "g"),
        delta(2, toolUse={"input": ""}),
        event("messageStop", stopReason="tool_use"),
    )
    assert out.response.parts == (
        Text(text="I look."),
        ToolCall(id="id-f", name="f", arguments='{"x": 1}'),
        ToolCall(id="id-g", name="g", arguments="{}"),
    )
    assert out.response.finish_reason == "tool_calls"


def test_tools_of_the_service_and_pieces_of_no_tool_are_passed_over() -> None:
    out = read(
        START,
        tool(0, "web", type="server_tool_use"),
        delta(0, toolUse={"input": "{}"}),
        delta(7, toolUse={"input": "{}"}),
        event("contentBlockStart", contentBlockIndex=3, start={"image": {"format": "png"}}),
        delta(3, image={"source": {"bytes": "AAAA"}}),
        delta(4, citation={"title": "t"}),
        event("somethingNew", x=1),
        STOP,
    )
    assert out.pieces() == []
    assert (out.finished, out.notices) == (True, [])


def test_thoughts_and_what_closes_them() -> None:
    out = read(
        START,
        delta(reasoningContent={"text": "h"}),
        delta(reasoningContent={"text": "m"}),
        delta(reasoningContent={"signature": "sig"}),
        delta(1, reasoningContent={"redactedContent": "AAAA"}),
        delta(2, reasoningContent={"text": ""}),
        delta(2, text="a"),
        STOP,
    )
    assert out.response.parts == (
        Reasoning(text="hm", signature="sig"),
        Reasoning(redacted="AAAA"),
        Text(text="a"),
    )
    assert ReasoningDelta("h") in out.events


# ------------------------------------------------------------------ exceptions and damage


@pytest.mark.parametrize(
    "name, kind",
    [
        ("throttlingException", errors.RateLimitError),
        ("internalServerException", errors.ServerError),
        ("modelStreamErrorException", errors.ServerError),
        ("serviceUnavailableException", errors.OverloadedError),
        ("validationException", errors.InvalidRequestError),
        ("somethingNewException", errors.ServerError),
    ],
)
def test_exceptions_in_the_stream(name: str, kind: type[errors.OrchestratorError]) -> None:
    out = read(START + HELLO + exception(name, "It broke.") + HELLO + STOP)
    assert type(out.error) is kind
    assert (out.text, out.finished) == ("Hello", False)
    assert out.error.code == name[0].upper() + name[1:]
    assert (out.error.provider, out.error.model) == ("bedrock", CLAUDE)
    assert out.error.message.startswith("It broke")


def test_what_the_model_itself_said_is_passed_on() -> None:
    data = exception(
        "modelStreamErrorException", "It broke.", originalStatusCode=500, originalMessage="oom"
    )
    error = read(data).error
    assert error is not None
    assert error.message == "It broke. (oom)"


def test_an_error_without_a_shape_is_one_too() -> None:
    headers = {
        ":message-type": "error",
        ":error-code": "InternalFailure",
        ":error-message": "Sorry.",
    }
    error = read(START + raw_frame(headers, b"")).error
    assert type(error) is errors.ServerError
    assert (error.code, error.message) == ("InternalFailure", "Sorry.")
    error = read(raw_frame({":message-type": "exception"}, b"\xff")).error
    assert type(error) is errors.ServerError
    assert "without a message" in error.message


def test_an_exception_after_the_whole_answer_is_noted() -> None:
    out = read(START + HELLO + STOP + exception("internalServerException", "x"))
    assert (out.error, out.finished, out.settled) == (None, True, True)
    assert out.notices == [LATE_ERROR]


def test_a_payload_that_cannot_be_read_is_skipped_and_marked() -> None:
    headers = {":message-type": "event", ":event-type": "contentBlockDelta"}
    broken = raw_frame(headers, b'{"delta": ')
    out = read(START + HELLO + broken + STOP)
    assert (out.text, out.finished, out.notices) == ("Hello", True, [MALFORMED])


def test_a_damaged_frame_fails_the_stream() -> None:
    bad = bytearray(delta(text="lost"))
    bad[60] ^= 1
    out = read(START + HELLO + bytes(bad) + STOP)
    assert type(out.error) is errors.BadReplyError
    assert (out.error.code, out.error.retryable) == ("damaged_frame", True)
    assert (out.text, out.finished) == ("Hello", False)


def test_bytes_of_another_kind_name_the_proxy() -> None:
    out = read(b"data: " + json.dumps({"error": "proxy"}).encode() + b"\n\n")
    assert out.error is not None
    assert "does a proxy rewrite bodies?" in out.error.message


def test_damage_after_the_whole_answer_is_noted() -> None:
    out = read(START + HELLO + STOP + b"\0" * 40)
    assert (out.error, out.finished, out.settled) == (None, True, True)
    assert out.notices == [LATE_ERROR]
