"""Recorded streams and error bodies: we read what the official SDKs read, however it is cut."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_orchestrator import errors
from llm_orchestrator.dialects import load
from llm_orchestrator.dialects.base import Dialect
from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects import targets
from tests.unit.dialects.feeding import Outcome, cut, feed, one_by_one
from tests.wire.recorded import streams, wire_of

RECORDED = streams()
MARKERS = {
    "openai": ('"finish_reason":"',),
    "anthropic": ('"stop_reason":"',),
    "gemini": ('"finishReason": "', '"blockReason": "'),
}
ERRORS: dict[str, Any] = RECORDED.pop("errors")


def side(name: str) -> tuple[Dialect, Candidate]:
    wire = wire_of(name)
    return load(wire), targets.on(wire)


def whole(name: str) -> Outcome:
    return feed(*side(name), [RECORDED[name]["bytes"].encode()])


@pytest.mark.parametrize("name", RECORDED)
def test_one_byte_at_a_time_means_the_same(name: str) -> None:
    data = RECORDED[name]["bytes"].encode()
    assert feed(*side(name), one_by_one(data)).meaning == whole(name).meaning


@pytest.mark.parametrize("name", RECORDED)
def test_crlf_means_the_same(name: str) -> None:
    text = RECORDED[name]["bytes"].replace("\r\n", "\n")
    for data in (text.encode(), text.replace("\n", "\r\n").encode()):
        assert feed(*side(name), [data]).meaning == whole(name).meaning
        assert feed(*side(name), one_by_one(data)).meaning == whole(name).meaning


@settings(deadline=None)
@given(st.sampled_from(sorted(RECORDED)), st.lists(st.integers(0, 10_000), max_size=12))
def test_cut_anywhere_means_the_same(name: str, places: list[int]) -> None:
    data = RECORDED[name]["bytes"].encode()
    assert feed(*side(name), cut(data, places)).meaning == whole(name).meaning


@settings(deadline=None)
@given(st.sampled_from(sorted(RECORDED)), st.integers(0, 10_000))
def test_a_part_is_never_complete_before_its_marker(name: str, length: int) -> None:
    data = RECORDED[name]["bytes"].encode()
    part = data[: length % (len(data) + 1)]
    out = feed(*side(name), [part])
    assert out.finished == any(
        any(marker in line for marker in MARKERS[wire_of(name)])
        and is_json(line.removeprefix("data: "))
        for line in part.decode().split("\n")
        if '"error":' not in line
    )


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_openai_text() -> None:
    out, sdk = whole("openai_chat_text"), RECORDED["openai_chat_text"]["sdk_parsed"]
    assert out.error is None
    assert (out.finished, out.settled) == (True, True)
    assert out.text == sdk["text"]
    assert out.response.finish_reason == sdk["finish"]
    assert out.usage == Usage(100, 20, 64, 0, 0, 8)
    assert sdk["usage"]["prompt_tokens"] == 100
    assert (out.response.model, out.response.id) == ("gpt-x", "chatcmpl-1")


def test_openai_tools() -> None:
    out, sdk = whole("openai_chat_tools"), RECORDED["openai_chat_tools"]["sdk_parsed"]
    assert out.error is None
    assert out.response.finish_reason == sdk["finish"] == "tool_calls"
    assert out.response.parts == (
        ToolCall(id="call_1", name="get_weather", arguments=sdk["tool_args"]["0"]),
        ToolCall(id="call_2", name="get_weather", arguments=sdk["tool_args"]["1"]),
    )


def test_openai_error_in_the_stream() -> None:
    name = "openai_chat_midstream_error"
    out, sdk = whole(name), RECORDED[name]["sdk_parsed"]
    assert type(out.error) is errors.ServerError
    assert out.error.message in sdk["raised"]
    assert out.text == sdk["text"]
    assert not out.finished


def test_openrouter_comment_and_error() -> None:
    """The finish reason ``error`` is no terminal marker: the error beside it is raised."""
    out = whole("openrouter_comment_and_error")
    assert type(out.error) is errors.ServerError
    assert (out.error.code, out.error.message) == ("provider_unavailable", "Provider disconnected")
    assert out.text == "Hel"
    assert not out.finished


def test_groq_usage_of_its_own() -> None:
    out, sdk = whole("groq_x_groq_usage"), RECORDED["groq_x_groq_usage"]["sdk_parsed"]
    assert out.error is None
    assert (out.text, out.finished, out.settled) == ("Hi", True, True)
    reported = sdk["x_groq"]["usage"]
    assert out.usage == Usage(reported["prompt_tokens"], reported["completion_tokens"])


def test_mistral_content_as_a_list() -> None:
    out = whole("mistral_stream")
    assert out.error is None
    assert (out.text, out.finished, out.settled) == ("Hello", True, True)
    arguments = '{"city": "Paris"}'
    call = ToolCall(id="abcdefghi", name="get_weather", arguments=arguments)
    assert out.response.parts[-1] == call
    assert out.usage == Usage(10, 5)


def test_anthropic_message() -> None:
    out, sdk = whole("anthropic_messages"), RECORDED["anthropic_messages"]["sdk_parsed"]["message"]
    thought, text, tool = sdk["content"]
    assert out.error is None
    assert (out.finished, out.settled) == (True, True)
    assert out.response.parts == (
        Reasoning(text=thought["thinking"], signature=thought["signature"]),
        Text(text=text["text"]),
        ToolCall(id=tool["id"], name=tool["name"], arguments='{"city":"Paris"}'),
    )
    assert json.loads('{"city":"Paris"}') == tool["input"]
    assert sdk["stop_reason"] == "tool_use"
    assert out.response.finish_reason == "tool_calls"
    used = sdk["usage"]
    read, written = used["cache_read_input_tokens"], used["cache_creation_input_tokens"]
    assert out.usage == Usage(used["input_tokens"] + read + written, 89, read, written, 0, 30)


def test_anthropic_error_in_the_stream() -> None:
    name = "anthropic_midstream_error"
    out = whole(name)
    assert type(out.error) is errors.OverloadedError
    assert "overloaded_error" in RECORDED[name]["sdk_parsed"]["raised"]
    assert (out.error.message, out.error.code) == ("Overloaded", "overloaded_error")
    assert not out.finished


def test_gemini_thoughts_text_and_call() -> None:
    out, sdk = whole("gemini_stream"), RECORDED["gemini_stream"]["sdk_parsed"]["last"]
    assert out.error is None
    assert (out.finished, out.settled) == (True, False)  # only the connection's end ends it
    assert out.response.finish_reason == "tool_calls"
    call = sdk["candidates"][0]["content"]["parts"][1]
    assert out.response.parts == (
        Reasoning(text="thinking"),
        Text(text="Hello"),
        ToolCall(
            id=call["function_call"]["id"],
            name=call["function_call"]["name"],
            arguments=json.dumps(call["function_call"]["args"]),
            signature=f"gemini:{call['thought_signature']}",
        ),
    )
    used = sdk["usage_metadata"]
    made = used["candidates_token_count"] + used["thoughts_token_count"]
    assert out.usage == Usage(100, made, used["cached_content_token_count"], 0, 0, 8)
    assert out.usage.total_tokens == used["total_token_count"]
    assert (out.response.model, out.response.id) == (sdk["model_version"], sdk["response_id"])


def test_gemini_blocked_prompt() -> None:
    out = whole("gemini_prompt_blocked")
    assert (out.error, out.finished, out.response.parts) == (None, True, ())
    assert out.response.finish_reason == "content_filter"
    assert out.response.extra == {"reason": "prompt: SAFETY"}
    assert out.usage == Usage(9)


EXPECTED = {
    "openai_429": (errors.RateLimitError, "rate_limit_exceeded", 2.0, True),
    "openai_429_quota": (errors.QuotaExhaustedError, "insufficient_quota", None, False),
    "anthropic_529": (errors.OverloadedError, "overloaded_error", None, True),
    "anthropic_429_spend": (
        errors.QuotaExhaustedError,
        "enforced_spend_limit_reached",
        None,
        False,
    ),
    "gemini_429": (errors.RateLimitError, "RESOURCE_EXHAUSTED", 17.0, True),
    "mistral_422": (errors.InvalidRequestError, None, None, False),
    "mistral_401": (errors.AuthenticationError, "1800", None, False),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error_bodies(name: str) -> None:
    case = ERRORS[name]
    dialect, target = side(name)
    body = json.dumps(case["body"]).encode()
    error = dialect.error(HTTPReply(case["status"], case["headers"], body), target)
    kind, code, after, retryable = EXPECTED[name]
    assert type(error) is kind
    assert (error.code, error.retry_after, error.retryable) == (code, after, retryable)
    assert error.status_code == case["status"]
    assert error.request_id == case["sdk_exception"]["request_id"]
    assert (error.provider, error.model) == (target.provider.name, target.model.id)
    if (message := case["body"].get("error", case["body"]).get("message")) is not None:
        assert error.message == message


def test_every_recorded_error_is_compared() -> None:
    assert ERRORS.keys() == EXPECTED.keys()
