"""Streams of Cohere."""

import json
from typing import Any

import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects import cohere
from llm_orchestrator.dialects.base import MALFORMED
from llm_orchestrator.types.request import Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects import targets
from tests.unit.dialects.feeding import Outcome, cut, feed, one_by_one
from tests.wire.recorded import FOLDER

TARGET = targets.cohere()
RECORDED: dict[str, Any] = json.loads((FOLDER / "streams_cohere.json").read_text("utf-8"))
DATA = RECORDED["bytes"].encode()


def event(type: str, message: Any = None, **fields: Any) -> bytes:
    delta = fields.pop("delta", {}) | ({} if message is None else {"message": message})
    body = {"type": type, "delta": delta} | fields
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def text(words: str) -> bytes:
    return event("content-delta", {"content": {"text": words}}, index=0)


def end(reason: str | None = "COMPLETE", **fields: Any) -> bytes:
    return event("message-end", delta={"finish_reason": reason} | fields)


def read(*pieces: bytes) -> Outcome:
    return feed(cohere, TARGET, pieces)


# ------------------------------------------------------------------ as recorded


def test_the_recorded_stream() -> None:
    out = read(DATA)
    assert out.error is None
    assert (out.finished, out.settled) == (True, True)
    assert out.response.parts == (
        Reasoning(text="I will call"),
        Text(text="Hello"),
        ToolCall(id="get_weather_1", name="get_weather", arguments='{"city":"Paris"}'),
    )
    assert (out.response.finish_reason, out.response.id) == ("tool_calls", "c1")
    assert out.usage == Usage(10, 5)
    assert out.response.extra == {"tokens": {"input_tokens": 70, "output_tokens": 9}}
    assert out.notices == []


def test_however_it_is_cut() -> None:
    whole = read(DATA).meaning
    assert feed(cohere, TARGET, one_by_one(DATA)).meaning == whole
    assert read(DATA.replace(b"\n", b"\r\n")).meaning == whole
    # Whether there are lines with the names of events must not matter.
    bare = b"\n".join(line for line in DATA.split(b"\n") if not line.startswith(b"event:"))
    assert read(bare).meaning == whole
    for place in range(0, len(DATA), 23):
        assert feed(cohere, TARGET, cut(DATA, [place])).meaning == whole


def test_no_part_of_it_is_complete() -> None:
    marker = DATA.index(b'data: {"type":"message-end"')
    for place in range(0, marker, 41):
        assert not read(DATA[:place]).finished


# ------------------------------------------------------------------ by hand


def test_thoughts_and_text() -> None:
    out = read(
        event("content-start", {"content": {"type": "thinking", "thinking": "h"}}),
        event("content-delta", {"content": {"thinking": "m"}}),
        event("content-start", {"content": {"type": "text", "text": "Hel"}}, index=1),
        text("lo"),
        end(),
    )
    assert out.response.parts == (Reasoning(text="hm"), Text(text="Hello"))
    assert out.response.finish_reason == "stop"


def test_parallel_calls_by_any_index() -> None:
    def call(kind: str, index: int, arguments: str, **names: str) -> bytes:
        function = {"arguments": arguments} | ({"name": names["name"]} if names else {})
        found = {"function": function} | ({"id": names["id"]} if "id" in names else {})
        return event(f"tool-call-{kind}", {"tool_calls": found}, index=index)

    out = read(
        call("start", 2, "", id="a", name="f"),
        call("delta", 2, '{"x":'),
        call("start", 5, "{}", name="g"),
        call("delta", 2, "1}"),
        end("TOOL_CALL"),
    )
    assert out.response.parts == (
        ToolCall(id="a", name="f", arguments='{"x":1}'),
        ToolCall(id="call_1", name="g", arguments="{}"),
    )


def test_citations_are_collected() -> None:
    out = read(
        text("Hello"),
        event("citation-start", {"citations": {"start": 0, "text": "Hello"}}),
        event("citation-end"),
        event("citation-start", {"citations": None}),
        end(),
    )
    assert out.response.extra == {"citations": [{"start": 0, "text": "Hello"}]}


@pytest.mark.parametrize("reason", ["A_NEW_ONE", None])
def test_an_unknown_reason_is_a_terminal_marker_as_well(reason: str | None) -> None:
    out = read(text("Hello"), end(reason))
    assert (out.finished, out.response.finish_reason) == (True, "other")


def test_what_comes_after_the_end_is_ignored() -> None:
    out = read(text("Hello"), end(), text("!"), b"data: [DONE]\n\n", b"data: nonsense\n\n")
    assert (out.text, out.notices, out.error) == ("Hello", [], None)


@pytest.mark.parametrize(
    "last, message",
    [
        (end("ERROR", error="it broke"), "it broke"),
        (end("TIMEOUT"), "timeout"),
        (end(None, error="it broke"), "it broke"),
        (b'data: {"id":"x","message":"internal server error"}\n\n', "internal server error"),
    ],
)
def test_failures_in_the_stream(last: bytes, message: str) -> None:
    out = read(text("Hel"), last)
    assert type(out.error) is errors.ServerError
    assert message in out.error.message.lower()
    assert (out.text, out.finished) == ("Hel", False)


def test_a_failure_still_tells_its_usage() -> None:
    usage = {"billed_units": {"input_tokens": 10, "output_tokens": 2}}
    assert read(text("Hel"), end("ERROR", usage=usage)).usage == Usage(10, 2)


def test_what_cannot_be_read_is_skipped_and_noted() -> None:
    out = read(b"data: {nonsense\n\n", text("Hello"), event("debug", prompt="x"), end())
    assert (out.text, out.notices, out.finished) == ("Hello", [MALFORMED], True)


def test_a_stream_without_its_end_is_not_complete() -> None:
    out = read(text("Hello"), event("content-end"), b"data: [DONE]\n\n")
    assert (out.finished, out.settled, out.error) == (False, False, None)
