"""Streams of Chat Completions, as any compatible server may send them."""

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
    ToolCallDelta,
    UsageEvent,
)
from llm_orchestrator.types.request import ToolCall
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects import targets
from tests.unit.dialects.feeding import Outcome, feed, one_by_one

TARGET = targets.openai()
DONE = b"data: [DONE]\n\n"


def event(body: Any) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def chunk(finish: str | None = None, usage: Any = None, **delta: Any) -> bytes:
    body: dict[str, Any] = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return event(body | ({"usage": usage} if usage else {}))


def call(**fields: Any) -> dict[str, Any]:
    names = {key: fields.pop(key) for key in ("name", "arguments") if key in fields}
    return fields | {"function": names}


def read(*pieces: bytes) -> Outcome:
    return feed(load("openai"), TARGET, pieces)


FINISH = chunk("stop")
HELLO = chunk(content="Hello")


# ------------------------------------------------------------------ complete or not


def test_without_done_it_is_complete() -> None:
    out = read(HELLO, FINISH)
    assert (out.text, out.finished, out.settled) == ("Hello", True, False)


def test_done_settles_it() -> None:
    assert read(HELLO, FINISH, DONE).settled


def test_done_alone_is_no_terminal_marker() -> None:
    out = read(HELLO, DONE)
    assert (out.finished, out.settled) == (False, False)


def test_usage_after_the_finish_settles_it() -> None:
    out = read(HELLO, FINISH, event({"choices": [], "usage": {"prompt_tokens": 7}}))
    assert (out.finished, out.settled) == (True, True)
    assert out.usage == Usage(7)


def test_usage_before_the_finish_does_not() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 1}
    out = read(chunk(content="Hel", usage=usage), chunk(content="lo", usage=usage))
    assert not out.settled
    assert not out.finished


def test_the_last_usage_counts() -> None:
    first = {"prompt_tokens": 7, "completion_tokens": 1}
    last = {"prompt_tokens": 7, "completion_tokens": 2}
    out = read(chunk(content="Hel", usage=first), chunk("stop", content="lo", usage=last), DONE)
    assert out.usage == Usage(7, 2)
    assert [e.usage.output_tokens for e in out.events if isinstance(e, UsageEvent)] == [1, 2]
    assert out.settled


@pytest.mark.parametrize("place", ["in each chunk", "in the first chunk"])
def test_the_service_tier_comes_with_the_usage(place: str) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2}
    first = event({"choices": [], "service_tier": "flex"})
    last = {"choices": [], "usage": usage}
    if place == "in each chunk":
        last |= {"service_tier": "flex"}
    found = [e for e in read(first, HELLO, FINISH, event(last)).events if isinstance(e, UsageEvent)]
    assert [e.service_tier for e in found] == ["flex"]


