"""Broken bytes and odd JSON in thousands: an answer, or an error of ours, and nothing else.

``LLMO_FUZZ=100000`` asks for more rounds than the 3,000 of every run. A failure names its seed.
"""

from typing import Any

import pytest

from tests.unit.dialects import targets
from tests.unit.dialects.fuzzing import ROUNDS, fuzz_part, fuzz_replies, fuzz_stream
from tests.wire.recorded import streams, wire_of

RECORDED = streams()
ERRORS: dict[str, Any] = RECORDED.pop("errors")
TARGETS = {wire: targets.on(wire) for wire in ("openai", "anthropic", "gemini")}
MARKERS = (
    b'"finish_reason":"',
    b'"stop_reason":"',
    b"message_stop",
    b'"finishReason"',
    b'"blockReason"',
)

WHOLE: dict[str, list[Any]] = {
    "openai": [
        {
            "id": "c",
            "object": "chat.completion",
            "model": "gpt-x",
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": "Hello",
                        "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}],
                    },
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 3},
            },
        },
        {"data": [{"index": 0, "embedding": [0.5, 1.0]}], "model": "e"},
        {"object": "list", "data": [{"id": "gpt-x"}]},
        {"error": {"message": "m", "type": "t", "param": None, "code": "c", "metadata": {}}},
    ],
    "anthropic": [
        {
            "type": "message",
            "id": "m",
            "model": "claude-x",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "Hello"},
                {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}},
            ],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 9, "output_tokens": 2, "cache_read_input_tokens": 1},
        },
        {"input_tokens": 12},
        {"data": [{"id": "claude-x", "max_tokens": 9}], "has_more": True, "last_id": "x"},
        {
            "type": "error",
            "error": {"type": "api_error", "message": "m", "details": {"error_code": "c"}},
            "request_id": "r",
        },
    ],
    "gemini": [
        {
            "candidates": [
                {
                    "content": {
                        "role": "model",
                        "parts": [
                            {"text": "hm", "thought": True},
                            {"text": "Hello", "thoughtSignature": "s"},
                            {"functionCall": {"name": "f", "args": {"x": 1}}},
                        ],
                    },
                    "finishReason": "STOP",
                    "finishMessage": "m",
                    "groundingMetadata": {"webSearchQueries": ["q"]},
                }
            ],
            "promptFeedback": {"blockReason": "SAFETY"},
            "usageMetadata": {
                "promptTokenCount": 9,
                "candidatesTokenCount": 2,
                "thoughtsTokenCount": 1,
                "totalTokenCount": 12,
                "trafficType": "ON_DEMAND",
            },
            "modelVersion": "gemini-x",
            "responseId": "r",
        },
        {"totalTokens": 12},
        {"embeddings": [{"values": [0.5, 1.0]}]},
        {"predictions": [{"embeddings": {"values": [0.5], "statistics": {"token_count": 3}}}]},
        {"models": [{"name": "models/gemini-x", "inputTokenLimit": 9}], "nextPageToken": "t"},
        [
            {
                "error": {
                    "code": 429,
                    "message": "m",
                    "status": "RESOURCE_EXHAUSTED",
                    "details": [
                        {"@type": "t", "retryDelay": "17s"},
                        {"violations": [{"quotaId": "RequestsPerDay"}], "reason": "r"},
                    ],
                }
            }
        ],
    ],
}


def share(name: str) -> int:
    """The recorded streams of a wire share its rounds."""
    return ROUNDS // sum(wire_of(other) == wire_of(name) for other in RECORDED)


@pytest.mark.parametrize("name", RECORDED)
def test_streams(name: str) -> None:
    original = RECORDED[name]["bytes"].encode()
    fuzz_stream(name, original, TARGETS[wire_of(name)], share(name))


@pytest.mark.parametrize("name", [name for name in RECORDED if "error" not in name])
def test_a_broken_part_is_never_complete(name: str) -> None:
    original = RECORDED[name]["bytes"].encode()
    end = min(place for mark in MARKERS if (place := original.find(mark)) >= 0)
    fuzz_part(name, original[:end], TARGETS[wire_of(name)], share(name))


@pytest.mark.parametrize("wire", WHOLE)
def test_replies(wire: str) -> None:
    bodies = WHOLE[wire] + [case["body"] for case in ERRORS.values()]
    fuzz_replies(wire, bodies, TARGETS[wire], ROUNDS)
