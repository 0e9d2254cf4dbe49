"""Streams of Messages: blocks, usage in two halves, markers, errors, bytes that are broken."""

import json
from typing import Any

import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects import load
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
from tests.unit.dialects import targets
from tests.unit.dialects.feeding import Outcome, feed, one_by_one

TARGET = targets.anthropic()


def event(type: str, **fields: Any) -> bytes:
    body = json.dumps({"type": type} | fields)
    return f"event: {type}\ndata: {body}\n\n".encode()


def block(index: int, **fields: Any) -> bytes:
    return event("content_block_start", index=index, content_block=fields)


def delta(index: int, type: str, **fields: Any) -> bytes:
    return event("content_block_delta", index=index, delta={"type": type} | fields)


def finish(reason: str | None = "end_turn", usage: Any = None, **fields: Any) -> bytes:
    fields |= {"usage": usage} if usage else {}
    return event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, **fields)


def read(*pieces: bytes) -> Outcome:
    return feed(load("anthropic"), TARGET, pieces)


START = event(
    "message_start",
    message={
        "id": "msg_1",
        "type": "message",
        "model": "claude-x-2026",
        "content": [],
        "usage": {"input_tokens": 36, "cache_read_input_tokens": 54, "output_tokens": 1},
    },
)
HELLO = block(0, type="text", text="") + delta(0, "text_delta", text="Hello")
FINISH = finish(usage={"output_tokens": 9})
STOP = event("message_stop")


# ------------------------------------------------------------------ complete or not


def test_a_stop_reason_completes_it_and_message_stop_settles_it() -> None:
    out = read(START, HELLO, FINISH)
    assert (out.text, out.finished, out.settled) == ("Hello", True, False)
    assert read(START, HELLO, FINISH, STOP).settled


@pytest.mark.parametrize("reason", [None, ""])
def test_no_stop_reason_is_no_terminal_marker(reason: str | None) -> None:
    out = read(START, HELLO, finish(reason))
    assert (out.text, out.finished) == ("Hello", False)


def test_the_service_tier_comes_with_the_usage() -> None:
    usage = {"input_tokens": 9, "output_tokens": 1, "service_tier": "priority"}
    start = event("message_start", message={"type": "message", "usage": usage})
    tiers = [e.service_tier for e in read(start, HELLO, FINISH).events if isinstance(e, UsageEvent)]
    assert tiers == ["priority", "priority"]


def test_message_stop_alone_completes_it() -> None:
    out = read(START, HELLO, STOP)
    assert (out.finished, out.settled, out.response.finish_reason) == (True, True, "other")


def test_a_delta_without_a_stop_reason_does_not() -> None:
    out = read(START, HELLO, finish(None, usage={"output_tokens": 4}))
    assert not out.finished
    assert out.usage == Usage(90, 4, 54)


def test_it_finishes_once() -> None:
    out = read(START, HELLO, FINISH, FINISH, STOP)
    assert sum(isinstance(e, FinishEvent) for e in out.events) == 1


def test_it_starts_with_the_model_that_answers() -> None:
    assert read(START).events[0] == StartEvent("claude-x-2026", "msg_1")


# ------------------------------------------------------------------ usage


def test_usage_comes_in_two_halves_and_later_numbers_win() -> None:
    out = read(
        START,
        HELLO,
        finish(
            usage={
                "output_tokens": 89,
                "cache_creation_input_tokens": 10,
                "cache_creation": {"ephemeral_1h_input_tokens": 4},
                "output_tokens_details": {"thinking_tokens": 30},
            }
        ),
    )
    assert out.usage == Usage(100, 89, 54, 10, 4, 30)


def test_input_that_is_told_again_replaces() -> None:
    out = read(START, HELLO, finish(usage={"input_tokens": 40, "output_tokens": 2}))
    assert out.usage == Usage(94, 2, 54)


def test_without_input_tokens_usage_is_unknown() -> None:
    assert read(HELLO, FINISH).usage is None


def test_decoders_share_no_usage() -> None:
    read(START, HELLO, FINISH)
    second = event("message_start", message={"usage": {"input_tokens": 1}})
    assert read(second, HELLO, FINISH).usage == Usage(1, 9)


# ------------------------------------------------------------------ blocks


