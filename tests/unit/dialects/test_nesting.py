"""JSON that is nested too deeply to be read: an error of ours, never a ``RecursionError``."""

from collections.abc import Callable
from typing import Any

import pytest

from llm_orchestrator.dialects import load
from llm_orchestrator.dialects.base import MALFORMED
from llm_orchestrator.errors import BadReplyError, OrchestratorError
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Message, Request, ToolCall, ToolResult
from tests.unit.dialects import bedrock_samples, targets
from tests.unit.dialects.feeding import feed

DEEP = b"[" * 100_000 + b"]" * 100_000
BODY = b'{"error":' + DEEP + b',"content":' + DEEP + b',"data":' + DEEP + b"}"


TARGETS = {
    "openai": targets.openai(cost="error.cost", keep=("content",)),
    "anthropic": targets.anthropic(),
    "gemini": targets.gemini(),
    "bedrock": bedrock_samples.bedrock(),
    "cohere": targets.cohere(),
    "responses": targets.responses(cost="error.cost", keep=("content",)),
}
READERS: list[Callable[[Any, Any, Candidate], object]] = [
    lambda dialect, reply, target: dialect.decode(reply, target),
    lambda dialect, reply, target: dialect.decode_embeddings(reply, target),
    lambda dialect, reply, target: dialect.decode_count(reply, target),
    lambda dialect, reply, target: dialect.read_models(reply, target.provider),
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("wire", TARGETS)
def test_a_success(wire: str, read: Callable[[Any, Any, Candidate], object]) -> None:
    with pytest.raises(BadReplyError):
        read(load(wire), targets.reply(200, BODY), TARGETS[wire])


@pytest.mark.parametrize("wire", TARGETS)
def test_a_failure(wire: str) -> None:
    error = load(wire).error(targets.reply(500, BODY), TARGETS[wire])
    assert isinstance(error, OrchestratorError)
    assert len(error.message) < 500


@pytest.mark.parametrize("wire", TARGETS)
def test_an_event_of_a_stream(wire: str) -> None:
    data = b"data: " + BODY + b"\n\n"
    if wire == "bedrock":
        headers = {":message-type": "event", ":event-type": "contentBlockDelta"}
        data = bedrock_samples.raw_frame(headers, BODY)
    outcome = feed(load(wire), TARGETS[wire], [data])
    assert (outcome.notices, outcome.finished) == ([MALFORMED], False)


@pytest.mark.parametrize("wire", ["gemini", "bedrock"])
def test_the_answer_of_a_tool(wire: str) -> None:
    """Where objects go as JSON: what cannot be read goes as text."""
    turns = (
        Message("user", "q"),
        Message("assistant", (ToolCall(id="t", name="f"),)),
        Message("tool", (ToolResult(call_id="t", content=BODY.decode()),)),
    )
    body = load(wire).encode(Request(messages=turns), TARGETS[wire]).body
    assert b"[[[" in body
