"""Bodies and events of the Converse wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final, cast

from llm_orchestrator.simulator.answers import Answer, Piece
from llm_orchestrator.simulator.anthropic.blocks import sign
from llm_orchestrator.simulator.bedrock import eventstream
from llm_orchestrator.simulator.draw import Draw
from llm_orchestrator.simulator.frames import Frame
from llm_orchestrator.simulator.wire import Reply

_STOP: Final = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
}
_PADDING: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def usage(reply: Reply) -> dict[str, Any]:
    """Usage: `inputTokens` is only what was neither read from nor written to the cache."""
    cache, total = reply.cache, reply.usage
    written = cache.write_5m + cache.write_1h
    counts: dict[str, Any] = {
        "inputTokens": total.input_tokens - cache.read - written,
        "outputTokens": total.output_tokens,
        "totalTokens": total.input_tokens + total.output_tokens,
        "cacheReadInputTokens": cache.read,
        "cacheWriteInputTokens": written,
    }
    parts = (("5m", cache.write_5m), ("1h", cache.write_1h))
    details = [{"ttl": ttl, "inputTokens": size} for ttl, size in parts if size]
    return counts | ({"cacheDetails": details} if details else {})


def _stop_reason(reply: Reply) -> str:
    reason = _STOP[reply.answers[0].finish]
    guarded = reason == "content_filtered" and reply.ask.options.get("guarded")
    return "guardrail_intervened" if guarded else reason


def _group(piece: Piece) -> tuple[str, int]:
    return ("call" if piece.kind == "arguments" else piece.kind), piece.index


def _use(answer: Answer, index: int) -> dict[str, Any]:
    call = answer.calls[index]
    return {"toolUseId": f"tooluse_{call.id[:22]}", "name": call.name}


def _object(text: str) -> dict[str, Any]:
    """Arguments cut by the token limit are no JSON and come back empty."""
    try:
        return cast("dict[str, Any]", json.loads(text))
    except json.JSONDecodeError:
        return {}


def _tail(reply: Reply) -> dict[str, Any]:
    name = reply.ask.tier.replace("batch", "")
    tier = {"serviceTier": {"type": name}} if name else {}
    latency = reply.ask.options.get("latency", 300)
    return {"usage": usage(reply), "metrics": {"latencyMs": latency}} | tier


def plain(reply: Reply) -> dict[str, Any]:
    """The body of a reply in one piece."""
    answer = reply.answers[0]
    content: list[dict[str, Any]] = []
    for (kind, index), pieces in groupby(answer.pieces, key=_group):
        text = "".join(piece.text for piece in pieces)
        if kind == "thinking":
            thought = {"text": text, "signature": sign(text)}
            content.append({"reasoningContent": {"reasoningText": thought}})
        elif kind == "call":
            content.append({"toolUse": _use(answer, index) | {"input": _object(text)}})
        else:
            content.append({"text": text})
    message = {"role": "assistant", "content": content}
    return {"output": {"message": message}, "stopReason": _stop_reason(reply)} | _tail(reply)


def _padded(body: dict[str, Any], draw: Draw) -> dict[str, Any]:
    """Padding hides the size of a token from those who watch the line."""
    return body | {"p": _PADDING[: 2 + draw.below(30)]}


def frames(reply: Reply) -> Iterator[Frame]:
    """The events of a streamed reply."""
    answer, draw = reply.answers[0], Draw("padding", reply.ask.last_text())
    start = _padded({"role": "assistant"}, draw)
    yield Frame("head", eventstream.event("messageStart", start))
    number = -1
    for number, ((kind, index), group) in enumerate(groupby(answer.pieces, key=_group)):
        at = {"contentBlockIndex": number}
        if kind == "call":
            opening = {"start": {"toolUse": _use(answer, index)}}
            yield Frame("head", eventstream.event("contentBlockStart", at | opening))
        said = ""
        for piece in group:
            said += piece.text
            if piece.kind == "call":  # its name came with the start
                yield Frame("token", b"", piece.tokens)
                continue
            body = _padded(at | {"delta": _delta(kind, piece.text)}, draw)
            data = eventstream.event("contentBlockDelta", body)
            yield Frame("token", data, piece.tokens, thought=kind == "thinking")
        if kind == "thinking":
            seal = at | {"delta": {"reasoningContent": {"signature": sign(said)}}}
            yield Frame("head", eventstream.event("contentBlockDelta", seal))
        yield Frame("head", eventstream.event("contentBlockStop", _padded(at, draw)))
    if number < 0:
        yield Frame("head", eventstream.event("contentBlockStop", {"contentBlockIndex": 0}))
    stop = {"stopReason": _stop_reason(reply)}
    yield Frame("finish", eventstream.event("messageStop", stop))
    yield Frame("usage", eventstream.event("metadata", _padded(_tail(reply), draw)))


def _delta(kind: str, text: str) -> dict[str, Any]:
    if kind == "thinking":
        return {"reasoningContent": {"text": text}}
    return {"toolUse": {"input": text}} if kind == "call" else {"text": text}
