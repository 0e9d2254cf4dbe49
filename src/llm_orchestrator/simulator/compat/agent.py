"""Perplexity's newer endpoint: the Responses wire, with a cost in its usage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llm_orchestrator.simulator.ask import Ask
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.compat.perplexity import PerplexityWords
from llm_orchestrator.simulator.frames import SpareParts
from llm_orchestrator.simulator.responses import replies
from llm_orchestrator.simulator.responses.wire import Responses
from llm_orchestrator.simulator.wire import Reply
from llm_orchestrator.simulator.world import World


class PerplexityAgent(PerplexityWords, Responses):
    """POST /v1/responses of Perplexity."""

    name = "perplexity.responses"

    def read(self, body: dict[str, Any], world: World) -> Ask:
        ask = super().read(body, world)
        ask.options["usage_of"] = _usage
        return ask

    def spare(self, reply: Reply) -> SpareParts:
        error = {"code": "server_error", "message": "The server had an error."}
        failed = replies.event("response.failed", 99, error=error)
        broken = replies.failed(reply) | {"error": error}
        return replace(
            super().spare(reply), error=failed, error_first=failed, error_body=encode(broken)
        )


def _usage(reply: Reply) -> dict[str, Any]:
    total, parts = reply.usage, reply.parts()
    read = float(parts.get("cache_read", 0))
    cost = {
        "currency": "USD",
        "input_cost": float(parts.get("input", 0)),
        "output_cost": float(sum(parts.get(name, 0) for name in ("output", "reasoning"))),
        "total_cost": float(reply.cost()),
    }
    return {
        "input_tokens": total.input_tokens,
        "input_tokens_details": {
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": total.cache_read_tokens,
        },
        "output_tokens": total.output_tokens,
        "total_tokens": total.input_tokens + total.output_tokens,
        "cost": cost | ({"cache_read_cost": read} if read else {}),
    }
