"""Bedrock's wire, broken in thousands of ways: an answer, or an error of ours, and nothing else.

``LLMO_FUZZ=100000`` asks for more rounds. The checksums are often made right again, as nothing
behind them would be reached otherwise. A failure names its seed.
"""

import json
import random
from typing import Any

from llm_orchestrator.dialects import load
from llm_orchestrator.types.http import HTTPReply
from tests.unit.dialects.bedrock_samples import bedrock, event, exception, raw_frame
from tests.unit.dialects.feeding import cut, feed
from tests.unit.dialects.fuzzing import ODD, ROUNDS, check_reply, check_stream, odd, torn

TARGET = bedrock()
USAGE = {"inputTokens": 9, "outputTokens": 2, "cacheReadInputTokens": 3}
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "größer"}}),
    (
        "contentBlockDelta",
        {"contentBlockIndex": 1, "delta": {"reasoningContent": {"text": "hm", "signature": None}}},
    ),
    (
        "contentBlockStart",
        {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}},
    ),
    ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": "{}"}}}),
    ("contentBlockStop", {"contentBlockIndex": 2}),
    ("messageStop", {"stopReason": "end_turn"}),
    ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}}),
]
WHOLE: list[Any] = [
    {
        "output": {
            "message": {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
                    {"text": "Hello"},
                    {"toolUse": {"toolUseId": "t", "name": "f", "input": {"x": 1}}},
                ],
            }
        },
        "stopReason": "end_turn",
        "usage": USAGE | {"cacheDetails": [{"ttl": "1h", "inputTokens": 0}]},
        "serviceTier": {"type": "default"},
    },
    {"inputTokens": 12},
    {"embedding": [0.5], "inputTextTokenCount": 3},
    {"embeddings": {"float": [[0.5]]}},
    {"modelSummaries": [{"modelId": "a.b", "outputModalities": ["TEXT"]}]},
    {"inferenceProfileSummaries": [{"inferenceProfileId": "us.a.b"}], "nextToken": "x"},
    {"message": "The security token included in the request is expired", "__type": "a#B"},
]


def stream(rng: random.Random) -> bytes:
    """An answer with some of its events odd, dropped, doubled, torn or in another order."""
    out: list[bytes] = []
    for kind, fields in EVENTS:
        if rng.random() < 0.05:
            continue
        body = odd(fields, rng) if rng.random() < 0.3 else fields
        if rng.random() < 0.05:
            out.append(exception(rng.choice(("throttlingException", "x", "")), "It broke."))
        if isinstance(body, dict) and rng.random() < 0.8:
            out.append(event(kind, **body))
        else:
            headers = {":event-type": kind, ":message-type": rng.choice(("event", "error", ""))}
            out.append(raw_frame(headers, torn(json.dumps(body).encode(), rng)))
    if rng.random() < 0.1:
        rng.shuffle(out)
    data = b"".join(out)
    return torn(data, rng) if rng.random() < 0.3 else data


def test_streams() -> None:
    for seed in range(ROUNDS):
        rng = random.Random(f"bedrock {seed}")
        data = stream(rng)
        places = [rng.randrange(len(data) + 1) for _ in range(rng.randint(0, 5))]
        try:
            out = feed(load("bedrock"), TARGET, cut(data, places))
            check_stream(out, TARGET)
            assert feed(load("bedrock"), TARGET, [data]).meaning == out.meaning
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise


def test_a_broken_part_is_never_complete() -> None:
    """What comes before the terminal marker stays incomplete, however it is mangled."""
    head = b"".join(event(kind, **fields) for kind, fields in EVENTS[:6])
    for seed in range(ROUNDS):
        rng = random.Random(f"bedrock {seed}")
        broken = torn(head[: rng.randint(1, len(head))], rng)
        assert not feed(load("bedrock"), TARGET, [broken]).finished, f"seed {seed}"


def test_replies() -> None:
    names = ("ValidationException", "AccessDeniedException", "x", "#:", "")
    for seed in range(ROUNDS):
        rng = random.Random(f"bedrock {seed}")
        body = rng.choice(WHOLE) if rng.random() < 0.9 else rng.choice(ODD)
        data = json.dumps(odd(body, rng)).encode()
        if rng.random() < 0.3:
            data = torn(data, rng)
        headers = {
            "Content-Type": rng.choice(("application/json", "text/html", "")),
            "Retry-After": rng.choice(("2", "nan", "x")),
            "Date": rng.choice(("Fri, 20 Nov 2026 07:28:00 GMT", "x", "")),
            "x-amzn-ErrorType": rng.choice(names),
            "X-Amzn-Bedrock-Input-Token-Count": rng.choice(("3", "²", "9" * 5000, "-1")),
        }
        try:
            check_reply(TARGET, HTTPReply(rng.choice((200, 400, 403, 424, 500)), headers, data))
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
