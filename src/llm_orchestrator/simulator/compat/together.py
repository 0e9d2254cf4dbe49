"""Together: `eos`, three figures of usage in the last chunk, and models as a bare array.

What was read from the cache is cheaper, and not told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from aiohttp import web

from llm_orchestrator.simulator.answers import Answer
from llm_orchestrator.simulator.ask import Ask
from llm_orchestrator.simulator.compat.chat import (
    Account,
    CompatChat,
    CompatEmbeddings,
    CompatWriter,
)
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.frames import Frame
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.openai.errors import invalid
from llm_orchestrator.simulator.prices import Usage
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.wire import Reply
from llm_orchestrator.simulator.world import World

_FINISH: Final = {"stop": "eos", "stop_sequence": "stop", "content_filter": "stop"}


class TogetherWords(Account):
    """Errors, headers and models of Together."""

    provider = "together"
    prefix = "/together/v1"

    def error(self, refusal: Refusal, request_id: str) -> Any:
        return {"id": request_id} | super().error(refusal, request_id)

    def headers(self, world: World, account: str, model: str) -> dict[str, str]:
        requests = world.limits.reading(account, model, "requests")
        tokens = world.limits.reading(account, model, "tokens")
        return {
            "x-ratelimit-limit": str(requests.limit),
            "x-ratelimit-remaining": str(requests.remaining),
            "x-ratelimit-reset": str(round(requests.reset, 3)),
            "x-tokenlimit-limit": str(tokens.limit),
            "x-tokenlimit-remaining": str(tokens.remaining),
        }

    def show(self, model: Model, world: World) -> dict[str, Any]:
        rates = world.bill.rates(model)
        million = {name: float(rate * 1_000_000) for name, rate in rates.items()}
        return super().show(model, world) | {
            "type": "embedding" if model.mode == "embedding" else "chat",
            "running": False,
            "display_name": model.id.rpartition("/")[2],
            "organization": model.id.partition("/")[0],
            "link": "https://example.com/model",
            "license": "other",
            "context_length": model.context,
            "config": {"chat_template": None, "stop": [], "bos_token": None, "eos_token": None},
            "pricing": {
                "hourly": 0,
                "input": million.get("input", 0),
                "output": million.get("output", 0),
                "base": 0,
                "finetune": 0,
            },
        }

    def listing(self, world: World, request: web.Request) -> Any:
        """A bare array, not a list object."""
        del request
        return [self.show(model, world) for model in self.every(world)]


class TogetherWriter(CompatWriter):
    """Usage is three figures; a stream has it in the finishing chunk."""

    def finish(self, answer: Answer) -> str:
        return _FINISH.get(answer.finish, answer.finish)

    def usage(self, total: Usage) -> dict[str, Any]:
        usage = super().usage(total)
        return {n: usage[n] for n in ("prompt_tokens", "completion_tokens", "total_tokens")}

    def choice(self, index: int, answer: Answer) -> dict[str, Any]:
        seed = int.from_bytes(self.ask.model.id.encode()[:7], "big")
        return super().choice(index, answer) | {"seed": seed}

    def plain(self) -> dict[str, Any]:
        return super().plain() | {"prompt": [], "warnings": None}

    def chunk(self, index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return super().chunk(index, {"role": "assistant"} | delta, finish)

    def last(self, index: int, answer: Answer) -> dict[str, Any]:
        usage = None if self.ask.uncounted else self.usage(self.reply.usage)
        return super().last(index, answer) | {"usage": usage}

    def frames(self) -> Iterator[Frame]:
        self.ask.usage_chunk = False  # the usage is in the last chunk, asked for or not
        return super().frames()


class Together(TogetherWords, CompatChat):
    """Chat completions of Together. Parameters that it does not know are ignored."""

    name = "together.chat"
    writer = TogetherWriter

    def check(self, body: Mapping[str, Any], model: Model) -> None:
        logprobs = body.get("logprobs")
        if isinstance(logprobs, bool) or not isinstance(logprobs, (int, type(None))):
            raise invalid("Invalid type for 'logprobs': expected an integer.", "logprobs")
        if not isinstance(body.get("stop"), (list, type(None))):
            raise invalid("Invalid type for 'stop': expected an array.", "stop", "invalid_type")
        super().check({k: v for k, v in body.items() if k != "logprobs"}, model)

    def thinking(self, model: Model, body: Mapping[str, Any], ask: Ask) -> int:
        switch = body.get("reasoning")
        if isinstance(switch, dict) and switch.get("enabled") is False:
            return 0
        asked = isinstance(switch, dict) and switch.get("enabled")
        effort = body.get("reasoning_effort") or ("medium" if asked else None)
        return super().thinking(model, {"reasoning_effort": effort}, ask)

    def fault(self, fault: Fault, ask: Ask) -> Refusal:
        if fault.name == "quota":
            message = "Credit limit exceeded, please navigate to your billing settings."
            kind = "credit_limit"
            return Refusal(402, message, type=kind, code=kind, outcome="402 quota")
        return super().fault(fault, ask)


class TogetherEmbeddings(TogetherWords, CompatEmbeddings):
    """Embeddings of Together, which do not tell their usage."""

    name = "together.embeddings"

    def plain(self, reply: Reply) -> dict[str, Any]:
        body = super().plain(reply)
        del body["usage"]
        return body