def test_a_thought_with_its_signature_a_text_and_a_tool() -> None:
    out = read(
        START,
        block(0, type="thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="h"),
        delta(0, "thinking_delta", thinking="m"),
        delta(0, "signature_delta", signature="sig=="),
        event("content_block_stop", index=0),
        block(1, type="redacted_thinking", data="xyz"),
        block(2, type="text", text="Hel"),
        delta(2, "text_delta", text="lo"),
        block(3, type="tool_use", id="toolu_1", name="f", input={}),
        delta(3, "input_json_delta", partial_json=""),
        delta(3, "input_json_delta", partial_json='{"x":'),
        delta(3, "input_json_delta", partial_json="1}"),
        block(4, type="tool_use", id="toolu_2", name="g", input={}),
        finish("tool_use"),
        STOP,
    )
    assert out.response.parts == (
        Reasoning(text="hm", signature="sig=="),
        Reasoning(redacted="xyz"),
        Text(text="Hello"),
        ToolCall(id="toolu_1", name="f", arguments='{"x":1}'),
        ToolCall(id="toolu_2", name="g", arguments="{}"),
    )
    assert out.response.finish_reason == "tool_calls"


def test_tools_of_the_server_and_citations_are_left_out() -> None:
    out = read(
        START,
        block(0, type="server_tool_use", id="s", name="web_search", input={}),
        delta(0, "input_json_delta", partial_json='{"query":"x"}'),
        block(1, type="web_search_tool_result", content=[]),
        block(2, type="text", text=""),
        delta(2, "citations_delta", citation={"cited_text": "x"}),
        delta(2, "text_delta", text="Hello"),
        FINISH,
        STOP,
    )
    assert out.response.parts == (Text(text="Hello"),)
    assert out.notices == []


def test_pieces_in_their_order() -> None:
    out = read(START, delta(0, "thinking_delta", thinking="hm"), HELLO)
    assert out.pieces() == [ReasoningDelta("hm"), TextDelta("Hello")]


@pytest.mark.parametrize(
    "wire, ours",
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "other"),
        ("something_new", "other"),
    ],
)
def test_stop_reasons(wire: str, ours: str) -> None:
    assert read(START, HELLO, finish(wire)).response.finish_reason == ours


def test_stop_details_are_passed_on() -> None:
    details = {"type": "refusal", "category": "cyber"}
    body = {"stop_reason": "refusal", "stop_details": details}
    out = read(START, HELLO, event("message_delta", delta=body))
    assert out.response.extra == {"stop_details": details}


@pytest.mark.parametrize(
    "odd",
    [
        b": comment\n\n",
        b"\n\n",
        b"data: [DONE]\n\n",
        event("ping"),
        event("something_new", index=4, data=[1]),
        event("content_block_start", index=9),
        event("content_block_delta", index=9),
        event("message_delta"),
        delta(9, "input_json_delta", partial_json="{}"),
        delta(9, "something_new", text="not ours"),
        delta(9, "text_delta"),
        delta(9, "text_delta", text=""),
        block(9, type="something_new"),
        event("content_block_stop", index=9),
    ],
)
def test_odd_but_harmless(odd: bytes) -> None:
    for pieces in ((odd, START, HELLO, FINISH, STOP), (START, HELLO, odd, FINISH, STOP)):
        out = read(*pieces)
        assert out.error is None
        assert (out.text, out.notices, out.finished, out.settled) == ("Hello", [], True, True)
        assert out.usage == Usage(90, 9, 54)


def test_data_without_an_event_line() -> None:
    pieces = (START + HELLO + FINISH + STOP).split(b"\n")
    bare = b"\n".join(line for line in pieces if not line.startswith(b"event:"))
    assert read(bare).meaning == read(START, HELLO, FINISH, STOP).meaning


def test_unicode_split_across_chunks() -> None:
    text = "Grüße, 漢字, 🙂👩‍🚀"
    body = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}
    data = b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"
    assert read(*one_by_one(data + FINISH)).text == text


# ------------------------------------------------------------------ malformed and failing


@pytest.mark.parametrize(
    "broken",
    [
        b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"lost\n\n',
        b"data: \xff\xfe\n\n",
        b"data: []\n\n",
        b'data: {"type": 7}\n\n',
        b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":7}}\n\n',
    ],
)
def test_a_malformed_event_is_skipped_and_noted(broken: bytes) -> None:
    out = read(START, HELLO, broken, FINISH, STOP)
    assert out.error is None
    assert (out.text, out.notices, out.finished) == ("Hello", [MALFORMED], True)


@pytest.mark.parametrize(
    "error, kind, code",
    [
        (
            {"type": "overloaded_error", "message": "Overloaded"},
            errors.OverloadedError,
            "overloaded_error",
        ),
        ({"type": "api_error", "message": "m"}, errors.ServerError, "api_error"),
        ({"type": "rate_limit_error", "message": "m"}, errors.RateLimitError, "rate_limit_error"),
        (
            {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"},
            errors.ContextLengthError,
            "invalid_request_error",
        ),
        ({"type": "something_new", "message": "m"}, errors.ServerError, "something_new"),
        ({}, errors.ServerError, None),
        (None, errors.ServerError, None),
        ("text", errors.ServerError, None),
    ],
)
def test_errors_in_the_stream(
    error: Any, kind: type[errors.OrchestratorError], code: str | None
) -> None:
    out = read(START + HELLO + event("error", error=error) + FINISH)
    assert type(out.error) is kind
    assert (out.error.code, out.error.provider, out.error.model) == (code, "anthropic", "claude-x")
    assert out.error.message
    # The one token of message_start is a placeholder.
    assert out.usage == Usage(90, 1, 54, estimated=True)
    assert (out.text, out.finished) == ("Hello", False)


def test_an_end_without_the_final_usage_is_an_estimate() -> None:
    out = read(START, HELLO, finish(), STOP)
    assert (out.finished, out.usage) == (True, Usage(90, 1, 54, estimated=True))


def test_an_error_object_without_its_type() -> None:
    out = read(START, b'data: {"error":{"type":"overloaded_error","message":"m"}}\n\n')
    assert type(out.error) is errors.OverloadedError


def test_an_error_after_the_whole_answer_is_noted() -> None:
    out = read(START, HELLO, FINISH, event("error", error={"type": "api_error"}))
    assert out.error is None
    assert (out.finished, out.settled, out.notices) == (True, True, [LATE_ERROR])
