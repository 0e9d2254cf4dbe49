"""Whole replies of generateContent: parts, reasons to finish, usage and failures."""

import json
from typing import Any

import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects import gemini
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.request import Message, Reasoning, Request, Text, ToolCall
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects import targets

ANY = targets.gemini()
TEXT = {"text": "Hello"}
CALL = {"functionCall": {"id": "f1", "name": "f", "args": {"x": 1}}}


def answer(*parts: Any, finish: str | None = "STOP", **more: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish} | more
    return {"candidates": [candidate], "modelVersion": "gemini-x-001", "responseId": "r1"}


def used(**counts: Any) -> dict[str, Any]:
    return answer(TEXT) | {"usageMetadata": counts}


def decoded(body: Any, target: Candidate = ANY) -> Response:
    return gemini.decode(targets.reply(200, json.dumps(body)), target)


# ------------------------------------------------------------------ parts


def test_text() -> None:
    found = decoded(answer(TEXT, {"text": " you"}))
    assert (found.text, found.finish_reason, found.usage) == ("Hello you", "stop", None)
    assert (found.model, found.id, found.request_id) == ("gemini-x-001", "r1", "r1")
    assert found.extra is None


def test_thoughts_signatures_and_calls() -> None:
    thought = {"text": "hm", "thought": True}
    found = decoded(
        answer(thought, TEXT | {"thoughtSignature": "a"}, CALL | {"thoughtSignature": "b"})
    )
    assert found.parts == (
        Reasoning(text="hm"),
        Reasoning(signature="gemini:a"),
        Text(text="Hello"),
        ToolCall(id="f1", name="f", arguments='{"x": 1}', signature="gemini:b"),
    )
    assert found.finish_reason == "tool_calls"
    # It goes back as it came, but for the thoughts.
    body = gemini.encode(
        Request(messages=(Message("assistant", found.parts), Message("user", "Go on"))), ANY
    ).body
    assert json.loads(body)["contents"][0]["parts"] == [
        TEXT | {"thoughtSignature": "a"},
        CALL | {"thoughtSignature": "b"},
    ]


def test_calls_without_ids_get_ones_that_no_other_answer_has() -> None:
    bare = {"functionCall": {"name": "f"}}
    first, second = decoded(answer(bare, bare)).parts
    assert isinstance(first, ToolCall)
    assert isinstance(second, ToolCall)
    assert (first.id, second.id, first.arguments) == ("r1-0", "r1-1", "{}")


@pytest.mark.parametrize("args", [None, [1], "x", 3])
def test_arguments_are_always_an_object(args: Any) -> None:
    (call,) = decoded(answer({"functionCall": {"name": "f", "args": args}})).parts
    assert isinstance(call, ToolCall)
    assert call.arguments == "{}"


def test_parts_that_nobody_asked_for_are_passed_over() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    code = {"executableCode": {"language": "PYTHON", "code": "1"}}
    assert decoded(answer(image, code, TEXT, {"text": ""})).parts == (Text(text="Hello"),)


def test_an_array_of_chunks_is_one_answer() -> None:
    first = answer(TEXT, finish=None) | {"usageMetadata": {"promptTokenCount": 9}}
    last = {"candidates": [{"content": {"parts": [CALL]}, "finishReason": "STOP"}]}
    found = decoded([first, last])
    assert (found.text, found.finish_reason, found.usage) == ("Hello", "tool_calls", Usage(9))
    assert (found.model, found.id) == ("gemini-x-001", "r1")


# ------------------------------------------------------------------ how it ended


@pytest.mark.parametrize(
    "reason,finish",
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("CONTINUATION", "length"),
        *(
            (word, "content_filter")
            for word in (
                *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"),
                *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER", "IMAGE_RECITATION"),
                *("NO_IMAGE", "MODEL_ARMOR", "ESCALATION", "OTHER"),
            )
        ),
        ("FINISH_REASON_UNSPECIFIED", "other"),
        ("SOMETHING_NEW", "other"),
    ],
)
def test_reasons_to_finish(reason: str, finish: str) -> None:
    assert decoded(answer(TEXT, finish=reason)).finish_reason == finish
    # Only a STOP beside calls is a wish for their answers.
    calls = decoded(answer(CALL, finish=reason)).finish_reason
    assert calls == ("tool_calls" if reason == "STOP" else finish)


