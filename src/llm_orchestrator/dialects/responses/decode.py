"""From the body of a 200 to a `Response`."""

from typing import Any

import msgspec

from llm_orchestrator import errors
from llm_orchestrator.dialects import reported
from llm_orchestrator.dialects.base import UNREADABLE, plausible, sealed, unreadable, where
from llm_orchestrator.dialects.openai_faults import REQUEST_ID, from_body
from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import FinishReason, Response
from llm_orchestrator.types.request import Part, Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import Usage

WIRE = "responses"
UNFINISHED: dict[str, FinishReason] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}
_FAILED = frozenset(("failed", "cancelled"))
_NOT_READY = frozenset(("queued", "in_progress"))


class InputDetails(msgspec.Struct, gc=False):
    """What the input consisted of, in the words of two providers."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class OutputDetails(msgspec.Struct, gc=False):
    """What the output consisted of."""

    reasoning_tokens: int | None = None


class WireUsage(msgspec.Struct, gc=False):
    """Usage on this wire: input includes cache, output includes reasoning, as ours."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


class Content(msgspec.Struct, gc=False):
    """A piece of a message or of thoughts."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    annotations: list[Any] | None = None


class Item(msgspec.Struct, gc=False):
    """One item of the output, of any type."""

    type: str = ""
    id: str | None = None
    content: list[Content] | None = None
    summary: list[Content] | None = None
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None


class Incomplete(msgspec.Struct, gc=False):
    """Why an answer is not whole."""

    reason: str | None = None


class WireResponse(msgspec.Struct, gc=False):
    """A whole reply, or the response inside an event."""

    id: str = ""
    object: str | None = None
    model: str | None = None
    status: str | None = None
    error: Any = None
    incomplete_details: Incomplete | None = None
    output: list[Item] | None = None
    usage: WireUsage | None = None
    service_tier: str | None = None


_read = msgspec.json.Decoder(WireResponse).decode


def decode(reply: HTTPReply, target: Candidate) -> Response:
    """The answer in a 200; a response that failed raises what it says."""
    try:
        body = _read(reply.body)
    except UNREADABLE:
        raise unreadable(reply, target, REQUEST_ID) from None
    if body.error or body.status in _FAILED:
        raise failed(body.error, body.status, target, reply)
    if body.output is None:
        raise unreadable(reply, target, REQUEST_ID)
    if body.status in _NOT_READY:
        raise errors.BadReplyError(
            "the answer is not there yet: it was asked for with background",
            code=body.status,
            retryable=False,
            **where(target, reply, REQUEST_ID),
        )
    quirks = target.provider.quirks
    extra, cost = reported.beside(reply.body, quirks)
    extra |= notes(body.output)
    return Response(
        tuple(part for item in body.output for part in parts_of(item)),
        finish(body),
        read_usage(body),
        body.model or target.model.id,
        body.id,
        reply.header(REQUEST_ID),
        cost,
        body.service_tier,
        extra or None,
    )


def failed(
    error: Any, status: str | None, target: Candidate, reply: HTTPReply | None
) -> errors.OrchestratorError:
    """The error of a response that ended as ``failed`` or ``cancelled``."""
    if not error:
        error = {"message": f"the provider ended the answer: {status}", "code": status}
    return from_body({"error": error}, target, reply)


def parts_of(item: Item) -> list[Part]:
    """What an item means to us; nothing for those of the server's own tools."""
    match item.type:
        case "message":
            text = "".join(piece.text or piece.refusal or "" for piece in item.content or ())
            return [Text(text=text)] if text else []
        case "function_call":
            name, arguments = item.name or "", item.arguments or "{}"
            return [ToolCall(id=call_id(item), name=name, arguments=arguments)]
        case "reasoning":
            thought = Reasoning(text=thoughts(item), signature=seal(item))
            return [thought] if thought.text or thought.signature else []
    return []


def call_id(item: Item) -> str:
    """What a tool's result refers to: not the item's own id, where there is another."""
    return item.call_id or item.id or ""


def thoughts(item: Item) -> str:
    """The text of thoughts: all of it, or its summary."""
    if item.content:
        return "".join(piece.text or "" for piece in item.content)
    return "\n\n".join(piece.text or "" for piece in item.summary or ())


def seal(item: Item) -> str | None:
    """What is needed to hand thoughts back: the id of the item and its encrypted content."""
    whole = item.id and item.encrypted_content
    return sealed(f"{item.id}.{item.encrypted_content}", WIRE) if whole else None


def finish(body: WireResponse) -> FinishReason:
    """Why the answer ended."""
    items = body.output or []
    if body.status == "incomplete":
        reason = body.incomplete_details.reason if body.incomplete_details else None
        return UNFINISHED.get(reason or "", "other")
    if any(item.type == "function_call" for item in items):
        return "tool_calls"
    pieces = [piece for item in items if item.type == "message" for piece in item.content or ()]
    if any(piece.refusal for piece in pieces) and not any(piece.text for piece in pieces):
        return "content_filter"
    return "stop"


def notes(items: list[Item]) -> dict[str, Any]:
    """The sources and files that the text refers to."""
    found = [
        note
        for item in items
        if item.type == "message"
        for piece in item.content or ()
        for note in piece.annotations or ()
    ]
    return {"annotations": found} if found else {}


def read_usage(body: WireResponse) -> Usage | None:
    """Our usage; ``None`` when the wire has none."""
    usage = body.usage
    if usage is None or usage.input_tokens is None:
        return None
    cached = written = reasoning = 0
    if (details := usage.input_tokens_details) is not None:
        cached = details.cached_tokens or details.cache_read_input_tokens or 0
        written = details.cache_write_tokens or details.cache_creation_input_tokens or 0
    if usage.output_tokens_details is not None:
        reasoning = usage.output_tokens_details.reasoning_tokens or 0
    return plausible(
        Usage(
            usage.input_tokens,
            usage.output_tokens or 0,
            cached,
            written,
            0,
            reasoning,
            searches=sum(item.type == "web_search_call" for item in body.output or ()),
        )
    )
