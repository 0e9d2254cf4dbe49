"""The answer that the pieces of a stream add up to."""

import pytest

from llm_orchestrator.dialects.base import MALFORMED
from llm_orchestrator.engine.assembly import Assembly
from llm_orchestrator.errors import BadReplyError
from llm_orchestrator.types.events import (
    FinishEvent,
    NoticeEvent,
    ReasoningDelta,
    StartEvent,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    UsageEvent,
)
from llm_orchestrator.types.request import Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import Usage


def assembled(*events: StreamEvent) -> Assembly:
    answer = Assembly()
    for event in events:
        answer.add(event)
    return answer


def test_nothing() -> None:
    answer = assembled(StartEvent("m", "1"), UsageEvent(Usage(1)))
    assert not answer.begun
    assert not answer.continuable
    found = answer.response()
    assert (found.parts, found.finish_reason, found.model, found.id) == ((), "other", "m", "1")


def test_everything_in_its_order() -> None:
    answer = assembled(
        ReasoningDelta("h"),
        ReasoningDelta("m"),
        ReasoningDelta(signature="s"),
        ReasoningDelta(redacted="xyz"),
        TextDelta("Hel"),
        ToolCallDelta(1, "{", "b", "g"),
        TextDelta("lo"),
        ToolCallDelta(0, '{"x":', "a", "f"),
        ToolCallDelta(0, "1}"),
        ToolCallDelta(1, "}"),
        NoticeEvent("mended"),
        FinishEvent("tool_calls", {"stop_details": "d"}),
    )
    found = answer.response()
    assert found.parts == (
        Reasoning(text="hm", signature="s"),
        Reasoning(redacted="xyz"),
        Text(text="Hello"),
        ToolCall(id="a", name="f", arguments='{"x":1}'),
        ToolCall(id="b", name="g", arguments="{}"),
    )
    assert (found.finish_reason, found.extra) == ("tool_calls", {"stop_details": "d"})
    assert answer.notices == ["mended"]


def test_thoughts_without_a_signature() -> None:
    found = assembled(ReasoningDelta("hm"), TextDelta("a"), FinishEvent("stop")).response()
    assert found.parts == (Reasoning(text="hm"), Text(text="a"))


def test_a_call_without_arguments() -> None:
    found = assembled(ToolCallDelta(0, "", "a", "f")).response()
    assert found.parts == (ToolCall(id="a", name="f", arguments="{}"),)


def test_what_can_be_continued() -> None:
    assert assembled(TextDelta("a")).continuable
    assert not assembled(TextDelta(" ")).continuable
    assert not assembled(ReasoningDelta("hm")).continuable
    assert not assembled(TextDelta("a"), ToolCallDelta(0, "", "a", "f")).continuable


def test_what_the_user_has_seen() -> None:
    for event in (TextDelta("a"), ToolCallDelta(0, "", "a", "f"), ReasoningDelta("hm")):
        assert assembled(event).begun


def test_a_restart_forgets_the_answer_and_keeps_the_notices() -> None:
    answer = assembled(NoticeEvent("mended"), TextDelta("a"), FinishEvent("length"))
    answer.restart()
    assert not answer.begun
    assert answer.response().finish_reason == "other"
    answer.add(TextDelta("b"))
    assert answer.text == "b"
    assert answer.notices == ["mended"]


def test_a_lost_piece_of_arguments_is_an_error() -> None:
    lost = NoticeEvent(MALFORMED)
    begun = ToolCallDelta(0, '{"city": "Par', "a", "weather")
    with pytest.raises(BadReplyError, match="arguments of weather"):
        assembled(begun, lost, FinishEvent("tool_calls")).response()
    whole = assembled(begun, lost, ToolCallDelta(0, 'is"}'), FinishEvent("tool_calls"))
    assert whole.response().parts == (
        ToolCall(id="a", name="weather", arguments='{"city": "Paris"}'),
    )
    # Without a lost chunk, broken JSON is what the model wrote: it is handed on as it is.
    assert assembled(begun, FinishEvent("length")).response().parts
