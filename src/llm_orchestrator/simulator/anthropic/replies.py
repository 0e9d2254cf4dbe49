"""Bodies and events of the Messages wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any, cast

from llm_orchestrator.simulator.answers import Answer, Piece
from llm_orchestrator.simulator.anthropic.blocks import sign
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.frames import Frame
from llm_orchestrator.simulator.wire import Reply

_FINISH = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


def usage(reply: Reply, output: int, thinking: int) -> dict[str, Any]:
    """The usage object: `input_tokens` is only what was neither read from nor put in the cache."""
    cache, total = reply.cache, reply.usage
    written = cache.write_5m + cache.write_1h
    return {
        "input_tokens": total.input_tokens - cache.read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cache.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": cache.write_5m,
            "ephemeral_1h_input_tokens": cache.write_1h,
        },
        "output_tokens": output,
        "output_tokens_details": {"thinking_tokens": thinking},
        "service_tier": reply.ask.tier or "standard",
    }


def _message(reply: Reply, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": reply.world.id("msg_01", 22, reply.number),
        "type": "message",
        "role": "assistant",
        "model": reply.ask.model.snapshot,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
    }


def _ending(answer: Answer) -> dict[str, Any]:
    ending: dict[str, Any] = {
        "stop_reason": _FINISH[answer.finish],
        "stop_sequence": answer.stop_sequence,
    }
    if answer.finish == "content_filter":
        ending["stop_details"] = {
            "type": "refusal",
            "category": "general_harms",
            "explanation": "The answer was stopped by a safety classifier.",
        }
    return ending


def _group(piece: Piece) -> tuple[str, int]:
    kind = "tool_use" if piece.kind in {"call", "arguments"} else piece.kind
    return kind, piece.index


def _open(answer: Answer, kind: str, index: int) -> dict[str, Any]:
    """A block as content_block_start shows it, still empty."""
    if kind == "thinking":
        return {"type": "thinking", "thinking": "", "signature": ""}
    if kind == "tool_use":
        call = answer.calls[index]
        return {"type": "tool_use", "id": f"toolu_{call.id}", "name": call.name, "input": {}}
    return {"type": "text", "text": ""}


def plain(reply: Reply) -> dict[str, Any]:
    """The body of a reply in one piece."""
    answer = reply.answers[0]
    content = []
    for (kind, index), pieces in groupby(answer.pieces, key=_group):
        block, text = _open(answer, kind, index), "".join(piece.text for piece in pieces)
        if kind == "thinking":
            block |= {"thinking": _shown(reply, text), "signature": sign(text)}
        elif kind == "tool_use":
            block["input"] = _object(text)
        else:
            block["text"] = text
        content.append(block)
    counts = usage(reply, reply.usage.output_tokens, reply.usage.reasoning_tokens)
    return _message(reply, content) | _ending(answer) | {"usage": counts}


def _shown(reply: Reply, text: str) -> str:
    return text if reply.ask.show_thinking else ""


def _object(text: str) -> dict[str, Any]:
    """Arguments cut by the token limit are no JSON and come back empty."""
    try:
        return cast("dict[str, Any]", json.loads(text))
    except json.JSONDecodeError:
        return {}


def event(body: dict[str, Any]) -> bytes:
    """One event; its name is its type."""
    return f"event: {body['type']}\ndata: ".encode() + encode(body) + b"\n\n"


def frames(reply: Reply) -> Iterator[Frame]:
    """The events of a streamed reply."""
    answer = reply.answers[0]
    start = _message(reply, []) | {"usage": usage(reply, 1, 0)}
    yield Frame("head", event({"type": "message_start", "message": start}))
    if not answer.pieces:
        yield Frame("head", event({"type": "ping"}))
    for number, ((kind, index), group) in enumerate(groupby(answer.pieces, key=_group)):
        opening = {"index": number, "content_block": _open(answer, kind, index)}
        yield Frame("head", event({"type": "content_block_start"} | opening))
        if number == 0:
            yield Frame("head", event({"type": "ping"}))
        said = ""
        for piece in group:
            said += piece.text
            data = _delta(number, kind, piece.text)
            if kind == "thinking" and not reply.ask.show_thinking:
                data = b""
            yield Frame("token", data, piece.tokens, thought=kind == "thinking")
        if kind == "thinking":
            sealed = {"type": "signature_delta", "signature": sign(said)}
            block = {"type": "content_block_delta", "index": number, "delta": sealed}
            yield Frame("head", event(block))
        yield Frame("head", event({"type": "content_block_stop", "index": number}))
    yield Frame("finish", finish(reply, with_usage=True))
    yield Frame("done", event({"type": "message_stop"}))


def _delta(number: int, kind: str, text: str) -> bytes:
    deltas = {
        "thinking": {"type": "thinking_delta", "thinking": text},
        "tool_use": {"type": "input_json_delta", "partial_json": text},
        "text": {"type": "text_delta", "text": text},
    }
    return event({"type": "content_block_delta", "index": number, "delta": deltas[kind]})


def finish(reply: Reply, *, with_usage: bool) -> bytes:
    """The message_delta event; its counts are cumulative."""
    body: dict[str, Any] = {"type": "message_delta", "delta": _ending(reply.answers[0])}
    if with_usage:
        counts = usage(reply, reply.usage.output_tokens, reply.usage.reasoning_tokens)
        body["usage"] = {
            name: counts[name]
            for name in (
                "input_tokens",
                "cache_creation_input_tokens",
                "cache_read_input_tokens",
                "output_tokens",
                "output_tokens_details",
            )
        }
    return event(body)