@pytest.mark.parametrize("reason", [None, ""])
def test_no_finish_reason_is_no_terminal_marker(reason: str | None) -> None:
    body = {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": reason}]}
    assert not read(event(body), DONE).finished
    assert read(event(body), FINISH, DONE).response.finish_reason == "stop"


@pytest.mark.parametrize("first", [0, 1, None])
def test_of_several_answers_the_first_is_read(first: int | None) -> None:
    """Some field of the user's own may ask for more; their pieces come mixed."""

    def piece(index: int | None, text: str, reason: str | None = None) -> dict[str, Any]:
        return {"index": index, "delta": {"content": text}, "finish_reason": reason}

    out = read(
        event({"choices": [piece(first, "one ")]}),
        event({"choices": [piece(2, "other ", "length")]}),
        event({"choices": [piece(2, "x"), piece(first, "two", "stop")]}),
    )
    assert (out.text, out.finished, out.response.finish_reason) == ("one two", True, "stop")


def test_a_second_finish_is_ignored() -> None:
    out = read(HELLO, FINISH, chunk("length"), DONE)
    assert [e.reason for e in out.events if isinstance(e, FinishEvent)] == ["stop"]


def test_a_last_chunk_without_its_blank_line_counts() -> None:
    out = read(HELLO, FINISH.rstrip(b"\n"))
    assert out.finished


# ------------------------------------------------------------------ what chunks may look like


@pytest.mark.parametrize(
    "odd",
    [
        b": OPENROUTER PROCESSING\n\n",
        b"\n\n",
        b"event: ping\n\n",
        b"id: 3\nretry: 100\n\n",
        event({}),
        event({"choices": []}),
        event({"choices": None}),
        event({"choices": [{}]}),
        event({"choices": [{"delta": None, "finish_reason": None}]}),
        event({"choices": [{"delta": {"content": None}}]}),
        event({"choices": [{"delta": {"content": ""}}], "obfuscation": "xxxx"}),
        event({"choices": [{"delta": {"content": []}}]}),
        event({"choices": [{"delta": {"tool_calls": None}}]}),
        event({"choices": [{"delta": {"tool_calls": []}}]}),
        event({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}),
        event({"usage": None, "choices": [], "error": None}),
        event({"usage": {}, "choices": []}),
        event({"model": None, "id": None, "choices": []}),
        event({"x_groq": {"id": "req_1"}, "choices": []}),
        event({"timings": {"prompt_n": 5}, "choices": []}),
    ],
)
def test_odd_but_harmless(odd: bytes) -> None:
    plain = read(HELLO, FINISH, DONE)
    for pieces in ((odd, HELLO, FINISH, DONE), (HELLO, odd, FINISH, DONE)):
        out = read(*pieces)
        assert out.error is None
        assert (out.text, out.notices, out.finished, out.settled) == ("Hello", [], True, True)
        assert out.response.finish_reason == plain.response.finish_reason


def test_it_starts_once_with_the_model_that_answers() -> None:
    first = event({"id": "c1", "model": "gpt-x-2026", "choices": []})
    out = read(first, HELLO, FINISH)
    assert [e for e in out.events if isinstance(e, StartEvent)] == [StartEvent("gpt-x-2026", "c1")]


def test_content_as_a_list() -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "thinking", "thinking": []}, {"text": "lo"}]
    assert read(chunk(content=parts), FINISH).text == "Hello"


