"""The response object of the Responses wire, whole and while it grows in a stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from llm_orchestrator.simulator.answers import Answer, Piece
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.frames import Frame
from llm_orchestrator.simulator.responses.items import seal
from llm_orchestrator.simulator.wire import Reply

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_BROKEN = {"code": "server_error", "message": "The server had an error processing your request."}


def usage(reply: Reply) -> dict[str, Any]:
    """The usage object: cached tokens inside the input, reasoning inside the output."""
    total = reply.usage
    return {
        "input_tokens": total.input_tokens,
        "input_tokens_details": {"cached_tokens": total.cache_read_tokens, "cache_write_tokens": 0},
        "output_tokens": total.output_tokens,
        "output_tokens_details": {"reasoning_tokens": total.reasoning_tokens},
        "total_tokens": total.input_tokens + total.output_tokens,
    }


def response(reply: Reply, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    """The object at some moment: usage comes with the last one."""
    ask, given = reply.ask, reply.ask.options["request"]
    finish = reply.answers[0].finish
    over = status in {"completed", "incomplete"}
    count = ask.options.get("usage_of", usage)
    reason = _INCOMPLETE.get(finish) if status == "incomplete" else None
    now = int(reply.world.clock.now())
    return {
        "id": reply.world.id("resp_", 40, reply.number),
        "object": "response",
        "created_at": now,
        "completed_at": now if status == "completed" else None,
        "status": status,
        "error": _BROKEN if status == "failed" else None,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": given.get("instructions"),
        "max_output_tokens": given.get("max_output_tokens"),
        "model": ask.model.snapshot,
        "output": output,
        "parallel_tool_calls": ask.parallel,
        "previous_response_id": given.get("previous_response_id"),
        "reasoning": {"effort": ask.options["effort"], "summary": None},
        "service_tier": ask.tier.replace("batch", "") or "default",
        "store": given.get("store") is not False,
        "temperature": given.get("temperature", 1.0),
        "text": given.get("text") or {"format": {"type": "text"}},
        "tool_choice": given.get("tool_choice", "auto"),
        "tools": given.get("tools") or [],
        "top_p": given.get("top_p", 1.0),
        "truncation": given.get("truncation", "disabled"),
        "usage": count(reply) if over else None,
        "metadata": given.get("metadata") or {},
    }


def last_status(reply: Reply) -> str:
    """How a whole reply ends."""
    return "incomplete" if reply.answers[0].finish in _INCOMPLETE else "completed"


def _group(piece: Piece) -> tuple[str, int]:
    return ("call" if piece.kind == "arguments" else piece.kind), piece.index


def _item(reply: Reply, kind: str, index: int, text: str, status: str) -> dict[str, Any]:
    """An output item with as much text as there is; the status of reasoning is not told."""
    world, number = reply.world, reply.number
    if kind == "thinking":
        item: dict[str, Any] = {"id": world.id("rs_", 40, number), "type": "reasoning"}
        shown = text and reply.ask.show_thinking
        item["summary"] = [{"type": "summary_text", "text": text}] if shown else []
        if reply.ask.options["encrypted"]:
            item["encrypted_content"] = seal(number) if status != "in_progress" else ""
        return item
    if kind == "call":
        call = reply.answers[0].calls[index]
        return {
            "id": world.id("fc_", 40, number, index),
            "type": "function_call",
            "status": status,
            "arguments": text,
            "call_id": f"call_{call.id}",
            "name": call.name,
        }
    begun = text or status != "in_progress"
    return {
        "id": world.id("msg_", 40, number),
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [_part(text)] if begun else [],
    }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _states(answer: Answer) -> tuple[str, str]:
    """The status of all items but the last, and of the last."""
    return "completed", "incomplete" if answer.finish in _INCOMPLETE else "completed"


def output(reply: Reply) -> list[dict[str, Any]]:
    """All output items of a whole reply."""
    answer = reply.answers[0]
    groups = [(key, list(pieces)) for key, pieces in groupby(answer.pieces, key=_group)]
    done, last = _states(answer)
    items = []
    for number, ((kind, index), pieces) in enumerate(groups):
        text = "".join(piece.text for piece in pieces)
        status = last if number == len(groups) - 1 else done
        items.append(_item(reply, kind, index, text, status))
    return items


def plain(reply: Reply) -> dict[str, Any]:
    """The body of a reply in one piece."""
    return response(reply, last_status(reply), output(reply))


def failed(reply: Reply) -> dict[str, Any]:
    """The object of a response that broke."""
    return response(reply, "failed", [])


def event(kind: str, number: int, **body: Any) -> bytes:
    """One event; its name is its type."""
    data = encode({"type": kind} | body | {"sequence_number": number})
    return f"event: {kind}\ndata: ".encode() + data + b"\n\n"


@dataclass(slots=True)
class _Writer:
    """Numbers the events of one stream."""

    number: int = -1

    def event(self, kind: str, **body: Any) -> bytes:
        self.number += 1
        return event(f"response.{kind}", self.number, **body)


def frames(reply: Reply) -> Iterator[Frame]:
    """The events of a streamed reply."""
    writer, answer = _Writer(), reply.answers[0]
    begun = response(reply, "in_progress", [])
    yield Frame("head", writer.event("created", response=begun))
    yield Frame("head", writer.event("in_progress", response=begun))
    groups = [(key, list(pieces)) for key, pieces in groupby(answer.pieces, key=_group)]
    done, last = _states(answer)
    for place, ((kind, index), pieces) in enumerate(groups):
        status = last if place == len(groups) - 1 else done
        opening = _item(reply, kind, index, "", "in_progress")
        yield Frame("head", writer.event("output_item.added", output_index=place, item=opening))
        at = {"item_id": opening["id"], "output_index": place}
        if kind == "thinking":
            yield from _thinking(reply, writer, pieces, at)
        elif kind == "call":
            yield from _call(writer, pieces, at, opening["name"])
        else:
            yield from _text(writer, pieces, at)
        text = "".join(piece.text for piece in pieces)
        item = _item(reply, kind, index, text, status)
        yield Frame("head", writer.event("output_item.done", output_index=place, item=item))
    final = response(reply, last_status(reply), output(reply))
    if reply.ask.uncounted:
        final["usage"] = None
    yield Frame("finish", writer.event(last_status(reply), response=final))
    yield Frame("done", b"")


def _text(writer: _Writer, pieces: list[Piece], at: dict[str, Any]) -> Iterator[Frame]:
    at = at | {"content_index": 0}
    yield Frame("head", writer.event("content_part.added", **at, part=_part("")))
    for piece in pieces:
        data = writer.event("output_text.delta", **at, delta=piece.text, logprobs=[])
        yield Frame("token", data, piece.tokens)
    text = "".join(piece.text for piece in pieces)
    yield Frame("head", writer.event("output_text.done", **at, text=text, logprobs=[]))
    yield Frame("head", writer.event("content_part.done", **at, part=_part(text)))


def _call(writer: _Writer, pieces: list[Piece], at: dict[str, Any], name: str) -> Iterator[Frame]:
    for piece in pieces:
        if piece.kind == "call":  # its name came with the item
            yield Frame("token", b"", piece.tokens)
        else:
            data = writer.event("function_call_arguments.delta", **at, delta=piece.text)
            yield Frame("token", data, piece.tokens)
    text = "".join(piece.text for piece in pieces)
    data = writer.event("function_call_arguments.done", **at, name=name, arguments=text)
    yield Frame("head", data)


def _thinking(
    reply: Reply, writer: _Writer, pieces: list[Piece], at: dict[str, Any]
) -> Iterator[Frame]:
    if not reply.ask.show_thinking:
        for piece in pieces:
            yield Frame("token", b"", piece.tokens, thought=True)
        return
    at = at | {"summary_index": 0}
    part = {"type": "summary_text", "text": ""}
    yield Frame("head", writer.event("reasoning_summary_part.added", **at, part=part))
    for piece in pieces:
        data = writer.event("reasoning_summary_text.delta", **at, delta=piece.text)
        yield Frame("token", data, piece.tokens, thought=True)
    text = "".join(piece.text for piece in pieces)
    yield Frame("head", writer.event("reasoning_summary_text.done", **at, text=text))
    part = part | {"text": text}
    yield Frame("head", writer.event("reasoning_summary_part.done", **at, part=part))
