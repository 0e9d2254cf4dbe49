"""From the body of a 200 to a `Response`."""

from typing import Any

import msgspec

from llm_orchestrator.dialects import reported
from llm_orchestrator.dialects.base import UNREADABLE, plausible, unreadable
from llm_orchestrator.dialects.openai.details import signature
from llm_orchestrator.dialects.openai.thoughts import ThinkTags, in_chunks
from llm_orchestrator.dialects.openai_faults import REQUEST_ID, from_body
from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.provider import Candidate, Quirks
from llm_orchestrator.types.reply import FinishReason, Response
from llm_orchestrator.types.request import Part, Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import Usage


class Function(msgspec.Struct, gc=False):
    """Name and arguments; pieces of them in a stream."""

    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct, gc=False):
    """A tool call, or a piece of one."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class InputDetails(msgspec.Struct, gc=False):
    """What the input consisted of."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputDetails(msgspec.Struct, gc=False):
    """What the output consisted of."""

    reasoning_tokens: int | None = None


class WireUsage(msgspec.Struct, gc=False):
    """Usage on this wire: input includes cache, output includes reasoning, as ours."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    reasoning_tokens: int | None = None


class Turn(msgspec.Struct, gc=False):
    """The assistant's message, or its delta."""

    content: str | list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[Call] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: Any = None


class Choice(msgspec.Struct, gc=False):
    """One answer."""

    index: Any = None
    message: Turn | None = None
    delta: Turn | None = None
    finish_reason: str | None = None
    logprobs: Any = None
    """Of the tokens, where they were asked for."""


class Groq(msgspec.Struct, gc=False):
    """What one server says in a place of its own."""

    usage: WireUsage | None = None
    error: Any = None


class Completion(msgspec.Struct, gc=False):
    """A whole reply, or one chunk of a stream."""

    id: str | None = None
    model: str | None = None
    choices: list[Choice] | None = None
    usage: WireUsage | None = None
    service_tier: str | None = None
    error: Any = None
    x_groq: Groq | None = None
    object: str | None = None
    message: Any = None
    type: Any = None
    code: Any = None

    def fault(self) -> dict[str, Any] | None:
        """The error that stands in the place of an answer, as the body of one."""
        if self.error:
            return {"error": self.error}
        if self.object == "error":  # some servers put it at the top
            return {"message": self.message, "type": self.type, "code": self.code}
        if self.x_groq is not None and self.x_groq.error:
            return {"error": self.x_groq.error}
        return None


BROKEN = {"error": {"message": "the provider broke its answer off with an error", "code": "error"}}
"""What the finish reason ``error`` means where no error stands beside it."""

FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}

_read = msgspec.json.Decoder(Completion).decode


def decode(reply: HTTPReply, target: Candidate) -> Response:
    """The answer in a 200; an ``error`` object in it is raised as what it says."""
    try:
        body = _read(reply.body)
    except UNREADABLE:
        raise unreadable(reply, target, REQUEST_ID) from None
    if fault := body.fault():
        raise from_body(fault, target, reply)
    if not body.choices or (turn := body.choices[0].message) is None:
        raise unreadable(reply, target, REQUEST_ID)
    reason = body.choices[0].finish_reason
    if reason == "error":
        raise from_body(BROKEN, target, reply)
    finish = FINISH.get(reason or "stop", "other")
    quirks = target.provider.quirks
    parts = _parts(turn, quirks)
    if finish == "stop" and turn.tool_calls:
        finish = "tool_calls"
    if turn.refusal and not turn.content:
        finish = "content_filter"
    extra, cost = reported.beside(reply.body, quirks)
    if logprobs := body.choices[0].logprobs:
        extra["logprobs"] = logprobs
    return Response(
        parts,
        finish,
        read_usage(body.usage, apart=quirks.apart),
        body.model or target.model.id,
        body.id or "",
        reply.header(REQUEST_ID),
        cost,
        body.service_tier,
        extra or None,
    )


def _parts(turn: Turn, quirks: Quirks) -> tuple[Part, ...]:
    thought = turn.reasoning_content or turn.reasoning
    sealed = signature(turn.reasoning_details) if quirks.reasoning_details else None
    text: str | None
    if isinstance(turn.content, str):
        text = turn.content
        if quirks.think_tags and not thought:
            tags = ThinkTags()
            (thought, text), (late_thought, late_text) = tags.feed(text), tags.close()
            thought, text = thought + late_thought, text + late_text
        if text and not (turn.tool_calls or thought or sealed):
            return (Text(text=text),)
    else:
        text = flat(turn.content)
        thought = thought or in_chunks(turn.content or [])
    parts: list[Part] = []
    if thought or sealed:
        parts.append(Reasoning(text=thought or "", signature=sealed))
    if text or turn.refusal:
        parts.append(Text(text=text or turn.refusal or ""))
    for number, call in enumerate(turn.tool_calls or ()):
        function = call.function or Function()
        parts.append(
            ToolCall(
                id=call.id or f"call_{number}",
                name=function.name or "",
                arguments=function.arguments or "{}",
            )
        )
    return tuple(parts)


def flat(content: str | list[Any] | None) -> str:
    """The text of a content that may come as a list of chunks."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(
        chunk["text"]
        for chunk in content
        if isinstance(chunk, dict)
        and chunk.get("type", "text") == "text"
        and isinstance(chunk.get("text"), str)
    )


def read_usage(usage: WireUsage | None, *, apart: bool = False) -> Usage | None:
    """Our usage; ``None`` when the wire has none. ``apart``: reasoning is not in the output."""
    if usage is None or usage.prompt_tokens is None:
        return None
    cached = written = reasoning = 0
    output = usage.completion_tokens or 0
    if (details := usage.prompt_tokens_details) is not None:
        cached, written = details.cached_tokens or 0, details.cache_write_tokens or 0
    if usage.completion_tokens_details is not None:
        reasoning = usage.completion_tokens_details.reasoning_tokens or 0
    if apart:
        reasoning = reasoning or usage.reasoning_tokens or 0
        output += reasoning
    return plausible(Usage(usage.prompt_tokens, output, cached, written, 0, reasoning))
