"""Which replies are kept, for how long, and that they come back as they were."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from llm_orchestrator.dialects.base import LATE_ERROR, MALFORMED
from llm_orchestrator.pipeline.cached_reply import STOPGAP_S, lifetime, pack, unpack
from llm_orchestrator.types.reply import AttemptInfo, Reply
from llm_orchestrator.types.request import Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import Usage

DAY = 86400.0
REPLY = Reply(
    "Four.",
    "openai",
    "gpt-4o-mini",
    1234,
    Usage(10, 2),
    (AttemptInfo("att_1", "openai", "gpt-4o-mini", "ok"),),
    "stop",
    "call_1",
    (Text(text="Four."),),
)
CALL = ToolCall(id="c1", name="look", arguments='{"a": 1}', signature="s")


def changed(**changes: Any) -> Reply:
    return msgspec.structs.replace(REPLY, **changes)


def attempt(model: str, status: str) -> AttemptInfo:
    return AttemptInfo("att", "openai", model, status)


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, DAY),
        ({"finish_reason": "tool_calls", "content": "", "parts": (CALL,)}, DAY),
        ({"notices": ("temperature was dropped", LATE_ERROR)}, DAY),
        ({"attempts": (attempt("a", "error"), attempt("a", "ok"))}, DAY),
        ({"attempts": (attempt("a", "ok"), attempt("b", "cancelled"))}, DAY),
        ({"attempts": (attempt("a", "error"), attempt("b", "ok"))}, STOPGAP_S),
        ({"attempts": (attempt("a", "ok"), attempt("b", "truncated"))}, STOPGAP_S),
        ({"finish_reason": "length"}, 0),
        ({"finish_reason": "content_filter"}, 0),
        ({"finish_reason": "other"}, 0),
        ({"content": "", "parts": ()}, 0),
        ({"content": "", "parts": (Reasoning(text="Hm."),)}, 0),
        ({"stopped": "the cap of 0.01 USD"}, 0),
        ({"notices": (MALFORMED,)}, 0),
        ({"notices": ("the answer broke off and was continued by openai/a",)}, 0),
    ],
)
def test_only_whole_good_answers_are_kept(changes: dict[str, Any], seconds: float) -> None:
    assert lifetime(changed(**changes), DAY) == seconds


def test_cut_answers_are_kept_where_that_is_asked_for() -> None:
    assert lifetime(changed(finish_reason="length"), DAY, keep_cut=True) == DAY
    assert lifetime(changed(finish_reason="content_filter"), DAY, keep_cut=True) == 0


def test_a_stopgap_counts_no_longer_than_its_own_time() -> None:
    failed_over = changed(attempts=(attempt("a", "error"), attempt("b", "ok")))
    assert lifetime(failed_over, 10.0) == 10.0


@pytest.mark.parametrize(
    "reply",
    [
        REPLY,
        changed(content="", parts=(CALL,), finish_reason="tool_calls"),
        changed(parts=(Reasoning(text="Hm.", signature="s"), Text(text="Four."))),
        changed(parts=(Text(text="Fo"), Text(text="ur."))),
        changed(parts=(Text(text="Four.", cache="5m"),)),
        changed(extra={"citations": ["https://a.example"], "n": 1.5}, cost_pico=None),
        changed(content="ü\x00\n", parts=(Text(text="ü\x00\n"),)),
        changed(usage=Usage(1, 2, 3, 4, 5, 6, True, 7), confidence=0.5, strategy="vote"),
        changed(routing={"members": [{"name": "a", "cost_usd": Decimal("0.000001")}]}),
    ],
)
def test_what_comes_back_is_what_went_in(reply: Reply) -> None:
    back = unpack(pack(reply))
    assert back == msgspec.structs.replace(reply, attempts=())


def test_what_belongs_to_the_call_is_not_kept() -> None:
    reply = changed(
        parsed=object(),
        latency_s=1.5,
        request_id="req_1",
        notices=("limited", "temperature was dropped", "the cost of attempt 1 (a/b) is unknown"),
    )
    back = unpack(pack(reply, frozenset(("limited",))))
    assert back == changed(attempts=(), notices=("temperature was dropped",))


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'{"content": 1}', b"\xff", b"[" * 10**5])
def test_a_damaged_answer_is_none(body: bytes) -> None:
    assert unpack(body) is None


def test_what_json_cannot_hold_raises() -> None:
    with pytest.raises(TypeError):
        pack(changed(extra={"a": object()}))
