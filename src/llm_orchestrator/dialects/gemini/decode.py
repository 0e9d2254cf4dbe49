"""From the body of a 200 to a `Response`."""

from typing import Any

import msgspec

from llm_orchestrator import errors
from llm_orchestrator.dialects.base import UNREADABLE, plausible, sealed, unreadable, where
from llm_orchestrator.dialects.gemini.contents import WIRE
from llm_orchestrator.dialects.gemini.errors import from_body
from llm_orchestrator.dialects.gemini.thinking import generation
from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import FinishReason, Response
from llm_orchestrator.types.request import Part, Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import Usage

FINISH: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",  # past what one request may generate
}
_FILTERED = frozenset(
    (
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "NO_IMAGE",
        "MODEL_ARMOR",
        "ESCALATION",
        "PUP_LIMITED_DISABLED",
        "OTHER",
    )
)
_FAILED = {
    "MALFORMED_FUNCTION_CALL": True,
    "MALFORMED_RESPONSE": True,
    "UNEXPECTED_TOOL_CALL": True,
    "TOO_MANY_TOOL_CALLS": True,
    "MISSING_THOUGHT_SIGNATURE": False,
}
"""Reasons to finish that are errors, and whether asking again may help."""
_BY_QUERY = 3
_TIER_HEADER = "x-gemini-service-tier"
_TIERS = {
    "flex": "flex",
    "priority": "priority",
    "standard": "standard",
    "on_demand": "standard",
    "on_demand_flex": "flex",
    "on_demand_priority": "priority",
}


class _Wire(msgspec.Struct, gc=False, rename="camel"):
    pass


class FunctionCall(_Wire, gc=False):
    """A call of a tool; the id may be missing."""

    id: str | None = None
    name: str | None = None
    args: msgspec.Raw = msgspec.Raw()


class WirePart(_Wire, gc=False):
    """One part of any kind."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None


class Content(_Wire, gc=False):
    """The model's turn; without parts when all tokens went into thoughts."""

    parts: list[WirePart] | None = None


class Answer(_Wire, gc=False):
    """One candidate, as the wire calls it."""

    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    citation_metadata: Any = None
    grounding_metadata: Any = None


class Feedback(_Wire, gc=False):
    """Why a prompt was blocked."""

    block_reason: str | None = None
    block_reason_message: str | None = None


class WireUsage(_Wire, gc=False):
    """Usage on this wire: the input includes what was cached, the candidates no thoughts."""

    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    total_token_count: int | None = None
    service_tier: str | None = None
    traffic_type: str | None = None


class Generated(_Wire, gc=False):
    """A whole reply, or one chunk of a stream: they are of one shape."""

    candidates: list[Answer] | None = None
    prompt_feedback: Feedback | None = None
    usage_metadata: WireUsage | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None


_read = msgspec.json.Decoder(Generated).decode
_read_all = msgspec.json.Decoder(list[Generated]).decode


def decode(reply: HTTPReply, target: Candidate) -> Response:
    """The answer in a 200; an array of chunks, as streams without ``alt=sse`` are, is joined."""
    try:
        chunks = _read_all(reply.body) if reply.body[:1] == b"[" else [_read(reply.body)]
    except UNREADABLE:
        raise unreadable(reply, target) from None
    parts: list[Part] = []
    calls = 0
    last = Generated()
    finish: FinishReason | None = None
    extra: dict[str, Any] = {}
    searches = 0
    for chunk in chunks:
        if chunk.error:
            raise from_body({"error": chunk.error}, target, reply)
        last = joined(last, chunk)
        for part in wire_parts(chunk):
            calls += add(part, parts, calls, chunk.response_id)
        finish = finish_of(chunk) or finish
        extra |= told(chunk)
        searches += searches_of(chunk, target)
    if finish is None:
        if not (last.candidates or last.usage_metadata):
            raise unreadable(reply, target)
        raise errors.BadReplyError(
            "the answer has no finish reason: it is not whole",
            code="no_finish_reason",
            usage=read_usage(last.usage_metadata),
            **where(target, reply),
        )
    if failure := failure_of(last, target):
        raise failure
    return Response(
        tuple(parts),
        "tool_calls" if calls and finish == "stop" else finish,
        read_usage(last.usage_metadata, searches),
        last.model_version or target.model.id,
        last.response_id or "",
        last.response_id,
        service_tier=tier(last.usage_metadata, reply.header(_TIER_HEADER)),
        extra=extra or None,
    )


def joined(before: Generated, chunk: Generated) -> Generated:
    """The chunk with what it leaves out and an earlier one has said."""
    chunk.usage_metadata = chunk.usage_metadata or before.usage_metadata
    chunk.model_version = chunk.model_version or before.model_version
    chunk.response_id = chunk.response_id or before.response_id
    return chunk


