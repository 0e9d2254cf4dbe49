"""From the body of a 200 to a `Response`."""

from typing import Any

import msgspec

from llm_orchestrator.dialects import listed
from llm_orchestrator.dialects.base import UNREADABLE, plausible, unreadable, where
from llm_orchestrator.dialects.cohere.errors import REQUEST_ID, broken_off
from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.reply import FinishReason, Response
from llm_orchestrator.types.request import Part, Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import Usage

FINISH: dict[str, FinishReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}
FAILED = frozenset(("ERROR", "TIMEOUT"))
"""Finish reasons of an answer that is none."""


class Counts(msgspec.Struct, gc=False):
    """Numbers of tokens; the wire may write them with a point."""

    input_tokens: float | None = None
    output_tokens: float | None = None


class WireUsage(msgspec.Struct, gc=False):
    """``billed_units`` is what is paid; ``tokens`` also counts the template round the prompt."""

    billed_units: Counts | None = None
    tokens: Counts | None = None
    cached_tokens: float | None = None


class Function(msgspec.Struct, gc=False):
    """Name and arguments; pieces of them in a stream."""

    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct, gc=False):
    """A tool call, or a piece of one."""

    id: str | None = None
    function: Function | None = None


class Block(msgspec.Struct, gc=False):
    """A block of content, or a piece of one."""

    text: str | None = None
    thinking: str | None = None


class Turn(msgspec.Struct, gc=False):
    """The assistant's message; in a stream its lists are single objects."""

    content: list[Block] | Block | str | None = None
    tool_calls: list[Call] | Call | None = None
    tool_plan: str | None = None
    citations: Any = None


class Chat(msgspec.Struct, gc=False):
    """A whole reply."""

    message: Turn
    id: str = ""
    finish_reason: str | None = None
    usage: WireUsage | None = None


_read = msgspec.json.Decoder(Chat).decode


def decode(reply: HTTPReply, target: Candidate) -> Response:
    """The answer in a 200."""
    try:
        body = _read(reply.body)
    except UNREADABLE:
        raise unreadable(reply, target, *REQUEST_ID) from None
    reason = body.finish_reason or ""
    if reason in FAILED:
        raise broken_off(reason, None, target)
    return Response(
        _parts(body.message),
        FINISH.get(reason, "other"),
        read_usage(body.usage),
        target.model.id,
        body.id,
        where(target, reply, *REQUEST_ID)["request_id"],
        extra=beside(body.message.citations, body.usage),
    )


def _parts(turn: Turn) -> tuple[Part, ...]:
    parts: list[Part] = []
    if isinstance(turn.content, str):
        blocks = [Block(text=turn.content)]
    else:
        blocks = turn.content if isinstance(turn.content, list) else []
    if turn.tool_plan:
        parts.append(Reasoning(text=turn.tool_plan))
    for block in blocks:
        if block.thinking:
            parts.append(Reasoning(text=block.thinking))
        elif block.text:
            parts.append(Text(text=block.text))
    calls = turn.tool_calls if isinstance(turn.tool_calls, list) else []
    for number, call in enumerate(calls):
        function = call.function or Function()
        parts.append(
            ToolCall(
                id=call.id or f"call_{number}",
                name=function.name or "",
                arguments=function.arguments or "{}",
            )
        )
    return tuple(parts)


def read_usage(usage: WireUsage | None) -> Usage | None:
    """Our usage, in the tokens that are paid; ``None`` when the wire has none."""
    if usage is None:
        return None
    counts = usage.billed_units or usage.tokens
    if counts is None or counts.input_tokens is None:
        return None
    read = int(counts.input_tokens)
    # Cached ones are counted with the template, which is not paid.
    cached = min(int(usage.cached_tokens or 0), read)
    return plausible(Usage(read, int(counts.output_tokens or 0), cached))


def beside(citations: Any, usage: WireUsage | None) -> dict[str, Any] | None:
    """What the reply says beyond the answer: citations, and tokens that are not paid."""
    extra: dict[str, Any] = {}
    if citations:
        extra["citations"] = citations
    if usage is not None and usage.billed_units is not None and usage.tokens is not None:
        extra["tokens"] = {
            "input_tokens": int(usage.tokens.input_tokens or 0),
            "output_tokens": int(usage.tokens.output_tokens or 0),
        }
    return extra or None


_FEATURES = ("tools", "json_schema", "vision", "reasoning")


class _Listed(msgspec.Struct):
    name: str
    endpoints: list[str] | None = None
    context_length: float | None = None
    features: list[str] | None = None

    @property
    def chats(self) -> bool:
        """Whether it answers, as far as is said."""
        return not self.endpoints or "chat" in self.endpoints


class _ModelList(msgspec.Struct):
    models: list[_Listed]
    next_page_token: str | None = None


def read_models(reply: HTTPReply, provider: Provider) -> tuple[list[Model], str | None]:
    """The models of a page that chat or embed."""
    try:
        body = msgspec.json.decode(reply.body, type=_ModelList)
    except UNREADABLE:
        target = Candidate(provider, Model(provider=provider.name, id=""))
        raise unreadable(reply, target, *REQUEST_ID) from None
    models = [
        Model(
            provider=provider.name,
            id=one.name,
            context=int(one.context_length) if one.context_length else None,
            abilities=listed.of_words(one.features, _FEATURES)
            if one.features and one.chats
            else None,
            mode="chat" if one.chats else "embedding",
            known=False,
        )
        for one in body.models
        if one.endpoints is None or {"chat", "embed"} & set(one.endpoints)
    ]
    return models, body.next_page_token or None


class _Vectors(msgspec.Struct):
    float: list[list[float]]


class _Meta(msgspec.Struct):
    billed_units: Counts | None = None


class _Embedded(msgspec.Struct):
    embeddings: _Vectors
    id: str = ""
    meta: _Meta | None = None


def decode_embeddings(reply: HTTPReply, target: Candidate) -> tuple[list[list[float]], Response]:
    """The vectors in the order of the texts."""
    try:
        body = msgspec.json.decode(reply.body, type=_Embedded)
    except UNREADABLE:
        raise unreadable(reply, target, *REQUEST_ID) from None
    usage = read_usage(WireUsage(body.meta.billed_units)) if body.meta else None
    return body.embeddings.float, Response((), "stop", usage, target.model.id, body.id)


class _Tokens(msgspec.Struct):
    tokens: list[int]


def decode_count(reply: HTTPReply, target: Candidate) -> int:
    """The number of tokens of the text."""
    try:
        return len(msgspec.json.decode(reply.body, type=_Tokens).tokens)
    except UNREADABLE:
        raise unreadable(reply, target, *REQUEST_ID) from None
