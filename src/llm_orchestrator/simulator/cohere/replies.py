"""Bodies and events of Cohere's chat."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

from llm_orchestrator.simulator.answers import Answer, Piece
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.frames import Frame
from llm_orchestrator.simulator.wire import Reply

_FINISH: Final = {
    "stop": "COMPLETE",
    "stop_sequence": "STOP_SEQUENCE",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "content_filter": "ERROR",
}
_CLOSING: Final = 2  # tokens that end an answer and are not billed


def usage(reply: Reply) -> dict[str, Any]:
    """Billed units, and all tokens: the template around the messages is free."""
    total = reply.usage
    template = int(reply.ask.options.get("template", 0))
    billed = {"input_tokens": total.input_tokens, "output_tokens": total.output_tokens}
    shown = {
        "input_tokens": total.input_tokens + template,
        "output_tokens": total.output_tokens + _CLOSING,
    }
    return {"billed_units": billed, "tokens": shown, "cached_tokens": total.cache_read_tokens}


def _call(answer: Answer, index: int, arguments: str) -> dict[str, Any]:
    call = answer.calls[index]
    function = {"name": call.name, "arguments": arguments}
    return {"id": f"{call.name}_{call.id[:12]}", "type": "function", "function": function}


def plain(reply: Reply, reply_id: str) -> dict[str, Any]:
    """The body of a reply in one piece."""
    answer = reply.answers[0]
    content: list[dict[str, Any]] = []
    if answer.thinking:
        content.append({"type": "thinking", "thinking": answer.thinking})
    if answer.text or not (answer.calls or content):
        content.append({"type": "text", "text": answer.text})
    message: dict[str, Any] = {"role": "assistant"}
    if content and (answer.text or answer.thinking):
        message["content"] = content
    if answer.calls:
        numbers = range(len(answer.calls))
        message["tool_plan"] = "".join(p.text for p in answer.pieces if p.kind == "plan")
        message["tool_calls"] = [_call(answer, n, answer.arguments(n)) for n in numbers]
    finish = _FINISH[answer.finish]
    return {"id": reply_id, "finish_reason": finish, "message": message, "usage": usage(reply)}


def event(kind: str, body: dict[str, Any]) -> bytes:
    """One event; its name is its type."""
    return f"event: {kind}\ndata: ".encode() + encode({"type": kind} | body) + b"\n\n"


def _message(**given: Any) -> dict[str, Any]:
    return {"delta": {"message": given}}


def _group(piece: Piece) -> tuple[str, int]:
    return ("call" if piece.kind == "arguments" else piece.kind), piece.index


def finish(reply: Reply, *, with_usage: bool) -> bytes:
    """The message-end event."""
    delta: dict[str, Any] = {"finish_reason": _FINISH[reply.answers[0].finish]}
    if with_usage:
        delta["usage"] = usage(reply)
    return event("message-end", {"delta": delta})


def frames(reply: Reply, reply_id: str) -> Iterator[Frame]:
    """The events of a streamed reply."""
    answer = reply.answers[0]
    opening = _message(role="assistant", content=[], tool_plan="", tool_calls=[], citations=[])
    yield Frame("head", event("message-start", {"id": reply_id} | opening))
    number = 0
    for (kind, index), group in groupby(answer.pieces, key=_group):
        if kind == "plan":
            for piece in group:
                yield Frame(
                    "token", event("tool-plan-delta", _message(tool_plan=piece.text)), piece.tokens
                )
        elif kind == "call":
            yield from _call_frames(answer, index, group)
        else:
            yield from _content_frames(kind, number, group)
            number += 1
    yield Frame("finish", finish(reply, with_usage=True))
    yield Frame("done", b"data: [DONE]\n\n")


def _call_frames(answer: Answer, index: int, group: Iterator[Piece]) -> Iterator[Frame]:
    at = {"index": index}
    for piece in group:
        if piece.kind == "call":
            start = _message(tool_calls=_call(answer, index, ""))
            yield Frame("token", event("tool-call-start", at | start), piece.tokens)
        else:
            more = _message(tool_calls={"function": {"arguments": piece.text}})
            yield Frame("token", event("tool-call-delta", at | more), piece.tokens)
    yield Frame("head", event("tool-call-end", at))


def _content_frames(kind: str, number: int, group: Iterator[Piece]) -> Iterator[Frame]:
    at, thought = {"index": number}, kind == "thinking"
    yield Frame("head", event("content-start", at | _message(content={"type": kind, kind: ""})))
    for piece in group:
        data = event("content-delta", at | _message(content={kind: piece.text}))
        yield Frame("token", data, piece.tokens, thought=thought)
    yield Frame("head", event("content-end", at))
