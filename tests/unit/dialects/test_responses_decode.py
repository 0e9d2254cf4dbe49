"""Replies of Responses: answers, what is left of them, usage and failures."""

import json
from typing import Any

import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects import responses
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.request import Message, Reasoning, Request, Text, ToolCall
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects import targets

TARGET = targets.responses()


def said(text: str, **fields: Any) -> dict[str, Any]:
    piece = {"type": "output_text", "text": text, "annotations": []} | fields
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": [piece]}


REFUSED = {"type": "message", "content": [{"type": "refusal", "refusal": "I cannot."}]}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": '{"x":1}'}


def answer(*output: Any, target: Candidate = TARGET, **fields: Any) -> Response:
    body = {"id": "resp_1", "model": "gpt-x-1", "status": "completed", "output": list(output)}
    reply = targets.reply(200, json.dumps(body | fields), X_Request_Id="r1")
    return responses.decode(reply, target)


def test_an_answer() -> None:
    found = answer(said("Hello"), service_tier="flex")
    assert found.parts == (Text(text="Hello"),)
    assert (found.finish_reason, found.model, found.id) == ("stop", "gpt-x-1", "resp_1")
    assert (found.request_id, found.service_tier, found.extra) == ("r1", "flex", None)


def test_all_kinds_of_items() -> None:
    thought = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
        "encrypted_content": "sealed",
    }
    open_thought = {"type": "reasoning", "id": "rs_2", "content": [{"text": "all of it"}]}
    found = answer(
        thought,
        open_thought,
        {"type": "reasoning", "id": "rs_3", "summary": []},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {}},
        said("Hello"),
        CALL,
        {"type": "function_call", "id": "fc_2", "name": "g"},
    )
    assert found.parts == (
        Reasoning(text="a\n\nb", signature="responses:rs_1.sealed"),
        Reasoning(text="all of it"),
        Text(text="Hello"),
        ToolCall(id="c1", name="f", arguments='{"x":1}'),
        ToolCall(id="fc_2", name="g", arguments="{}"),
    )
    assert found.finish_reason == "tool_calls"


def test_thoughts_come_back_as_they_went() -> None:
    thought = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "a"}],
        "encrypted_content": "sealed.x",
    }
    parts = answer(thought, CALL).parts
    call = responses.encode(Request(messages=(Message("assistant", parts),)), TARGET)
    assert json.loads(call.body)["input"][0] == thought


@pytest.mark.parametrize(
    "fields, expected",
    [
        ({}, "stop"),
        ({"status": None}, "stop"),
        ({"status": "a_new_one"}, "stop"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            "content_filter",
        ),
        ({"status": "incomplete", "incomplete_details": {"reason": "steered"}}, "other"),
        ({"status": "incomplete", "incomplete_details": None}, "other"),
    ],
)
def test_finish_reasons(fields: dict[str, Any], expected: str) -> None:
    assert answer(said("Hello"), **fields).finish_reason == expected


def test_refusals() -> None:
    found = answer(REFUSED)
    assert (found.finish_reason, found.text) == ("content_filter", "I cannot.")
    assert answer(said("Hello"), REFUSED).finish_reason == "stop"


@pytest.mark.parametrize(
    "fields, kind, code",
    [
        ({"status": "failed", "error": {"code": "server_error"}}, errors.ServerError, None),
        (
            {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow"}},
            errors.RateLimitError,
            None,
        ),
        (
            {"status": "failed", "error": {"code": "invalid_prompt", "message": "no"}},
            errors.InvalidRequestError,
            None,
        ),
        (
            {"status": "failed", "error": {"code": "image_too_large", "message": "no"}},
            errors.InvalidRequestError,
            None,
        ),
        ({"status": "failed", "error": None}, errors.ServerError, "failed"),
        ({"status": "cancelled"}, errors.ServerError, "cancelled"),
        ({"status": "in_progress"}, errors.BadReplyError, "in_progress"),
        ({"status": "queued"}, errors.BadReplyError, "queued"),
    ],
)
def test_what_is_no_answer(
    fields: dict[str, Any], kind: type[errors.OrchestratorError], code: str | None
) -> None:
    with pytest.raises(kind) as caught:
        answer(said("Hello"), **fields)
    assert type(caught.value) is kind
    assert caught.value.code == (code or fields["error"]["code"])
    assert (caught.value.provider, caught.value.request_id) == ("openai", "r1")


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[]", b'{"output":3}', b"\xff"])
def test_what_cannot_be_read(body: bytes) -> None:
    with pytest.raises(errors.BadReplyError):
        responses.decode(targets.reply(200, body), TARGET)


@pytest.mark.parametrize(
    "usage, expected",
    [
        (None, None),
        ({}, None),
        ({"input_tokens": 9}, Usage(9)),
        (
            {
                "input_tokens": 100,
                "output_tokens": 20,
                "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 10},
                "output_tokens_details": {"reasoning_tokens": 8},
            },
            Usage(100, 20, 64, 10, 0, 8),
        ),
        (
            {
                "input_tokens": 100,
                "output_tokens": 20,
                "input_tokens_details": {
                    "cache_read_input_tokens": 64,
                    "cache_creation_input_tokens": 10,
                },
            },
            Usage(100, 20, 64, 10),
        ),
        ({"input_tokens": 1, "input_tokens_details": {"cached_tokens": 9}}, None),
    ],
)
def test_usage(usage: Any, expected: Usage | None) -> None:
    assert answer(said("Hello"), usage=usage).usage == expected


def test_searches_are_counted() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    found = answer(search, search, said("Hello"), usage={"input_tokens": 9})
    assert found.usage == Usage(9, searches=2)


def test_what_is_said_beside_the_answer() -> None:
    notes = [{"type": "url_citation", "url": "https://a.example"}]
    target = targets.responses(cost="usage.cost.total_cost", keep=("usage.tool_calls_details",))
    usage = {
        "input_tokens": 1,
        "cost": {"total_cost": 0.000012},
        "tool_calls_details": {"web_search": {"invocation": 2}},
    }
    found = answer(said("Hello", annotations=notes), target=target, usage=usage)
    assert found.reported_cost == 12_000_000
    assert found.extra == {
        "annotations": notes,
        "tool_calls_details": {"web_search": {"invocation": 2}},
    }


def test_failures_are_those_of_the_other_wire() -> None:
    body = {"error": {"message": "no such model", "type": "x", "code": "model_not_found"}}
    found = responses.error(targets.reply(404, json.dumps(body)), TARGET)
    assert type(found) is errors.ModelNotFoundError
    assert found.message == "no such model"