def wire_parts(chunk: Generated) -> list[WirePart]:
    """The parts of the first candidate: no more than one is asked for."""
    if not chunk.candidates or (content := chunk.candidates[0].content) is None:
        return []
    return content.parts or []


def add(part: WirePart, parts: list[Part], calls: int, response_id: str | None) -> int:
    """Add what the part holds; how many tool calls that were."""
    signature = sealed(part.thought_signature, WIRE)
    if part.function_call is not None:
        parts.append(call_of(part.function_call, calls, response_id, signature))
        return 1
    if part.thought:
        parts.append(Reasoning(text=part.text or "", signature=signature))
    elif part.text is not None:
        if signature:
            parts.append(Reasoning(signature=signature))
        if part.text:
            parts.append(Text(text=part.text))
    return 0


def call_of(
    call: FunctionCall, number: int, response_id: str | None, signature: str | None
) -> ToolCall:
    """The tool call; where the wire gives it no id, one that no other answer has."""
    arguments = bytes(call.args).decode("utf-8", "replace")
    return ToolCall(
        id=call.id or f"{response_id or 'call'}-{number}",
        name=call.name or "",
        arguments=arguments if arguments.startswith("{") else "{}",
        signature=signature,
    )


def finish_of(chunk: Generated) -> FinishReason | None:
    """Why the answer ended; ``None`` while it goes on. A blocked prompt ends it, too."""
    answer = chunk.candidates[0] if chunk.candidates else None
    if answer is not None and (reason := answer.finish_reason):
        if reason in _FILTERED or reason.startswith("IMAGE_"):
            return "content_filter"
        return FINISH.get(reason, "other")
    if answer is None and chunk.prompt_feedback and chunk.prompt_feedback.block_reason:
        return "content_filter"
    return None


def failure_of(chunk: Generated, target: Candidate) -> errors.BadReplyError | None:
    """The error that a reason to finish means; what it has used is paid for."""
    answer = chunk.candidates[0] if chunk.candidates else Answer()
    reason = answer.finish_reason
    if reason not in _FAILED:
        return None
    return errors.BadReplyError(
        f"the answer failed: {_why(reason, answer.finish_message)}",
        code=reason.lower(),
        retryable=_FAILED[reason],
        usage=read_usage(chunk.usage_metadata),
        **where(target, None),
    )


def told(chunk: Generated) -> dict[str, Any]:
    """What else the chunk says: why it ended, citations and what was searched for."""
    out: dict[str, Any] = {}
    if chunk.candidates:
        answer = chunk.candidates[0]
        if answer.finish_reason and answer.finish_reason not in {"STOP", "MAX_TOKENS"}:
            out["reason"] = _why(answer.finish_reason, answer.finish_message)
        if answer.citation_metadata:
            out["citations"] = answer.citation_metadata
        if answer.grounding_metadata:
            out["grounding"] = answer.grounding_metadata
    elif (feedback := chunk.prompt_feedback) and feedback.block_reason:
        out["reason"] = "prompt: " + _why(feedback.block_reason, feedback.block_reason_message)
    return out


def _why(reason: str, message: str | None) -> str:
    return f"{reason}: {message}" if message else reason


def searches_of(chunk: Generated, target: Candidate) -> int:
    """Web searches that are charged: each one, and per answer up to Gemini 2.5."""
    if not chunk.candidates or not isinstance(chunk.candidates[0].grounding_metadata, dict):
        return 0
    queries = chunk.candidates[0].grounding_metadata.get("webSearchQueries")
    if not isinstance(queries, list):
        return 0
    return len(queries) if generation(target.model.id) >= _BY_QUERY else min(1, len(queries))


def read_usage(usage: WireUsage | None, searches: int = 0) -> Usage | None:
    """Our usage: thoughts are added to the output, unless the sum shows that they are in it."""
    if usage is None or usage.prompt_token_count is None:
        return None
    given = usage.prompt_token_count + (usage.tool_use_prompt_token_count or 0)
    made, thoughts = usage.candidates_token_count or 0, usage.thoughts_token_count or 0
    if thoughts > made or usage.total_token_count != given + made:
        made += thoughts
    cached = usage.cached_content_token_count or 0
    return plausible(Usage(given, made, cached, 0, 0, thoughts, searches=searches))


def tier(usage: WireUsage | None, header: str | None = None) -> str | None:
    """The service tier that was used, in our words."""
    word = header or (usage and (usage.service_tier or usage.traffic_type))
    return _TIERS.get(word.lower()) if word else None