def test_why_an_answer_was_blocked_is_told() -> None:
    found = decoded(answer(TEXT, finish="SAFETY", finishMessage="hate"))
    assert found.extra == {"reason": "SAFETY: hate"}
    block = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
    found = decoded(block | {"usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}})
    assert (found.finish_reason, found.parts, found.usage) == ("content_filter", (), Usage(9))
    assert found.extra == {"reason": "prompt: PROHIBITED_CONTENT"}


def test_citations_and_searches_are_kept() -> None:
    grounding = {"webSearchQueries": ["q"]}
    found = decoded(
        answer(TEXT, citationMetadata={"citationSources": [1]}, groundingMetadata=grounding)
    )
    assert found.extra == {"citations": {"citationSources": [1]}, "grounding": grounding}


def test_tokens_that_all_went_into_thoughts() -> None:
    body = {"candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}]}
    assert (decoded(body).parts, decoded(body).finish_reason) == ((), "length")


@pytest.mark.parametrize(
    "reason,retryable",
    [
        ("MALFORMED_FUNCTION_CALL", True),
        ("MALFORMED_RESPONSE", True),
        ("UNEXPECTED_TOOL_CALL", True),
        ("TOO_MANY_TOOL_CALLS", True),
        ("MISSING_THOUGHT_SIGNATURE", False),
    ],
)
def test_failed_answers_are_errors_that_are_paid_for(reason: str, retryable: bool) -> None:
    body = answer(finish=reason, finishMessage="print(x)")
    body["usageMetadata"] = {"promptTokenCount": 9, "candidatesTokenCount": 4}
    with pytest.raises(errors.BadReplyError) as caught:
        decoded(body)
    assert caught.value.message == f"the answer failed: {reason}: print(x)"
    assert (caught.value.code, caught.value.retryable) == (reason.lower(), retryable)
    assert caught.value.usage == Usage(9, 4)  # type: ignore[attr-defined]


@pytest.mark.parametrize("body", ['{"a":1}', "[]", "<html>", '"x"', '{"candidates":3}', "\xff"])
def test_what_is_no_answer(body: str) -> None:
    with pytest.raises(errors.BadReplyError) as caught:
        gemini.decode(targets.reply(200, body.encode("latin-1")), ANY)
    assert caught.value.code == "unreadable_reply"


def test_an_answer_without_a_reason_to_finish_is_not_whole() -> None:
    with pytest.raises(errors.BadReplyError, match="not whole") as caught:
        decoded(answer(TEXT, finish=None) | {"usageMetadata": {"promptTokenCount": 9}})
    assert caught.value.usage == Usage(9)  # type: ignore[attr-defined]


def test_an_error_inside_a_success() -> None:
    body = {"error": {"code": 503, "message": "The model is overloaded", "status": "UNAVAILABLE"}}
    for shape in (body, [body]):
        with pytest.raises(errors.OverloadedError, match="overloaded"):
            decoded(shape)


# ------------------------------------------------------------------ usage


@pytest.mark.parametrize(
    "counts,usage",
    [
        ({"promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 13}, Usage(9, 4)),
        # Thoughts come on top ...
        (
            {
                "promptTokenCount": 9,
                "candidatesTokenCount": 4,
                "thoughtsTokenCount": 3,
                "totalTokenCount": 16,
            },
            Usage(9, 7, 0, 0, 0, 3),
        ),
        # ... unless the sum says that they are among the candidates' tokens.
        (
            {
                "promptTokenCount": 9,
                "candidatesTokenCount": 4,
                "thoughtsTokenCount": 3,
                "totalTokenCount": 13,
            },
            Usage(9, 4, 0, 0, 0, 3),
        ),
        (
            {"promptTokenCount": 9, "thoughtsTokenCount": 3, "totalTokenCount": 9},
            Usage(9, 3, 0, 0, 0, 3),
        ),
        ({"promptTokenCount": 9, "thoughtsTokenCount": 3}, Usage(9, 3, 0, 0, 0, 3)),
        # Results of the provider's own tools are input.
        (
            {
                "promptTokenCount": 9,
                "toolUsePromptTokenCount": 5,
                "candidatesTokenCount": 4,
                "cachedContentTokenCount": 6,
                "totalTokenCount": 18,
            },
            Usage(14, 4, 6),
        ),
        ({"candidatesTokenCount": 4, "totalTokenCount": 13}, None),
        ({"promptTokenCount": 3, "cachedContentTokenCount": 4}, None),
        ({"promptTokenCount": -3}, None),
    ],
)
def test_usage(counts: dict[str, int], usage: Usage | None) -> None:
    assert decoded(used(**counts)).usage == usage


@pytest.mark.parametrize(
    "field,tier",
    [
        ({"serviceTier": "flex"}, "flex"),
        ({"serviceTier": "PRIORITY"}, "priority"),
        ({"trafficType": "ON_DEMAND_FLEX"}, "flex"),
        ({"trafficType": "ON_DEMAND"}, "standard"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, None),
        ({}, None),
    ],
)
def test_the_tier_that_was_used(field: dict[str, str], tier: str | None) -> None:
    assert decoded(used(promptTokenCount=9, **field)).service_tier == tier


def test_the_tier_in_the_headers() -> None:
    reply = targets.reply(200, json.dumps(answer(TEXT)), X_Gemini_Service_Tier="priority")
    assert gemini.decode(reply, ANY).service_tier == "priority"


@pytest.mark.parametrize("model,searches", [("gemini-3.8-flash", 2), ("gemini-2.5-pro", 1)])
def test_searches_are_counted_as_they_are_charged(model: str, searches: int) -> None:
    body = answer(TEXT, groundingMetadata={"webSearchQueries": ["a", "b"]})
    body["usageMetadata"] = {"promptTokenCount": 9}
    target = targets.gemini(id=model)
    assert decoded(body, target).usage == Usage(9, searches=searches)