def test_a_message_in_place_of_a_delta() -> None:
    whole = event({"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]})
    out = read(whole)
    assert (out.text, out.finished) == ("Hello", True)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thoughts(field: str) -> None:
    out = read(chunk(**{field: "hm"}), HELLO, FINISH)
    assert out.pieces() == [ReasoningDelta("hm"), TextDelta("Hello")]


@pytest.mark.parametrize(
    "wire, ours",
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("model_length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("error", "other"),
        ("something_new", "other"),
    ],
)
def test_finish_reasons(wire: str, ours: str) -> None:
    assert read(HELLO, chunk(wire)).response.finish_reason == ours


def test_a_refusal_is_a_filtered_answer() -> None:
    out = read(chunk(refusal="I cannot "), chunk(refusal="help."), FINISH)
    assert out.text == "I cannot help."
    assert out.response.finish_reason == "content_filter"


def test_unicode_split_across_chunks() -> None:
    text = "Grüße, 漢字, 🙂👩‍🚀"
    plain = (
        b"data: "
        + json.dumps({"choices": [{"delta": {"content": text}}]}, ensure_ascii=False).encode()
    )
    assert read(*one_by_one(plain + b"\n\n" + FINISH)).text == text


# ------------------------------------------------------------------ tool calls


def test_pieces_by_index() -> None:
    out = read(
        chunk(tool_calls=[call(index=0, id="a", name="f", arguments="")]),
        chunk(tool_calls=[call(index=1, id="b", name="g", arguments="{")]),
        chunk(tool_calls=[call(index=0, arguments='{"x":'), call(index=1, arguments="}")]),
        chunk(tool_calls=[call(index=0, arguments="1}")]),
        chunk("tool_calls"),
    )
    assert out.response.parts == (
        ToolCall(id="a", name="f", arguments='{"x":1}'),
        ToolCall(id="b", name="g", arguments="{}"),
    )


def test_without_an_index_a_name_begins_a_call() -> None:
    out = read(
        chunk(tool_calls=[call(id="a", name="f", arguments='{"x":')]),
        chunk(tool_calls=[call(arguments="1}")]),
        chunk(tool_calls=[call(id="b", name="g", arguments="{}")]),
        chunk("tool_calls"),
    )
    assert out.response.parts == (
        ToolCall(id="a", name="f", arguments='{"x":1}'),
        ToolCall(id="b", name="g", arguments="{}"),
    )


def test_without_an_id_a_call_gets_one() -> None:
    out = read(
        chunk(tool_calls=[call(name="f", arguments="{}")]),
        chunk(tool_calls=[call(name="g", arguments="{}")]),
        chunk("tool_calls"),
    )
    ids = [part.id for part in out.response.parts if isinstance(part, ToolCall)]
    assert len(set(ids)) == 2
    assert all(ids)


def test_a_null_function_and_null_arguments() -> None:
    out = read(
        chunk(tool_calls=[{"index": 0, "id": "a", "function": None}]),
        chunk(tool_calls=[call(index=0, name="f", arguments=None)]),
        chunk("tool_calls"),
    )
    assert out.response.parts == (ToolCall(id="a", name="f", arguments="{}"),)


def test_stop_after_a_tool_call_means_tool_calls() -> None:
    out = read(chunk(tool_calls=[call(index=0, id="a", name="f", arguments="{}")]), chunk("stop"))
    assert out.response.finish_reason == "tool_calls"


def test_text_and_a_call_in_one_chunk() -> None:
    out = read(
        chunk(content="Wait", tool_calls=[call(index=0, id="a", name="f", arguments="{}")]),
        chunk("tool_calls"),
    )
    assert out.pieces() == [TextDelta("Wait"), ToolCallDelta(0, "{}", "a", "f")]


# ------------------------------------------------------------------ malformed


@pytest.mark.parametrize(
    "broken",
    [
        b'data: {"choices":[{"delta":{"content":"lost\n\n',
        b"data: no json\n\n",
        b"data: \xff\xfe\n\n",
        b'data: {"choices": "text"}\n\n',
        b'data: {"choices": [{"delta": {"content": 7}}]}\n\n',
        b"data: []\n\n",
        b"data: null\n\n",
        b"data:\n\n",
        b"<html>\n\ndata: <p>\n\n",
        b"data: " + b"[" * 5000 + b"\n\n",
    ],
)
def test_a_malformed_chunk_is_skipped_and_noted(broken: bytes) -> None:
    out = read(HELLO, broken, FINISH, DONE)
    assert out.error is None
    assert (out.text, out.notices, out.finished) == ("Hello", [MALFORMED], True)


def test_after_a_malformed_end_it_is_not_complete() -> None:
    out = read(HELLO, FINISH[:-10])
    assert (out.notices, out.finished) == ([MALFORMED], False)


# ------------------------------------------------------------------ errors in the stream


@pytest.mark.parametrize(
    "body, kind, code",
    [
        ({"error": {"message": "m", "type": "server_error"}}, errors.ServerError, "server_error"),
        ({"error": {"message": "m", "code": 429}}, errors.RateLimitError, "429"),
        ({"error": {"message": "m", "code": "429"}}, errors.RateLimitError, "429"),
        ({"error": {"message": "m", "code": 503}}, errors.OverloadedError, "503"),
        (
            {"error": {"message": "m", "code": "context_length_exceeded"}},
            errors.ContextLengthError,
            "context_length_exceeded",
        ),
        (
            {"error": {"message": "m", "code": "content_filter"}},
            errors.ContentFilterError,
            "content_filter",
        ),
        ({"error": "all of it is text"}, errors.ServerError, None),
        ({"error": {"unknown": 1}}, errors.ServerError, None),
        ({"error": ["m"]}, errors.ServerError, None),
        ({"error": True}, errors.ServerError, None),
        (
            {"object": "error", "message": "m", "type": "BadRequestError", "code": 400},
            errors.InvalidRequestError,
            "400",
        ),
        ({"object": "error", "message": "m", "code": 500}, errors.ServerError, "500"),
        ({"x_groq": {"error": "over capacity"}}, errors.ServerError, None),
    ],
)
def test_errors_of_all_shapes(body: Any, kind: type[errors.OrchestratorError], code: str) -> None:
    out = read(HELLO + event(body) + FINISH)
    assert type(out.error) is kind
    assert out.error.code == code
    assert (out.error.provider, out.error.model) == ("openai", "gpt-x")
    assert out.error.message
    assert (out.text, out.finished) == ("Hello", False)


def test_an_error_after_the_whole_answer_is_noted() -> None:
    out = read(HELLO, FINISH, event({"error": {"message": "too late"}}))
    assert out.error is None
    assert (out.finished, out.settled, out.notices) == (True, True, [LATE_ERROR])
