"""OpenRouter: comments in streams, errors after a good start, and usage that names its cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import chain
from typing import Any, Final

from aiohttp import web

from llm_orchestrator.simulator.answers import Answer
from llm_orchestrator.simulator.ask import Ask
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.caches import CacheUse
from llm_orchestrator.simulator.compat.chat import (
    Account,
    CompatChat,
    CompatEmbeddings,
    CompatWriter,
    born,
)
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.frames import Frame, SpareParts
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.openai.errors import invalid
from llm_orchestrator.simulator.openai.replies import sse
from llm_orchestrator.simulator.prices import Usage, dollars
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.wire import Reply
from llm_orchestrator.simulator.world import World

TYPES: Final = {
    400: "invalid_request",
    401: "authentication",
    402: "payment_required",
    403: "permission_denied",
    404: "not_found",
    408: "timeout",
    413: "payload_too_large",
    422: "unprocessable",
    429: "rate_limit_exceeded",
    500: "server",
    502: "provider_unavailable",
    503: "provider_unavailable",
    504: "timeout",
    529: "provider_overloaded",
}
"""What kind of error a status stands for."""
_PRICES: Final = {
    "input": "prompt",
    "output": "completion",
    "cache_read": "input_cache_read",
    "cache_write": "input_cache_write",
    "cache_write_1h": "input_cache_write_1h",
    "per_request": "request",
    "search": "web_search",
}
_PARAMETERS: Final = {
    "tools": ["tools", "tool_choice"],
    "schema": ["response_format", "structured_outputs"],
    "reasoning": ["reasoning", "include_reasoning"],
    "sampling": ["temperature", "top_p"],
}
_LONGEST: Final = 1000


class OpenRouterWords(Account):
    """Errors and models of OpenRouter."""

    provider = "openrouter"
    prefix = "/openrouter/api/v1"
    id_header = "X-Generation-Id"

    def request_id(self, world: World, number: int) -> str:
        """Also the `id` in the body."""
        return world.id("gen-", 30, number)

    def bad_key(self) -> Refusal:
        return Refusal(401, "No auth credentials found")

    def error(self, refusal: Refusal, request_id: str) -> Any:
        del request_id
        kind = TYPES.get(refusal.status, "unmapped")
        if refusal.code == "context_length_exceeded":
            kind = refusal.code
        metadata = {"error_type": kind} | (refusal.details or {})
        error = {"code": refusal.status, "message": refusal.message, "metadata": metadata}
        return {"error": error, "user_id": "user_sim"}

    def fault(self, fault: Fault, ask: Ask) -> Refusal:
        if fault.name == "quota":
            message = "Insufficient credits. Add more using https://openrouter.ai/settings/credits"
            return Refusal(402, message, outcome="402 quota")
        if fault.name == "content-filter":
            details = {
                "error_type": "content_policy_violation",
                "reasons": ["violence"],
                "flagged_input": "...",
                "provider_name": "Simulator",
                "model_slug": ask.model.id,
            }
            message = f"{ask.model.id} requires moderation. Your input was flagged."
            outcome = "403 content_policy_violation"
            return Refusal(403, message, details=details, outcome=outcome)
        if fault.name == "overloaded":
            return Refusal(529, "Provider returned error", details={"provider_name": "Simulator"})
        return super().fault(fault, ask)

    def model(self, body: Mapping[str, Any], world: World) -> Model:
        """The first of `model` and `models` that there is."""
        names = [body.get("model"), *_list(body.get("models"))]
        known = (world.models.find(self.provider, n) for n in names if isinstance(n, str))
        found = next((model for model in known if model), None)
        if found is None and isinstance(names[0], str):
            message = f"No endpoints found for {names[0]}."
            raise Refusal(404, message, outcome="404 no model")
        return found or super().model(body, world)

    def show(self, model: Model, world: World) -> dict[str, Any]:
        rates = world.bill.rates(model)
        pricing = {_PRICES[n]: dollars(rate) for n, rate in rates.items() if n in _PRICES}
        known = model.abilities is not None
        inputs = ["text", "image"] if known and model.can("vision") else ["text"]
        able = [names for ability, names in _PARAMETERS.items() if known and model.can(ability)]
        return {
            "id": model.id,
            "canonical_slug": model.id,
            "hugging_face_id": None,
            "name": model.id,
            "created": born(model),
            "description": "A model of the simulator's catalogue.",
            "context_length": model.context,
            "architecture": {
                "modality": f"{'+'.join(inputs)}->text",
                "input_modalities": inputs,
                "output_modalities": ["text"],
                "tokenizer": "Other",
                "instruct_type": None,
            },
            "pricing": {"prompt": "0", "completion": "0"} | pricing,
            "top_provider": {
                "context_length": model.context,
                "max_completion_tokens": model.max_output,
                "is_moderated": False,
            },
            "per_request_limits": None,
            "supported_parameters": ["max_tokens", "seed", "stop", *chain.from_iterable(able)],
            "default_parameters": None,
            "supported_voices": None,
            "links": {"details": f"/api/v1/models/{model.id}/endpoints"},
            "expiration_date": model.retired[:10] or None,
        }

    def listing(self, world: World, request: web.Request) -> Any:
        """All models, or a page of them when `offset` or `limit` is given."""
        every = self.every(world)
        offset, limit = request.query.get("offset", "0"), request.query.get("limit", "500")
        if not offset.isdigit() or not limit.isdigit() or not 1 <= int(limit) <= _LONGEST:
            raise invalid("offset and limit must be numbers; limit is at most 1000")
        start, end = int(offset), int(offset) + int(limit)
        if not {"offset", "limit"} & set(request.query):
            start, end = 0, len(every)
        more = f"{self.prefix}/models?offset={end}&limit={limit}" if end < len(every) else None
        data = [self.show(model, world) for model in every[start:end]]
        return {"data": data, "links": {"next": more}, "total_count": len(every)}


class OpenRouterWriter(CompatWriter):
    """Usage is always there and always whole; comments keep a stream alive."""

    def head(self) -> dict[str, Any]:
        world, number = self.reply.world, self.reply.number
        head = super().head() | {"id": world.id("gen-", 30, number), "provider": "Simulator"}
        return head | {"system_fingerprint": world.id("fp_", 10, self.ask.model.id)}

    def usage(self, total: Usage) -> dict[str, Any]:
        parts, none = self.reply.parts(total), Decimal(0)
        said = sum((parts.get(name, none) for name in ("output", "reasoning")), none)
        cost = self.reply.cost(total)
        details = {
            "upstream_inference_cost": None,
            "upstream_inference_prompt_cost": float(cost - said),
            "upstream_inference_completions_cost": float(said),
        }
        return super().usage(total) | {
            "cost": float(cost),
            "is_byok": False,
            "cost_details": details,
        }

    def message(self, answer: Answer) -> dict[str, Any]:
        message = {"refusal": None} | super().message(answer)
        if self.field in message:
            message["reasoning_details"] = [_detail(answer.thinking)]
        return message

    def choice(self, index: int, answer: Answer) -> dict[str, Any]:
        word = self.finish(answer)
        return super().choice(index, answer) | {"native_finish_reason": word}

    def delta(self, answer: Answer, number: int) -> dict[str, Any] | None:
        delta = super().delta(answer, number)
        if delta and self.field in delta:
            delta["reasoning_details"] = [_detail(delta[self.field])]
        return delta

    def chunk(self, index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        chunk = super().chunk(index, {"role": "assistant"} | delta, finish)
        chunk["choices"][0]["native_finish_reason"] = finish
        chunk.pop("usage", None)
        return chunk

    def frames(self) -> Iterator[Frame]:
        yield Frame("head", b": OPENROUTER PROCESSING\n\n")
        yield Frame("head", b": OPENROUTER PROCESSING\n\n")
        self.ask.usage_chunk = True  # usage comes, asked for or not
        yield from super().frames()


def _detail(text: str) -> dict[str, Any]:
    return {"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}


class OpenRouter(OpenRouterWords, CompatChat):
    """Chat completions of OpenRouter. Parameters that it does not know are ignored."""

    name = "openrouter.chat"
    writer = OpenRouterWriter

    def complete(self, ask: Ask, body: Mapping[str, Any]) -> None:
        given = body.get("reasoning")
        given = given if isinstance(given, dict) else {}
        effort = given.get("effort") or body.get("reasoning_effort")
        if given.get("enabled") or given.get("max_tokens"):
            effort = effort or "medium"
        ask.thinking = self.thinking(ask.model, {"reasoning_effort": effort}, ask)
        most = given.get("max_tokens")
        if isinstance(most, int):
            ask.thinking = min(ask.thinking, most)
        hidden = given.get("exclude") or body.get("include_reasoning") is False
        ask.options["style"] = "hidden" if hidden else "reasoning"
        _mark(ask, body)

    def cached(self, world: World, account: str, ask: Ask) -> CacheUse:
        """Marks of the request, where there are some, as on the models behind it."""
        if any(segment.mark for segment in ask.segments):
            return world.cache.marked(f"openrouter/{account}/{ask.model.id}", ask.segments)
        return super().cached(world, account, ask)

    def spare(self, reply: Reply) -> SpareParts:
        chunk = OpenRouterWriter(reply).chunk(0, {"content": ""}, "error")
        metadata = {"error_type": "provider_unavailable"}
        error = {"code": 502, "message": "Provider disconnected", "metadata": metadata}
        body = {"error": error, "user_id": "user_sim"}
        return replace(
            super().spare(reply), error=sse(chunk | {"error": error}), error_body=encode(body)
        )


def _mark(ask: Ask, body: Mapping[str, Any]) -> None:
    """Take over the cache marks of content parts: each stands for the end of its message."""
    first = len(ask.segments) - 1 - len(body["messages"])
    for number, message in enumerate(body["messages"]):
        for part in _list(message.get("content")):
            control = part.get("cache_control") if isinstance(part, dict) else None
            if isinstance(control, dict):
                at = first + number
                lifetime = "1h" if control.get("ttl") == "1h" else "5m"
                ask.segments[at] = replace(ask.segments[at], mark=lifetime)


def _list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else []


class OpenRouterEmbeddings(OpenRouterWords, CompatEmbeddings):
    """Embeddings of OpenRouter."""

    name = "openrouter.embeddings"

    def plain(self, reply: Reply) -> dict[str, Any]:
        body = super().plain(reply)
        body["usage"]["cost"] = float(reply.cost())
        return body
