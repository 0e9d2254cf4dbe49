"""From the body of a 200 to a `Response`."""

from typing import Any

import msgspec

from llm_orchestrator.dialects.base import UNREADABLE, plausible, unreadable
from llm_orchestrator.dialects.bedrock.errors import MALFORMED_STOPS, REQUEST_ID, malformed
from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import FinishReason, Response
from llm_orchestrator.types.request import Part, Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import Usage

FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
SERVER_TOOL = "server_tool_use"
"""A tool of the service's own: nothing that we asked for or could answer."""


class CacheDetail(msgspec.Struct, gc=False, rename="camel"):
    """Cache writes of one lifetime."""

    ttl: str | None = None
    input_tokens: int | None = None


class WireUsage(msgspec.Struct, gc=False, rename="camel"):
    """Usage on this wire: ``input_tokens`` is only the part outside the cache."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    cache_details: list[CacheDetail] | None = None


class ServiceTier(msgspec.Struct, gc=False):
    """The service tier that served the request."""

    type: str | None = None


class _ToolUse(msgspec.Struct, gc=False, rename="camel"):
    tool_use_id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    type: str | None = None


class _ReasoningText(msgspec.Struct, gc=False):
    text: str | None = None
    signature: str | None = None


class _ReasoningContent(msgspec.Struct, gc=False, rename="camel"):
    reasoning_text: _ReasoningText | None = None
    redacted_content: str | None = None


class _Cited(msgspec.Struct, gc=False):
    text: str | None = None


class _Citations(msgspec.Struct, gc=False):
    content: list[_Cited] | None = None


class _Block(msgspec.Struct, gc=False, rename="camel"):
    text: str | None = None
    tool_use: _ToolUse | None = None
    reasoning_content: _ReasoningContent | None = None
    citations_content: _Citations | None = None


class _Message(msgspec.Struct, gc=False):
    content: list[_Block]


class _Output(msgspec.Struct, gc=False):
    message: _Message


class _Reply(msgspec.Struct, gc=False, rename="camel"):
    output: _Output
    stop_reason: str | None = None
    usage: WireUsage | None = None
    service_tier: ServiceTier | None = None
    additional_model_response_fields: Any = None


_read = msgspec.json.Decoder(_Reply).decode


def decode(reply: HTTPReply, target: Candidate) -> Response:
    """The answer in a 200."""
    try:
        body = _read(reply.body)
        parts = [part for one in body.output.message.content if (part := _part(one)) is not None]
    except UNREADABLE:
        raise unreadable(reply, target, REQUEST_ID) from None
    if body.stop_reason in MALFORMED_STOPS:
        raise malformed(body.stop_reason, target, reply)
    more = body.additional_model_response_fields
    return Response(
        tuple(parts),
        FINISH.get(body.stop_reason or "", "other"),
        read_usage(body.usage),
        target.model.id,
        "",
        reply.header(REQUEST_ID),
        service_tier=body.service_tier.type if body.service_tier else None,
        extra={"additionalModelResponseFields": more} if more else None,
    )


def _part(block: _Block) -> Part | None:
    if block.text is not None:
        return Text(text=block.text)
    if (call := block.tool_use) is not None:
        if call.type == SERVER_TOOL:
            return None
        return ToolCall(
            id=call.tool_use_id or "", name=call.name or "", arguments=arguments(call.input)
        )
    if (thought := block.reasoning_content) is not None:
        if thought.redacted_content is not None:
            return Reasoning(redacted=thought.redacted_content)
        said = thought.reasoning_text or _ReasoningText()
        return Reasoning(text=said.text or "", signature=said.signature)
    if (cited := block.citations_content) is not None:
        return Text(text="".join(one.text or "" for one in cited.content or ()))
    return None  # pictures, sound and what is not known yet


def arguments(raw: msgspec.Raw) -> str:
    """The input of a tool as JSON text; some models send the text of an object in a string."""
    text = bytes(raw).decode() or "{}"
    return msgspec.json.decode(text, type=str) or "{}" if text.startswith('"') else text


def read_usage(usage: WireUsage | None) -> Usage | None:
    """Our usage: the cached parts are added to the input."""
    if usage is None or usage.input_tokens is None:
        return None
    read = usage.cache_read_input_tokens or 0
    written = usage.cache_write_input_tokens or 0
    hour = sum(one.input_tokens or 0 for one in usage.cache_details or () if one.ttl == "1h")
    return plausible(
        Usage(usage.input_tokens + read + written, usage.output_tokens or 0, read, written, hour)
    )


class _Count(msgspec.Struct, rename="camel"):
    input_tokens: int


def decode_count(reply: HTTPReply, target: Candidate) -> int:
    """The number of input tokens."""
    try:
        return msgspec.json.decode(reply.body, type=_Count).input_tokens
    except UNREADABLE:
        raise unreadable(reply, target, REQUEST_ID) from None
