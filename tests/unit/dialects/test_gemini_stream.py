"""Streams of generateContent: chunks that are whole replies in small, and no end marker."""

import json
from typing import Any

import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects import gemini, load
from llm_orchestrator.types.events import (
    FinishEvent,
    ReasoningDelta,
    StartEvent,
    TextDelta,
    ToolCallDelta,
    UsageEvent,
)
from llm_orchestrator.types.request import Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects import targets
from tests.unit.dialects.feeding import Outcome, feed, one_by_one

ANY = targets.gemini()
CALL = {"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "s"}


def chunk(*parts: Any, finish: str | None = None, **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "m", "responseId": "r1"} | more


def streamed(*chunks: Any) -> Outcome:
    data = b"".join(b"data: " + json.dumps(one).encode() + b"\r\n\r\n" for one in chunks)
    whole = feed(load("gemini"), ANY, [data])
    assert feed(load("gemini"), ANY, one_by_one(data)).meaning == whole.meaning
    return whole


def test_events_in_order() -> None:
    out = streamed(
        chunk({"text": "hm", "thought": True}),
        chunk({"text": "Hel"}),
        chunk({"text": "lo"}, CALL, finish="STOP", usageMetadata={"promptTokenCount": 9}),
    )
    assert out.events == [
        StartEvent("m", "r1"),
        ReasoningDelta("hm"),
        TextDelta("Hel"),
        TextDelta("lo"),
        ToolCallDelta(0, '{"x": 1}', "r1-0", "f", "gemini:s"),
        UsageEvent(Usage(9)),
        FinishEvent("tool_calls"),
    ]
    assert (out.finished, out.settled) == (True, False)


def test_the_signature_of_a_text_is_kept() -> None:
    out = streamed(
        chunk({"text": "hm", "thought": True}),
        chunk({"text": "Hello"}),
        chunk({"text": "", "thoughtSignature": "t"}, finish="STOP"),
    )
    assert out.response.parts == (
        Reasoning(text="hm", signature="gemini:t"),
        Text(text="Hello"),
    )


def test_parallel_calls_have_places_and_ids_of_their_own() -> None:
    bare = {"functionCall": {"name": "g", "args": {}}}
    out = streamed(chunk(CALL), chunk(bare, bare, finish="STOP"))
    assert out.response.parts == (
        ToolCall(id="r1-0", name="f", arguments='{"x": 1}', signature="gemini:s"),
        ToolCall(id="r1-1", name="g"),
        ToolCall(id="r1-2", name="g"),
    )


@pytest.mark.parametrize("late", [False, True])
def test_call_and_reason_may_come_in_different_chunks(late: bool) -> None:
    call, stop = chunk(CALL), chunk(finish="STOP")
    out = streamed(*((stop, call) if late else (call, stop)))
    assert out.finished
    assert out.response.finish_reason == "tool_calls"
    assert len(out.response.parts) == 1


def test_a_stop_at_the_token_limit_is_none_for_calls() -> None:
    assert streamed(chunk(CALL, finish="MAX_TOKENS")).response.finish_reason == "length"


def test_usage_is_the_least_until_the_end() -> None:
    early = {"promptTokenCount": 9, "thoughtsTokenCount": 2, "totalTokenCount": 11}
    final = early | {"candidatesTokenCount": 4, "totalTokenCount": 15, "serviceTier": "flex"}
    half = streamed(chunk({"text": "a"}, usageMetadata=early))
    assert half.usage == Usage(9, 2, 0, 0, 0, 2, estimated=True)
    assert not half.finished
    whole = streamed(
        chunk({"text": "a"}, usageMetadata=early), chunk(finish="STOP", usageMetadata=final)
    )
    assert whole.usage == Usage(9, 6, 0, 0, 0, 2)
    assert [e.service_tier for e in whole.events if isinstance(e, UsageEvent)] == [None, "flex"]
    # It may also come after the reason to finish.
    after = {"usageMetadata": final}
    assert streamed(chunk({"text": "a"}, finish="STOP"), after).usage == whole.usage


def test_searches_of_all_chunks_are_charged() -> None:
    first = chunk({"text": "a"})
    first["candidates"][0]["groundingMetadata"] = {"webSearchQueries": ["a", "b"]}
    used = {"promptTokenCount": 9}
    last = chunk(finish="STOP", usageMetadata=used)
    last["candidates"][0]["groundingMetadata"] = {"webSearchQueries": ["c"]}
    assert streamed(first, last).usage == Usage(9, searches=3)


def test_a_blocked_answer_tells_why() -> None:
    stopped = chunk(finish="SAFETY")
    stopped["candidates"][0]["finishMessage"] = "hate"
    out = streamed(chunk({"text": "a"}), stopped)
    assert out.response.finish_reason == "content_filter"
    assert out.response.extra == {"reason": "SAFETY: hate"}


def test_a_failed_answer_is_an_error_and_its_usage_counts() -> None:
    used = {"promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 13}
    out = streamed(chunk(finish="MALFORMED_FUNCTION_CALL", usageMetadata=used))
    assert type(out.error) is errors.BadReplyError
    assert (out.error.code, out.finished) == ("malformed_function_call", False)
    assert out.usage == Usage(9, 4)


def test_an_error_in_the_stream() -> None:
    error = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
    out = streamed(chunk({"text": "a"}), error, chunk({"text": "b"}, finish="STOP"))
    assert type(out.error) is errors.OverloadedError
    assert (out.text, out.finished) == ("a", False)


def test_an_error_after_the_whole_answer_is_noted() -> None:
    error = {"error": {"code": 500, "message": "late", "status": "INTERNAL"}}
    out = streamed(chunk({"text": "a"}, finish="STOP"), error)
    assert (out.error, out.finished, len(out.notices)) == (None, True, 1)


def test_without_a_reason_to_finish_it_is_not_finished() -> None:
    out = streamed(chunk({"text": "a"}), chunk({"text": "b"}))
    assert (out.text, out.finished, out.error) == ("ab", False, None)


def test_chunks_that_are_no_json_are_skipped_and_noted() -> None:
    data = (
        b'data: {"candidates": [{"con\n\ndata: '
        + json.dumps(chunk({"text": "b"}, finish="STOP")).encode()
    )
    out = feed(load("gemini"), ANY, [data])  # and the last one lacks its blank line
    assert (out.text, out.finished, len(out.notices)) == ("b", True, 1)


def test_a_character_cut_in_two() -> None:
    data = (
        b"data: "
        + json.dumps(chunk({"text": "naïve 🦜"}, finish="STOP"), ensure_ascii=False).encode()
    )
    decoder = gemini.events(ANY)
    events = [event for byte in one_by_one(data) for event in decoder.feed(byte)]
    events += decoder.close()
    assert "".join(str(event) for event in events) == "naïve 🦜"
