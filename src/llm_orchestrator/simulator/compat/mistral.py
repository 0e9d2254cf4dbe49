"""Mistral: `random_seed`, content as chunks, calls in one piece, its own validation errors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from llm_orchestrator.simulator.answers import Answer
from llm_orchestrator.simulator.ask import Ask
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.compat.chat import (
    Account,
    CompatChat,
    CompatEmbeddings,
    CompatWriter,
)
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.frames import Frame, SpareParts
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.openai.replies import sse
from llm_orchestrator.simulator.prices import Usage
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.wire import Reply
from llm_orchestrator.simulator.world import World

_WORDS: Final = {
    400: ("invalid_request_error", "3000"),
    401: ("authentication_error", "1800"),
    402: ("payment_required", "1900"),
    403: ("permission_denied", "1801"),
    404: ("not_found", "1700"),
    429: ("rate_limited", "1300"),
    500: ("internal_server_error", "1000"),
    502: ("internal_server_error", "1000"),
    503: ("service_unavailable", "1001"),
    504: ("timeout", "1002"),
}
_CALL: Final = re.compile(r"[A-Za-z0-9]{9}")
_CHECKED: Final = {
    "unknown_parameter": "extra_forbidden",
    "missing_required_parameter": "missing",
    "invalid_type": "type_error",
    "invalid_value": "value_error",
    "empty_array": "too_short",
    "integer_below_min_value": "greater_than_equal",
    "integer_above_max_value": "less_than_equal",
}
_MESSAGE: Final = {"role", "content", "tool_calls", "tool_call_id", "name", "prefix"}


class MistralWords(Account):
    """Keys, errors and models of Mistral."""

    provider = "mistral"
    prefix = "/mistral/v1"
    id_header = "mistral-correlation-id"

    def bad_key(self) -> Refusal:
        return Refusal(401, "Unauthorized")

    def error(self, refusal: Refusal, request_id: str) -> Any:
        """Two shapes: what the validation of the body found, and everything else."""
        del request_id
        if refusal.status == 422:
            return {"detail": (refusal.details or {}).get("detail", refusal.message)}
        kind, code = _WORDS.get(refusal.status, _WORDS[500])
        if refusal.type in {"invalid_request_message_order", "invalid_model"}:
            kind, code = refusal.type, refusal.code or code
        return {
            "object": "error",
            "message": refusal.message,
            "type": kind,
            "param": None,
            "code": code,
        }

    def headers(self, world: World, account: str, model: str) -> dict[str, str]:
        requests = world.limits.reading(account, model, "requests")
        tokens = world.limits.reading(account, model, "tokens")
        return {
            "x-ratelimit-limit": str(requests.limit),
            "x-ratelimit-remaining": str(requests.remaining),
            "x-ratelimit-limit-tokens-minute": str(tokens.limit),
            "x-ratelimit-remaining-tokens-minute": str(tokens.remaining),
        }

    def model(self, body: Mapping[str, Any], world: World) -> Model:
        try:
            return super().model(body, world)
        except Refusal as refusal:
            if refusal.status == 404:
                message = f"Invalid model: {body['model']}"
                raise Refusal(400, message, type="invalid_model", code="1500") from refusal
            raise self.checked(refusal) from refusal

    def checked(self, refusal: Refusal) -> Refusal:
        """A refused body as the validation tells it: 422 and a list of places."""
        kind = _CHECKED.get(refusal.code or "")
        if refusal.status != 400 or (kind is None and refusal.param != "model"):
            return refusal
        place = re.findall(r"[A-Za-z_]+|\d+", refusal.param or "")
        where = [int(part) if part.isdigit() else part for part in place]
        detail = {"type": kind or "missing", "loc": ["body", *where], "msg": refusal.message}
        if kind == "extra_forbidden":
            detail["msg"] = "Extra inputs are not permitted"
        elif kind in {"missing", None}:
            detail["msg"] = "Field required"
        details: dict[str, Any] = {"detail": [detail | {"input": {}}]}
        return Refusal(422, refusal.message, details=details, outcome="422 validation")

    def show(self, model: Model, world: World) -> dict[str, Any]:
        known = model.abilities is not None
        chats = model.mode == "chat"
        return super().show(model, world) | {
            "owned_by": "mistralai",
            "name": model.id,
            "description": "A model of the simulator's catalogue.",
            "capabilities": {
                "completion_chat": chats,
                "function_calling": chats and known and model.can("tools"),
                "vision": chats and known and model.can("vision"),
                "reasoning": chats and known and model.can("reasoning"),
                "completion_fim": False,
                "fine_tuning": False,
            },
            "max_context_length": model.context,
            "aliases": [],
            "deprecation": f"{model.retired[:10]}T00:00:00Z" if model.retired else None,
            "type": "base",
        }


class MistralWriter(CompatWriter):
    """Thoughts are chunks of the content; calls come whole, with the end."""

    def call_id(self, name: str) -> str:
        return name[:9]

    def usage(self, total: Usage) -> dict[str, Any]:
        usage = super().usage(total)
        del usage["completion_tokens_details"]
        return usage | {"prompt_tokens_details": {"cached_tokens": total.cache_read_tokens}}

    def message(self, answer: Answer) -> dict[str, Any]:
        message = super().message(answer)
        message.pop(self.field, None)
        if answer.thinking:
            said = [{"type": "text", "text": answer.text}] if answer.text else []
            message["content"] = [_thinking(answer.thinking), *said]
        return {"tool_calls": None} | message

    def delta(self, answer: Answer, number: int) -> dict[str, Any] | None:
        piece = answer.pieces[number]
        if piece.kind == "thinking":
            return {"content": [_thinking(piece.text)]}
        return super().delta(answer, number) if piece.kind == "text" else None

    def last(self, index: int, answer: Answer) -> dict[str, Any]:
        delta: dict[str, Any] = {"content": ""}
        if answer.calls:
            numbers = range(len(answer.calls))
            calls = [self.call(answer, n, answer.arguments(n)) | {"index": n} for n in numbers]
            delta["tool_calls"] = calls
        chunk = self.chunk(index, delta, self.finish(answer))
        usage = {} if self.ask.uncounted else {"usage": self.usage(self.reply.usage)}
        return chunk | usage

    def frames(self) -> Iterator[Frame]:
        self.ask.usage_chunk = False  # the usage is in the last chunk, asked for or not
        return super().frames()


def _thinking(text: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


class Mistral(MistralWords, CompatChat):
    """Chat completions of Mistral."""

    name = "mistral.chat"
    writer = MistralWriter
    seed = "random_seed"
    known = frozenset(
        "model messages temperature top_p max_tokens min_tokens stream stop random_seed metadata "
        "response_format tools tool_choice presence_penalty frequency_penalty repetition_penalty "
        "top_k logprobs top_logprobs prompt_logprobs n prediction parallel_tool_calls prompt_mode "
        "reasoning_effort guardrails prompt_cache_key service_tier safe_prompt".split()
    )

    def parse(self, body: dict[str, Any], headers: Mapping[str, str], world: World) -> Ask:
        try:
            return super().parse(_plain(body), headers, world)
        except Refusal as refusal:
            raise self.checked(refusal) from refusal

    def check(self, body: Mapping[str, Any], model: Model) -> None:
        super().check(body, model)
        if body.get("random_seed") is not None and not isinstance(body["random_seed"], int):
            message = "Input should be a valid integer"
            raise Refusal(400, message, param="random_seed", code="invalid_type")
        messages = body.get("messages")
        for number, message in enumerate(messages if isinstance(messages, list) else []):
            for name in message if isinstance(message, dict) else ():
                if name not in _MESSAGE or (name == "name" and message.get("role") != "tool"):
                    where = f"messages[{number}].{name}"
                    raise Refusal(400, "extra", param=where, code="unknown_parameter")
            _check_ids(message)

    def complete(self, ask: Ask, body: Mapping[str, Any]) -> None:
        super().complete(ask, body)
        if ask.last_role != "assistant":
            return
        if not body["messages"][-1].get("prefix") and not ask.model.id.startswith("fb-"):
            message = (
                "Expected last role User or Tool (or Assistant with prefix True) for serving but "
                "got assistant"
            )
            raise Refusal(400, message, type="invalid_request_message_order", code="3230")
        ask.prefill = ask.turns[-1].text

    def spare(self, reply: Reply) -> SpareParts:
        refusal = Refusal(503, "Service unavailable.")
        error = self.error(refusal, "")
        return replace(super().spare(reply), error=sse(error), error_body=encode(error))

    def fault(self, fault: Fault, ask: Ask) -> Refusal:
        if fault.name in {"rate-limit", "rate-limit-bare"}:
            return Refusal(429, "Requests rate limit exceeded")
        if fault.name == "quota":
            return Refusal(402, "You have reached your spending limit.", outcome="402 quota")
        return super().fault(fault, ask)


class MistralEmbeddings(MistralWords, CompatEmbeddings):
    """Embeddings of Mistral."""

    name = "mistral.embeddings"

    def parse(self, body: dict[str, Any], headers: Mapping[str, str], world: World) -> Ask:
        given = dict(body)
        if given.pop("output_dtype", None) not in (None, "float"):
            detail = [{"type": "enum", "loc": ["body", "output_dtype"], "msg": "only float"}]
            raise Refusal(422, "output_dtype", details={"detail": detail})
        given.pop("metadata", None)
        if "output_dimension" in given:
            given["dimensions"] = given.pop("output_dimension")
        try:
            return super().parse(given, headers, world)
        except Refusal as refusal:
            raise self.checked(refusal) from refusal

    def plain(self, reply: Reply) -> dict[str, Any]:
        body = super().plain(reply)
        body["usage"]["completion_tokens"] = 0
        return {"id": reply.world.id("", 32, reply.number)} | body


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    """The body with what OpenAI says otherwise: the choice "any", and thoughts in messages."""
    given = dict(body)
    if given.get("tool_choice") == "any":
        given["tool_choice"] = "required"
    if isinstance(given.get("messages"), list):
        given["messages"] = [_without_thoughts(message) for message in given["messages"]]
    return {name: value for name, value in given.items() if value is not None}


def _without_thoughts(message: Any) -> Any:
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list):
        return message
    kinds = ("thinking", "reference")
    kept = [p for p in content if not (isinstance(p, dict) and p.get("type") in kinds)]
    return message | {"content": kept}


def _check_ids(message: Any) -> None:
    """Ids of calls are nine letters and digits."""
    if not isinstance(message, dict):
        return
    calls = message.get("tool_calls") or []
    ids = [call.get("id") for call in calls if isinstance(call, dict)]
    ids += [message["tool_call_id"]] if "tool_call_id" in message else []
    for name in ids:
        if not isinstance(name, str) or not _CALL.fullmatch(name):
            message = f"Tool call id was {name} but must be a-z, A-Z, 0-9, with a length of 9."
            raise Refusal(400, message, type="invalid_request_error")
