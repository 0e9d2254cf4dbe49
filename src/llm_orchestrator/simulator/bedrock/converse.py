"""POST /model/{id}/converse and /converse-stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aiohttp import web

from llm_orchestrator.simulator.anthropic.parameters import generation
from llm_orchestrator.simulator.ask import Ask, Segment
from llm_orchestrator.simulator.bedrock import content, errors, eventstream, parameters, replies
from llm_orchestrator.simulator.bedrock.service import Bedrock, find, named, region_of
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.caches import CacheUse
from llm_orchestrator.simulator.draw import Draw
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.frames import Frame, SpareParts
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.wire import Reply, Wire
from llm_orchestrator.simulator.world import World

_PRIMING = 4
_MARKS = 4
_BROKEN = "The service is currently unavailable. Try again later."


class Converse(Bedrock, Wire):
    """The Converse wire, in one piece or as a stream of frames."""

    name = "bedrock.converse"
    stream_type = "application/vnd.amazon.eventstream"

    def __init__(self, *, stream: bool = False) -> None:
        self._stream = stream

    def unpack(self, body: dict[str, Any], request: web.Request) -> dict[str, Any]:
        return body | {"model": named(request.match_info["model"])}

    def parse(self, body: dict[str, Any], headers: Mapping[str, str], world: World) -> Ask:
        model = find(str(body["model"]), region_of(headers), world)
        ask = read_prompt(body, model)
        ask.stream, ask.usage_chunk = self._stream, True
        ask.limit, ask.stop = parameters.inference(body, model)
        ask.tier = parameters.tier(body)
        effort, ask.schema = parameters.output_config(body, model)
        typical = parameters.thinking(body, model, effort, ask.limit)
        spread = Draw("effort", model.id, ask.last_text()).fraction()
        ask.thinking = int(typical * (0.5 + spread))
        ask.options["guarded"] = bool(body.get("guardrailConfig"))
        if ask.last_role == "assistant":
            if not _prefilled(model):
                raise errors.prefill()
            ask.prefill = ask.turns[-1].text
        if ask.input_tokens > model.context:
            raise errors.too_long(ask.input_tokens, model.context)
        return ask

    def cached(self, world: World, account: str, ask: Ask) -> CacheUse:
        if not ask.model.can("cache"):
            return CacheUse()
        return world.cache.marked(f"bedrock/{account}/{ask.model.id}", ask.segments)

    def fault(self, fault: Fault, ask: Ask) -> Refusal:
        return errors.for_fault(fault, ask.model.context)

    def plain(self, reply: Reply) -> Any:
        return replies.plain(reply)

    def frames(self, reply: Reply) -> Iterator[Frame]:
        return replies.frames(reply)

    def spare(self, reply: Reply) -> SpareParts:
        del reply
        delta = {"contentBlockIndex": 0, "delta": {"text": " damaged"}}
        return SpareParts(
            error=eventstream.failure("serviceUnavailableException", _BROKEN),
            error_body=encode({"message": _BROKEN}),
            garbage=eventstream.damaged(eventstream.event("contentBlockDelta", delta)),
        )


def read_prompt(body: Mapping[str, Any], model: Model) -> Ask:
    """The part of a request that has tokens: what CountTokens counts too."""
    parameters.check(body)
    if model.mode == "embedding":
        raise errors.invalid(
            "This action doesn't support the model that you provided. Try again with a supported "
            "text or chat model."
        )
    prompt = content.Prompt()
    tools = parameters.tools(body, model, prompt)
    if body.get("system") and not model.can("system"):
        raise errors.invalid("This model doesn't support system messages. Try again without them.")
    content.read_system(body.get("system"), prompt)
    content.read_messages(body.get("messages"), model, prompt)
    if any(turn.calls or turn.results for turn in prompt.turns) and not body.get("toolConfig"):
        raise errors.invalid(
            "The toolConfig field must be defined when using toolUse and toolResult content blocks."
        )
    if sum(1 for segment in prompt.segments if segment.mark) > _MARKS:
        raise errors.model_said(f"A maximum of {_MARKS} blocks with cache_control may be provided.")
    return Ask(
        model=model,
        segments=[*prompt.segments, Segment("", _PRIMING)],
        turns=prompt.turns,
        tools=tools,
        tool_choice=parameters.tool_choice(body, tools),
    )


def _prefilled(model: Model) -> bool:
    """Whether a conversation may end with the assistant."""
    claude = model.id.partition("anthropic.")[2]
    born = generation(Model("anthropic", claude, claude)) if claude else (0, 0)
    return model.can("prefill") and born < (4, 6)
