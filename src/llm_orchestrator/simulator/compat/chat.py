"""What the providers that follow OpenAI's chat have in common, and where they may differ."""

from __future__ import annotations

import calendar
import time
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from aiohttp import web

from llm_orchestrator.simulator import failover
from llm_orchestrator.simulator.answers import Answer
from llm_orchestrator.simulator.ask import Ask
from llm_orchestrator.simulator.draw import Draw
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.openai import parameters
from llm_orchestrator.simulator.openai.chat import Chat, OpenAIWire
from llm_orchestrator.simulator.openai.embeddings import Embeddings
from llm_orchestrator.simulator.openai.errors import invalid, no_model
from llm_orchestrator.simulator.openai.replies import Writer
from llm_orchestrator.simulator.world import World

_EPOCH: Final = 1_735_689_600


def born(model: Model) -> int:
    """When a model came out, in seconds since 1970."""
    if not model.released:
        return _EPOCH
    return calendar.timegm(time.strptime(model.released[:10], "%Y-%m-%d"))


def thinks(model: Model) -> bool:
    """Whether a model thinks without being asked to."""
    able = model.abilities is not None and model.can("reasoning")
    return able and (not model.simulated or model.id.startswith(("sim-reason", "sim-deep")))


class Account(OpenAIWire):
    """A provider that follows OpenAI; `prefix` is the path of its API."""

    prefix: ClassVar[str] = ""
    models_path: ClassVar[str] = "/models"
    timing_header = ""

    def headers(self, world: World, account: str, model: str) -> dict[str, str]:
        del world, account, model
        return {}

    def every(self, world: World) -> list[Model]:
        """The models in the list."""
        simulated = (world.models.find(self.provider, name) for name in failover.MODELS)
        return [*world.models.of(self.provider), *(model for model in simulated if model)]

    def show(self, model: Model, world: World) -> dict[str, Any]:
        """One model of the list."""
        del world
        owner = model.id.partition("/")[0] if "/" in model.id else self.provider
        return {"id": model.id, "object": "model", "created": born(model), "owned_by": owner}

    def listing(self, world: World, request: web.Request) -> Any:
        """The list of models."""
        del request
        return {"object": "list", "data": [self.show(model, world) for model in self.every(world)]}

    def one(self, world: World, name: str) -> Any:
        """One model by its id."""
        model = world.models.find(self.provider, name)
        if model is None:
            raise no_model(name)
        return self.show(model, world)


class CompatChat(Account, Chat):
    """Chat completions of such a provider.

    `known` None = unknown parameters are ignored; `unsupported` ones are refused by name.
    """

    known: ClassVar[frozenset[str] | None] = None
    unsupported: ClassVar[frozenset[str]] = frozenset()

    def check(self, body: Mapping[str, Any], model: Model) -> None:
        del model
        if self.known is not None:
            parameters.names(body, self.known)
        for name in self.unsupported:
            if body.get(name) is not None:
                raise invalid(f"property '{name}' is unsupported", name, "unsupported_parameter")
        parameters.figures(body)

    def complete(self, ask: Ask, body: Mapping[str, Any]) -> None:
        ask.thinking = self.thinking(ask.model, body, ask)

    def thinking(self, model: Model, body: Mapping[str, Any], ask: Ask) -> int:
        """Reasoning tokens: by effort where one is asked for."""
        effort = body.get("reasoning_effort")
        able = model.can("reasoning") and model.abilities is not None
        if not able or (effort is None and not thinks(model)):
            return 0
        typical = parameters.EFFORTS.get(str(effort), parameters.EFFORTS["medium"])
        spread = Draw("effort", model.id, ask.last_text()).fraction()
        return int(typical * (0.5 + spread))


class CompatEmbeddings(Account, Embeddings):
    """Embeddings of such a provider."""


class CompatWriter(Writer):
    """Shows reasoning in a field of its own, or as `<think>` in the text.

    The style is `ask.options["style"]`: "reasoning" (the field), "tags" or "hidden".
    """

    field: ClassVar[str] = "reasoning"

    @property
    def style(self) -> str:
        """How reasoning is shown."""
        return str(self.ask.options.get("style", "reasoning"))

    def head(self) -> dict[str, Any]:
        head = super().head()
        del head["service_tier"], head["system_fingerprint"]
        return head

    def message(self, answer: Answer) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": answer.text}
        if answer.thinking and self.style == "tags":
            message["content"] = f"<think>\n{answer.thinking}</think>\n\n{answer.text}"
        message |= self.calls(answer)
        if answer.thinking and self.style == "reasoning":
            message[self.field] = answer.thinking
        return message

    def opening(self, answer: Answer) -> dict[str, Any]:
        del answer
        return {"role": "assistant", "content": ""}

    def delta(self, answer: Answer, number: int) -> dict[str, Any] | None:
        piece = answer.pieces[number]
        before = answer.pieces[number - 1].kind if number else ""
        if piece.kind == "thinking":
            if self.style == "tags":
                return {"content": piece.text if number else f"<think>\n{piece.text}"}
            return {self.field: piece.text} if self.style == "reasoning" else None
        delta = super().delta(answer, number)
        if delta and before == "thinking" and self.style == "tags":
            delta["content"] = f"</think>\n\n{delta.get('content', '')}"
        return delta
