"""GenerateContentResponse: whole, and as the chunks of a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from llm_orchestrator.simulator.answers import Answer, Piece
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.clock import rfc3339
from llm_orchestrator.simulator.frames import Frame
from llm_orchestrator.simulator.gemini.contents import sign
from llm_orchestrator.simulator.wire import Reply

if TYPE_CHECKING:
    from llm_orchestrator.simulator.gemini.generate import Generate

_FINISH: Final = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "unsigned": "MISSING_THOUGHT_SIGNATURE",
}
_HARM: Final = [{"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH"}]
_TRAFFIC: Final = {
    "": "ON_DEMAND",
    "batch": "ON_DEMAND",
    "flex": "ON_DEMAND_FLEX",
    "priority": "ON_DEMAND_PRIORITY",
}


@dataclass(slots=True)
class _Spent:
    """Output tokens so far."""

    thoughts: int = 0
    visible: int = 0


def usage(wire: Generate, reply: Reply, thoughts: int, visible: int) -> dict[str, Any]:
    """Usage metadata: cached tokens inside the prompt, thoughts outside of the candidates.

    A model whose name ends in "-thoughts-inside" counts thoughts among its candidates too, as
    some models of Vertex AI do.
    """
    ask, total = reply.ask, reply.usage
    pictures = min(int(ask.options.get("pictures", 0)), total.input_tokens)
    details = [{"modality": "TEXT", "tokenCount": total.input_tokens - pictures}]
    if pictures:
        details.append({"modality": "IMAGE", "tokenCount": pictures})
    counts: dict[str, Any] = {"promptTokenCount": total.input_tokens}
    inside = ask.model.id.endswith("-thoughts-inside")
    shown = visible + (thoughts if inside else 0)
    if shown:
        counts["candidatesTokenCount"] = shown
    counts["totalTokenCount"] = total.input_tokens + thoughts + visible
    if total.cache_read_tokens:
        counts["cachedContentTokenCount"] = total.cache_read_tokens
        cached = {"modality": "TEXT", "tokenCount": total.cache_read_tokens}
        counts["cacheTokensDetails"] = [cached]
    counts["promptTokensDetails"] = details
    if thoughts:
        counts["thoughtsTokenCount"] = thoughts
    if wire.provider == "vertex":
        counts["trafficType"] = _TRAFFIC[ask.tier]
        if visible:
            counts["candidatesTokensDetails"] = [{"modality": "TEXT", "tokenCount": visible}]
    return counts


def _body(
    wire: Generate, reply: Reply, candidates: list[dict[str, Any]], spent: _Spent
) -> dict[str, Any]:
    body: dict[str, Any] = {"candidates": candidates} if candidates else {}
    if not (reply.ask.stream and reply.ask.uncounted):
        body["usageMetadata"] = usage(wire, reply, spent.thoughts, spent.visible)
    body["modelVersion"] = reply.ask.model.snapshot
    if wire.provider == "vertex":
        body["createTime"] = rfc3339(reply.world.clock.now())
    return body | {"responseId": wire.request_id(reply.world, reply.number)}


def _blocked(wire: Generate, reply: Reply) -> dict[str, Any]:
    """A prompt that was blocked: no candidates, only why."""
    feedback = {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": _HARM}
    return {"promptFeedback": feedback} | _body(wire, reply, [], _Spent())


def _signature(answer: Answer, number: int) -> dict[str, str]:
    """The first call after thinking is signed."""
    if number or not answer.thinking_tokens:
        return {}
    call = answer.calls[number]
    return {"thoughtSignature": sign(call.name, json.loads(answer.arguments(number)))}


def _call(wire: Generate, answer: Answer, number: int) -> dict[str, Any] | None:
    """The part of a call, unless the token limit cut its arguments."""
    call, arguments = answer.calls[number], answer.arguments(number)
    if arguments != call.arguments:
        return None
    body = {"name": call.name, "args": json.loads(arguments)}
    if wire.provider == "gemini":
        body = {"id": f"call_{call.id[:12]}"} | body
    return {"functionCall": body} | _signature(answer, number)


def _candidate(index: int, parts: list[dict[str, Any]], finish: str = "") -> dict[str, Any]:
    content: dict[str, Any] = {"role": "model"}
    if parts:
        content = {"parts": parts} | content
    candidate: dict[str, Any] = {"content": content}
    if finish:
        candidate["finishReason"] = finish
        if finish == "SAFETY":
            candidate["safetyRatings"] = [rating | {"blocked": True} for rating in _HARM]
    return candidate | {"index": index}


def plain(wire: Generate, reply: Reply) -> dict[str, Any]:
    """The body of a reply in one piece."""
    if reply.answers[0].finish == "blocked":
        return _blocked(wire, reply)
    candidates = []
    for index, answer in enumerate(reply.answers):
        parts: list[dict[str, Any]] = []
        if answer.thinking and reply.ask.show_thinking:
            parts.append({"text": answer.thinking, "thought": True})
        if answer.text:
            seal = {"thoughtSignature": sign("", "")} if answer.thinking else {}
            parts.append({"text": answer.text} | seal)
        calls = (_call(wire, answer, number) for number in range(len(answer.calls)))
        parts += [part for part in calls if part]
        candidates.append(_candidate(index, parts, _FINISH[answer.finish]))
    thoughts = reply.usage.reasoning_tokens
    spent = _Spent(thoughts, reply.usage.output_tokens - thoughts)
    return _body(wire, reply, candidates, spent)


def frames(wire: Generate, reply: Reply) -> Iterator[Frame]:
    """The JSON objects of a streamed reply; each carries the usage so far."""
    if reply.answers[0].finish == "blocked":
        yield Frame("finish", encode(_blocked(wire, reply)))
        return
    spent = _Spent()
    for index, answer in enumerate(reply.answers):
        for piece, last in _pieces(answer):
            thought = piece.kind == "thinking"
            spent.thoughts += piece.tokens if thought else 0
            spent.visible += 0 if thought else piece.tokens
            part = _part(wire, reply, answer, piece) if last else None
            chunk = [] if part is None else [_candidate(index, [part])]
            data = encode(_body(wire, reply, chunk, spent)) if chunk else b""
            yield Frame("token", data, piece.tokens, thought=thought)
        parts = [{"text": ""}] if answer.text else []
        if parts and answer.thinking:
            parts[0]["thoughtSignature"] = sign("", "")
        ending = _candidate(index, parts, _FINISH[answer.finish])
        yield Frame("finish", encode(_body(wire, reply, [ending], spent)))


def _pieces(answer: Answer) -> Iterator[tuple[Piece, bool]]:
    """Each piece, and whether something can be shown after it: a call comes whole."""
    following = [*answer.pieces, None][1:]
    for piece, after in zip(answer.pieces, following, strict=True):
        same_call = after is not None and after.kind == "arguments" and after.index == piece.index
        yield piece, piece.kind in {"text", "thinking"} or not same_call


def _part(wire: Generate, reply: Reply, answer: Answer, piece: Piece) -> dict[str, Any] | None:
    if piece.kind == "text":
        return {"text": piece.text}
    if piece.kind == "thinking":
        return {"text": piece.text, "thought": True} if reply.ask.show_thinking else None
    return _call(wire, answer, piece.index)
