"""What a reply means."""

import pytest

from llm_orchestrator.engine.assembly import Assembly
from llm_orchestrator.errors import ContentFilterError, EmptyReplyError
from llm_orchestrator.pipeline.meter import Meter
from llm_orchestrator.pipeline.replies import at_once, check
from llm_orchestrator.types.events import UsageEvent
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.request import Part, Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects import targets
from tests.unit.pipeline.outcomes import attempt

PARTS: tuple[Part, ...] = (
    Reasoning(text="hm", signature="s"),
    Reasoning(redacted="xyz"),
    Text(text="Hello " * 20),
    ToolCall(id="a", name="f", arguments='{"x":1}', signature="t"),
    ToolCall(id="b", name="g"),
)
TARGET = targets.openai()


def test_an_answer_at_once_is_the_same_in_pieces() -> None:
    one = attempt(TARGET)
    response = Response(PARTS, "tool_calls", Usage(9, 2), "m", "id", None, 5, "flex", {"a": 1})
    events = at_once(response, one)
    answer = Assembly()
    for event in events:
        answer.add(event)
    found = answer.response()
    assert (found.parts, found.finish_reason, found.model, found.extra) == (
        PARTS,
        "tool_calls",
        "m",
        {"a": 1},
    )
    assert [e for e in events if isinstance(e, UsageEvent)] == [UsageEvent(Usage(9, 2), 5, "flex")]
    assert (one.usage, one.tier, one.said_something) == (Usage(9, 2), "flex", True)
    assert one.first_token is not None


def test_an_answer_at_once_without_usage_is_counted_once() -> None:
    one = attempt(TARGET)
    at_once(Response((Text(text="a" * 400),), "stop", None), one)
    one.status = "ok"
    Meter().leave(one)
    assert one.usage is not None
    assert one.usage.estimated
    assert 100 <= one.usage.output_tokens <= 110


@pytest.mark.parametrize("parts", [(), (Text(text=""),), (Reasoning(text="hm"),)])
def test_an_answer_of_nothing(parts: tuple[Part, ...]) -> None:
    one = attempt(TARGET)
    response = Response(parts, "stop", Usage(9, 2))
    at_once(response, one)
    assert not one.said_something
    with pytest.raises(EmptyReplyError, match="the answer is empty"):
        check(response, TARGET)


def test_a_refusal_in_the_model_s_own_words() -> None:
    words = "I would rather not. " * 30
    with pytest.raises(ContentFilterError) as caught:
        check(Response((Text(text=words),), "content_filter", None), TARGET)
    assert caught.value.reason == words
    assert len(caught.value.message) < 300
