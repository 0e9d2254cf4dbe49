"""Streams of Responses by hand; the recorded one is read in tests/wire."""

import json
from typing import Any

import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects import responses
from llm_orchestrator.dialects.base import LATE_ERROR, MALFORMED
from llm_orchestrator.types.events import UsageEvent
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects import targets
from tests.unit.dialects.feeding import Outcome, feed

TARGET = targets.responses()


def event(type: str, **fields: Any) -> bytes:
    return f"event: {type}\ndata: {json.dumps({'type': type} | fields)}\n\n".encode()


def text(words: str, index: int = 0) -> bytes:
    return event("response.output_text.delta", delta=words, output_index=index)


def item(step: str, index: int = 0, **fields: Any) -> bytes:
    return event(f"response.output_item.{step}", output_index=index, item=fields)


def end(how: str = "completed", **fields: Any) -> bytes:
    return event(f"response.{how}", response={"id": "resp_1", "status": how} | fields)


def read(*pieces: bytes, target: Candidate = TARGET) -> Outcome:
    return feed(responses, target, pieces)


CREATED = event("response.created", response={"id": "resp_1", "model": "gpt-x-1"})
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f"}


def test_an_answer_with_thoughts_and_calls() -> None:
    out = read(
        CREATED,
        event("response.in_progress", response={"id": "resp_1"}),
        event("response.reasoning_summary_part.added", output_index=0, summary_index=0),
        event("response.reasoning_summary_text.delta", delta="a", output_index=0),
        event("response.reasoning_summary_part.added", output_index=0, summary_index=1),
        event("response.reasoning_summary_text.delta", delta="b", output_index=0),
        item("done", type="reasoning", id="rs_1", encrypted_content="sealed"),
        text("Hel", 1),
        text("lo", 1),
        item("done", 1, type="message", content=[{"type": "output_text", "text": "Hello"}]),
        item("added", 2, arguments="", **CALL),
        event("response.function_call_arguments.delta", delta='{"x":', output_index=2),
        item("added", 3, **(CALL | {"call_id": "c2", "name": "g"})),
        event("response.function_call_arguments.delta", delta="1}", output_index=2),
        item("done", 2, arguments='{"x":1}', **CALL),
        item("done", 3, arguments="{}", **(CALL | {"call_id": "c2", "name": "g"})),
        end(),
    )
    assert out.error is None
    assert (out.finished, out.settled, out.notices) == (True, True, [])
    assert out.response.parts == (
        Reasoning(text="a\n\nb", signature="responses:rs_1.sealed"),
        Text(text="Hello"),
        ToolCall(id="c1", name="f", arguments='{"x":1}'),
        ToolCall(id="c2", name="g", arguments="{}"),
    )
    assert out.response.finish_reason == "tool_calls"
    assert (out.response.model, out.response.id) == ("gpt-x-1", "resp_1")


def test_items_that_come_whole() -> None:
    message = {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}
    out = read(
        CREATED, item("done", 0, **message), item("done", 1, arguments='{"x":1}', **CALL), end()
    )
    assert out.response.parts == (
        Text(text="Hello"),
        ToolCall(id="c1", name="f", arguments='{"x":1}'),
    )


def test_what_is_not_ours_is_passed_over() -> None:
    out = read(
        CREATED,
        event("response.web_search_call.searching", item="odd", delta={"odd": 1}),
        event("response.output_text.done", text="Hello", delta=3),
        event("response.reasoning.search_results", response="odd"),
        text("Hello"),
        end(),
    )
    assert (out.text, out.notices) == ("Hello", [])


@pytest.mark.parametrize(
    "how, fields, expected",
    [
        ("completed", {}, "stop"),
        ("incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ("incomplete", {"incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ("incomplete", {"status": None}, "other"),
    ],
)
def test_ends(how: str, fields: dict[str, Any], expected: str) -> None:
    out = read(CREATED, text("Hello"), end(how, **fields))
    assert (out.finished, out.response.finish_reason) == (True, expected)


def test_a_refusal() -> None:
    refusal = event("response.refusal.delta", delta="I cannot.", output_index=0)
    out = read(CREATED, refusal, end())
    assert (out.text, out.response.finish_reason) == ("I cannot.", "content_filter")


def test_what_the_last_event_tells() -> None:
    usage = {
        "input_tokens": 9,
        "output_tokens": 2,
        "cost": {"total_cost": 0.5},
    }
    note = {"type": "url_citation", "url": "https://a.example"}
    message = {"type": "message", "content": [{"text": "Hello", "annotations": [note]}]}
    target = targets.responses(cost="usage.cost.total_cost", keep=("usage.cost",))
    last = end(usage=usage, output=[message], service_tier="flex")
    out = read(CREATED, text("Hello"), last, target=target)
    found = next(event for event in out.events if isinstance(event, UsageEvent))
    assert (found.usage, found.reported_cost, found.service_tier) == (
        Usage(9, 2),
        5 * 10**11,
        "flex",
    )
    extra = out.response.extra
    assert extra is not None
    assert extra["annotations"] == [note]
    assert str(extra["cost"]["total_cost"]) == "0.5"


@pytest.mark.parametrize(
    "last, kind",
    [
        (end("failed", error={"code": "server_error", "message": "m"}), errors.ServerError),
        (end("failed", status=None), errors.ServerError),
        (
            event("error", code="rate_limit_exceeded", message="m", param=None),
            errors.RateLimitError,
        ),
        (
            event("error", error={"message": "m", "type": "overloaded_error"}),
            errors.OverloadedError,
        ),
        (b'data: {"error":{"message":"m","code":"server_error"}}\n\n', errors.ServerError),
    ],
)
def test_failures(last: bytes, kind: type[errors.OrchestratorError]) -> None:
    out = read(CREATED, text("Hel"), last, text("lo"), end())
    assert type(out.error) is kind
    assert (out.text, out.finished) == ("Hel", False)


def test_a_failure_still_tells_its_usage() -> None:
    out = read(CREATED, end("failed", usage={"input_tokens": 9, "output_tokens": 2}))
    assert out.usage == Usage(9, 2)


def test_what_comes_after_the_end() -> None:
    late = event("error", code="server_error", message="m")
    out = read(CREATED, text("Hello"), end(), text("!"), late, end(), b"data: [DONE]\n\n")
    assert (out.text, out.notices, out.error) == ("Hello", [LATE_ERROR], None)


def test_what_cannot_be_read_is_skipped_and_noted() -> None:
    out = read(b"data: {nonsense\n\n", event("response.created", response=3), text("Hi"), end())
    assert (out.text, out.notices, out.finished) == ("Hi", [MALFORMED, MALFORMED], True)


def test_done_alone_is_no_end() -> None:
    out = read(CREATED, text("Hello"), b"data: [DONE]\n\n")
    assert (out.finished, out.settled) == (False, False)
