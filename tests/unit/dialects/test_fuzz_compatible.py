"""The same for Cohere, Responses, and Chat Completions with every quirk of its servers."""

import json
from typing import Any

import pytest

from tests.unit.dialects import targets
from tests.unit.dialects.fuzzing import ROUNDS, fuzz_part, fuzz_replies, fuzz_stream
from tests.wire.recorded import FOLDER, streams

QUIRKS: dict[str, Any] = {
    "cost": "usage.cost.total_cost",
    "keep": ("citations", "search_results", "usage.cost", "usage.citation_tokens", "choices"),
    "apart": True,
    "think_tags": True,
    "daily_requests": True,
    "reasoning_details": True,
    "embeddings_format": "base64_int8",
}
TARGETS = {
    "openai": targets.openai(**QUIRKS),
    "cohere": targets.cohere(),
    "responses": targets.responses(**QUIRKS),
}
CHUNKS: list[dict[str, Any]] = [
    {"choices": [{"delta": {"content": "<think>h"}, "message": {"content": "<think>h"}}]},
    {
        "choices": [{"delta": {"content": "m</think>Hello"}}],
        "citations": ["u"],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "cost": {"total_cost": 0}},
    },
    {
        "choices": [
            {"delta": {"reasoning_details": [{"type": "t", "text": "h", "index": 0}]}},
        ]
    },
    {
        "choices": [
            {"delta": {"reasoning_details": [{"type": "t", "text": "m", "index": 0}]}},
        ]
    },
    {
        "choices": [{"delta": {"content": [{"type": "thinking", "thinking": [{"text": "h"}]}]}}],
        "x_groq": {"id": "r", "usage": {"prompt_tokens": 3}},
    },
    {
        "choices": [{"delta": {}, "finish_reason": "stop"}],
        "citations": ["u"],
        "search_results": [{"title": "t"}],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "reasoning_tokens": 5,
            "citation_tokens": 7,
            "cost": {"total_cost": 0.012345},
        },
    },
]
STREAMS: dict[str, bytes] = {
    "openai": b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in CHUNKS),
    "cohere": json.loads((FOLDER / "streams_cohere.json").read_text("utf-8"))["bytes"].encode(),
    "responses": json.loads((FOLDER / "streams_responses.json").read_text("utf-8"))[
        "bytes"
    ].encode(),
}
MARKERS = {
    "openai": b'"finish_reason"',
    "cohere": b'{"type":"message-end"',
    "responses": b'{"type":"response.completed"',
}
ERRORS: dict[str, Any] = streams()["errors"]
CALL = {"id": "a", "function": {"name": "f", "arguments": "{}"}}
WHOLE: dict[str, list[Any]] = {
    "openai": [
        {
            "choices": [
                {
                    "message": {"content": "<think>hm</think>Hello", "tool_calls": [CALL]},
                    "finish_reason": "stop",
                }
            ],
            **CHUNKS[-1],
        },
        {"data": [{"embedding": "AH+AAQ==", "index": 0}], "usage": {"prompt_tokens": 3}},
        {"data": [{"id": "x", "context_length": 9}], "links": {"next": "/models?offset=9"}},
        {"error": {"message": "m", "code": 403, "metadata": {"reasons": ["r"]}}},
        {"detail": [{"loc": ["body", "model"], "msg": "Field required"}]},
    ],
    "cohere": [
        {
            "id": "c",
            "finish_reason": "COMPLETE",
            "message": {
                "role": "assistant",
                "tool_plan": "p",
                "content": [{"type": "thinking", "thinking": "h"}, {"type": "text", "text": "m"}],
                "tool_calls": [CALL],
                "citations": [{"start": 0, "text": "m"}],
            },
            "usage": {
                "billed_units": {"input_tokens": 9.0, "output_tokens": 2.0},
                "tokens": {"input_tokens": 70, "output_tokens": 9},
                "cached_tokens": 3,
            },
        },
        {"embeddings": {"float": [[0.5, 1]]}, "meta": {"billed_units": {"input_tokens": 3}}},
        {"models": [{"name": "x", "endpoints": ["chat"], "context_length": 9.0}]},
        {"tokens": [1, 2]},
        {"id": "x", "message": "m"},
    ],
    "responses": [
        {
            "id": "resp_1",
            "status": "incomplete",
            "incomplete_details": {"reason": "max_output_tokens"},
            "output": [
                {"type": "reasoning", "id": "rs", "summary": [{"text": "h"}]},
                {"type": "message", "content": [{"text": "m", "annotations": [{"url": "u"}]}]},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            ],
            "usage": {
                "input_tokens": 9,
                "output_tokens": 2,
                "input_tokens_details": {"cached_tokens": 3},
                "output_tokens_details": {"reasoning_tokens": 1},
                "cost": {"total_cost": 0.5},
            },
        },
        {"status": "failed", "error": {"code": "server_error", "message": "m"}},
        {"input_tokens": 12},
    ],
}


@pytest.mark.parametrize("wire", STREAMS)
def test_streams(wire: str) -> None:
    fuzz_stream(wire, STREAMS[wire], TARGETS[wire], ROUNDS)


@pytest.mark.parametrize("wire", STREAMS)
def test_a_broken_part_is_never_complete(wire: str) -> None:
    part = STREAMS[wire][: STREAMS[wire].index(MARKERS[wire])]
    fuzz_part(wire, part, TARGETS[wire], ROUNDS)


@pytest.mark.parametrize("wire", WHOLE)
def test_replies(wire: str) -> None:
    bodies = WHOLE[wire] + [case["body"] for case in ERRORS.values()]
    fuzz_replies(wire, bodies, TARGETS[wire], ROUNDS)
