"""Groq: usage in `x_groq`, times in usage, limits a day, and much that is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from llm_orchestrator.simulator.answers import Answer
from llm_orchestrator.simulator.ask import Ask
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.compat.chat import CompatChat, CompatWriter
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.frames import SpareParts
from llm_orchestrator.simulator.limits import go_duration
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.openai import parameters
from llm_orchestrator.simulator.openai.errors import invalid
from llm_orchestrator.simulator.openai.replies import sse
from llm_orchestrator.simulator.prices import Usage
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.wire import Reply
from llm_orchestrator.simulator.world import World

_MINUTES: Final = 24 * 60
_EFFORTS: Final = (None, "none", "default", "low", "medium", "high")
_FORMATS: Final = (None, "hidden", "raw", "parsed")
_TIERS: Final = (None, "auto", "on_demand", "flex", "performance")
_STYLES: Final = {"hidden": "hidden", "raw": "tags", "parsed": "reasoning"}


class GroqWriter(CompatWriter):
    """Usage with times; in streams it comes in `x_groq` of the finishing chunk."""

    def head(self) -> dict[str, Any]:
        fingerprint = self.reply.world.id("fp_", 10, self.ask.model.id)
        return super().head() | {"system_fingerprint": fingerprint}

    def _mark(self) -> str:
        return self.reply.world.id("req_", 26, self.reply.number)

    def usage(self, total: Usage) -> dict[str, Any]:
        usage = super().usage(total)
        details = {"cached_tokens": total.cache_read_tokens}
        thought = {"reasoning_tokens": total.reasoning_tokens}
        prompt, completion = total.input_tokens / 10_000, total.output_tokens / 500
        return {
            "queue_time": 0.01,
            "prompt_tokens": usage["prompt_tokens"],
            "prompt_time": prompt,
            "completion_tokens": usage["completion_tokens"],
            "completion_time": completion,
            "total_tokens": usage["total_tokens"],
            "total_time": prompt + completion,
            "prompt_tokens_details": details,
            "completion_tokens_details": thought,
        }

    def plain(self) -> dict[str, Any]:
        more = {"service_tier": "on_demand", "x_groq": {"id": self._mark()}}
        return super().plain() | more

    def chunk(self, index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        chunk = super().chunk(index, delta, finish)
        if "role" in delta:
            chunk["x_groq"] = {"id": self._mark()}
        return chunk

    def last(self, index: int, answer: Answer) -> dict[str, Any]:
        chunk = super().last(index, answer)
        usage = {} if self.ask.uncounted else {"usage": self.usage(self.reply.usage)}
        return chunk | {"x_groq": {"id": self._mark()} | usage}


class Groq(CompatChat):
    """Chat completions of Groq."""

    provider = "groq"
    name = "groq.chat"
    prefix = "/groq/openai/v1"
    writer = GroqWriter
    known = parameters.KNOWN - {"verbosity", "web_search_options", "audio", "modalities"} | {
        "reasoning_format",
        "include_reasoning",
        "documents",
        "search_settings",
        "citation_options",
        "disable_tool_validation",
    }
    unsupported = frozenset(
        "logprobs top_logprobs logit_bias presence_penalty frequency_penalty metadata store".split()
    )

    def check(self, body: Mapping[str, Any], model: Model) -> None:
        if body.get("n") not in (None, 1):
            raise invalid("'n' : number must be at most 1", "n", "invalid_value")
        super().check(body, model)
        for name, allowed in (
            ("reasoning_effort", _EFFORTS),
            ("reasoning_format", _FORMATS),
            ("service_tier", _TIERS),
        ):
            if body.get(name) not in allowed:
                words = ", ".join(f"`{word}`" for word in allowed if word)
                raise invalid(f"`{name}` must be one of {words}", name, "invalid_value")
        if body.get("reasoning_format") is not None and body.get("include_reasoning") is not None:
            message = "cannot specify both `include_reasoning` and `reasoning_format`"
            raise invalid(message, "reasoning_format")
        tools = body.get("tools")
        if isinstance(tools, list) and len(tools) > 128:
            raise invalid("'tools' : maximum number of items is 128", "tools", "invalid_value")
        wanted = body.get("response_format")
        kind = wanted.get("type") if isinstance(wanted, dict) else None
        if kind == "json_schema" and (body.get("stream") or tools):
            message = "response format `json_schema` does not support streaming or tool use"
            raise invalid(message, "response_format")

    def complete(self, ask: Ask, body: Mapping[str, Any]) -> None:
        super().complete(ask, body)
        style = _STYLES.get(str(body.get("reasoning_format")), "reasoning")
        ask.options["style"] = "hidden" if body.get("include_reasoning") is False else style
        ask.tier = ""

    def headers(self, world: World, account: str, model: str) -> dict[str, str]:
        """Requests are counted by the day, tokens by the minute."""
        requests = world.limits.reading(account, model, "requests")
        used = requests.limit - requests.remaining
        day = requests.limit * _MINUTES
        tokens = world.limits.reading(account, model, "tokens")
        return {
            "x-ratelimit-limit-requests": str(day),
            "x-ratelimit-remaining-requests": str(day - used),
            "x-ratelimit-reset-requests": go_duration(used * 86_400 / day),
            "x-ratelimit-limit-tokens": str(tokens.limit),
            "x-ratelimit-remaining-tokens": str(tokens.remaining),
            "x-ratelimit-reset-tokens": go_duration(tokens.reset),
            "x-groq-region": "sim",
        }

    def fault(self, fault: Fault, ask: Ask) -> Refusal:
        if fault.name == "quota":
            message = (
                f"Rate limit reached for model `{ask.model.id}` in organization `org_sim` on "
                "requests per day (RPD): Limit 1000, Used 1000, Requested 1. Please try again in "
                "7h12m0s."
            )
            kind = "requests"
            return Refusal(429, message, type=kind, code="rate_limit_exceeded", outcome="429 quota")
        if fault.status == 498:
            message = "Flex tier capacity exceeded. Please try again later."
            return Refusal(498, message, type="internal_server_error", code="capacity_exceeded")
        return super().fault(fault, ask)

    def show(self, model: Model, world: World) -> dict[str, Any]:
        return super().show(model, world) | {
            "active": not model.retired,
            "context_window": model.context,
            "public_apps": None,
            "max_completion_tokens": model.max_output,
        }

    def spare(self, reply: Reply) -> SpareParts:
        parts = super().spare(reply)
        stopped = {"choices": [], "x_groq": {"id": "req_sim", "error": "over_capacity"}}
        head = GroqWriter(reply).head()
        message = "The server had an error while processing your request."
        error = {"error": {"message": message, "type": "internal_server_error"}}
        first = b"event: error\n" + sse(error)
        return replace(
            parts, error=sse(head | stopped), error_first=first, error_body=encode(error)
        )
