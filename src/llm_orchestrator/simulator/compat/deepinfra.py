"""DeepInfra: its own estimate of the cost in usage, and few choices of tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_orchestrator.simulator.ask import Ask
from llm_orchestrator.simulator.compat.chat import (
    Account,
    CompatChat,
    CompatEmbeddings,
    CompatWriter,
)
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.openai.errors import invalid
from llm_orchestrator.simulator.prices import Usage
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.wire import Reply
from llm_orchestrator.simulator.world import World


class DeepInfraWords(Account):
    """Models of DeepInfra."""

    provider = "deepinfra"
    prefix = "/deepinfra/v1/openai"

    def show(self, model: Model, world: World) -> dict[str, Any]:
        rates = world.bill.rates(model)
        names = {
            "input": "input_tokens",
            "output": "output_tokens",
            "cache_read": "cache_read_tokens",
        }
        pricing = {names[n]: float(r * 1_000_000) for n, r in rates.items() if n in names}
        facts = {
            "context_length": model.context,
            "max_tokens": model.max_output,
            "pricing": pricing,
        }
        return super().show(model, world) | {"metadata": facts}


class DeepInfraWriter(CompatWriter):
    """Usage tells what the request is estimated to cost, in dollars."""

    field = "reasoning_content"

    def usage(self, total: Usage) -> dict[str, Any]:
        usage = super().usage(total)
        del usage["completion_tokens_details"]
        usage["prompt_tokens_details"] = {"cached_tokens": total.cache_read_tokens}
        return usage | {"estimated_cost": float(self.reply.cost(total))}


class DeepInfra(DeepInfraWords, CompatChat):
    """Chat completions of DeepInfra. Parameters that it does not know are ignored."""

    name = "deepinfra.chat"
    writer = DeepInfraWriter

    def check(self, body: Mapping[str, Any], model: Model) -> None:
        super().check(body, model)
        if body.get("tool_choice") not in (None, "auto", "none"):
            raise invalid("tool_choice must be one of auto, none", "tool_choice", "invalid_value")
        messages = body.get("messages")
        for number, message in enumerate(messages if isinstance(messages, list) else []):
            tool = isinstance(message, dict) and message.get("role") == "tool"
            if tool and not isinstance(message.get("content"), str):
                where = f"messages[{number}].content"
                raise invalid(f"Invalid type for '{where}': expected a string.", where)

    def fault(self, fault: Fault, ask: Ask) -> Refusal:
        if fault.name == "quota":
            message = "inference prohibited, please enter a payment method or top up your account"
            return Refusal(402, message, type="payment_required", outcome="402 quota")
        return super().fault(fault, ask)


class DeepInfraEmbeddings(DeepInfraWords, CompatEmbeddings):
    """Embeddings of DeepInfra."""

    name = "deepinfra.embeddings"

    def plain(self, reply: Reply) -> dict[str, Any]:
        body = super().plain(reply)
        body["usage"]["estimated_cost"] = float(reply.cost())
        return body
