"""From the body of a 200 to a `Response`."""

from typing import Any

import msgspec

from llm_orchestrator.dialects import listed
from llm_orchestrator.dialects.anthropic.errors import REQUEST_ID, from_body
from llm_orchestrator.dialects.base import UNREADABLE, plausible, unreadable
from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.reply import FinishReason, Response
from llm_orchestrator.types.request import Part, Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import Usage

FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class CacheCreation(msgspec.Struct, gc=False):
    """Cache writes by how long they are kept."""

    ephemeral_1h_input_tokens: int | None = None


class OutputDetails(msgspec.Struct, gc=False):
    """What the output consisted of."""

    thinking_tokens: int | None = None


class ServerTools(msgspec.Struct, gc=False):
    """What the provider's own tools did."""

    web_search_requests: int | None = None


class WireUsage(msgspec.Struct, gc=False):
    """Usage on this wire: ``input_tokens`` is only the part outside the cache."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None
    server_tool_use: ServerTools | None = None
    service_tier: str | None = None


class Block(msgspec.Struct, gc=False):
    """One content block of any type."""

    type: str = ""
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class WireMessage(msgspec.Struct, gc=False):
    """A whole reply, or the message of ``message_start``."""

    type: str = ""
    id: str = ""
    model: str = ""
    content: list[Block] | None = None
    stop_reason: str | None = None
    stop_details: Any = None
    usage: WireUsage | None = None
    error: Any = None


_read = msgspec.json.Decoder(WireMessage).decode


def decode(reply: HTTPReply, target: Candidate) -> Response:
    """The answer in a 200."""
    try:
        body = _read(reply.body)
    except UNREADABLE:
        raise unreadable(reply, target, REQUEST_ID) from None
    if body.error:
        raise from_body({"error": body.error}, target, reply)
    if body.type != "message" or body.content is None:
        raise unreadable(reply, target, REQUEST_ID)
    parts = tuple(part for block in body.content if (part := _part(block)) is not None)
    return Response(
        parts,
        FINISH.get(body.stop_reason or "", "other"),
        read_usage(body.usage),
        body.model or target.model.id,
        body.id,
        reply.header(REQUEST_ID),
        service_tier=body.usage.service_tier if body.usage else None,
        extra={"stop_details": body.stop_details} if body.stop_details else None,
    )


def _part(block: Block) -> Part | None:
    match block.type:
        case "text":
            return Text(text=block.text or "")
        case "tool_use":
            arguments = bytes(block.input).decode() or "{}"
            return ToolCall(id=block.id or "", name=block.name or "", arguments=arguments)
        case "thinking":
            return Reasoning(text=block.thinking or "", signature=block.signature)
        case "redacted_thinking":
            return Reasoning(redacted=block.data or "")
    return None  # blocks of the server's own tools: nothing that we asked for


def read_usage(usage: WireUsage | None) -> Usage | None:
    """Our usage: the cached parts are added to the input."""
    if usage is None or usage.input_tokens is None:
        return None
    read = usage.cache_read_input_tokens or 0
    written = usage.cache_creation_input_tokens or 0
    hour = usage.cache_creation.ephemeral_1h_input_tokens if usage.cache_creation else 0
    details = usage.output_tokens_details
    return plausible(
        Usage(
            usage.input_tokens + read + written,
            usage.output_tokens or 0,
            read,
            written,
            hour or 0,
            (details.thinking_tokens or 0) if details else 0,
            searches=(tools.web_search_requests or 0) if (tools := usage.server_tool_use) else 0,
        )
    )


class _Listed(msgspec.Struct):
    id: str
    max_input_tokens: int | None = None
    max_tokens: int | None = None
    capabilities: Any = None

    @property
    def abilities(self) -> frozenset[str] | None:
        """What the list says that the model can do."""
        if not isinstance(self.capabilities, dict):
            return None
        flags = self.capabilities
        thinking = flags.get("thinking")
        types = thinking.get("types") if isinstance(thinking, dict) else None
        if isinstance(types, dict):
            flags = flags | {"adaptive_thinking": types.get("adaptive")}
        return listed.of_flags(flags)


class _ModelList(msgspec.Struct):
    data: list[_Listed]
    has_more: bool = False
    last_id: str | None = None


def read_models(reply: HTTPReply, provider: Provider) -> tuple[list[Model], str | None]:
    """The models of a page, with the limits that the account has."""
    try:
        body = msgspec.json.decode(reply.body, type=_ModelList)
    except UNREADABLE:
        target = Candidate(provider, Model(provider=provider.name, id=""))
        raise unreadable(reply, target, REQUEST_ID) from None
    models = [
        Model(
            provider=provider.name,
            id=one.id,
            context=one.max_input_tokens,
            max_output=one.max_tokens,
            abilities=one.abilities,
            known=False,
        )
        for one in body.data
    ]
    return models, body.last_id if body.has_more else None


def decode_embeddings(reply: HTTPReply, target: Candidate) -> tuple[list[list[float]], Response]:
    """Not on this wire."""
    raise unreadable(reply, target, REQUEST_ID)


class _Count(msgspec.Struct):
    input_tokens: int


def decode_count(reply: HTTPReply, target: Candidate) -> int:
    """The number of input tokens."""
    try:
        return msgspec.json.decode(reply.body, type=_Count).input_tokens
    except UNREADABLE:
        raise unreadable(reply, target, REQUEST_ID) from None
