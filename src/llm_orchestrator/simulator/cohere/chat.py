"""POST /v2/chat."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llm_orchestrator.simulator import tokens
from llm_orchestrator.simulator.ask import Ask, Segment
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.caches import CacheUse
from llm_orchestrator.simulator.cohere import errors, messages, parameters, replies
from llm_orchestrator.simulator.cohere.service import Cohere
from llm_orchestrator.simulator.draw import Draw
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.frames import Frame, SpareParts
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.wire import Reply, Wire
from llm_orchestrator.simulator.world import World

_TEMPLATE: Final = 60  # tokens around the messages, which are not billed
_PER_MESSAGE: Final = 4


class Chat(Cohere, Wire):
    """Chat, version 2."""

    name = "cohere.chat"
    stream_type = "text/event-stream"

    def parse(self, body: dict[str, Any], headers: Mapping[str, str], world: World) -> Ask:
        del headers
        model = self.model(body, world, embeds=False)
        parameters.check(body, model)
        turns, segments = messages.read(body.get("messages"), model)
        tools = parameters.tools(body, model)
        if tools:
            text = json.dumps(body["tools"], sort_keys=True)
            segments.insert(0, Segment(text, tokens.count(text)))
        if body.get("documents"):
            text = json.dumps(body["documents"], sort_keys=True)
            segments.insert(0, Segment(text, tokens.count(text)))
        schema, json_mode = parameters.response_format(body, model)
        ask = Ask(
            model=model,
            segments=segments,
            turns=turns,
            stream=bool(body.get("stream")),
            usage_chunk=True,
            tools=tools,
            tool_choice=parameters.tool_choice(body, tools),
            schema=schema,
            json_mode=json_mode,
            stop=tuple(body.get("stop_sequences") or ()),
            limit=body.get("max_tokens") or None,
            seed=str(body.get("seed") or ""),
            show_thinking=True,
            plans=True,
        )
        typical, most = parameters.thinking(body, model)
        spread = Draw("effort", model.id, ask.last_text()).fraction()
        ask.thinking = min(most, int(typical * (0.5 + spread)))
        ask.options["template"] = _TEMPLATE + _PER_MESSAGE * len(turns)
        if ask.last_role == "assistant":
            if not model.simulated:
                raise errors.prefill()
            ask.prefill = turns[-1].text
        size = ask.input_tokens + ask.options["template"]
        if size > model.context:
            raise errors.too_long(size, model.context)
        return ask

    def cached(self, world: World, account: str, ask: Ask) -> CacheUse:
        if not ask.model.can("cache") or ask.inputs:
            return CacheUse()
        return world.cache.automatic(f"cohere/{account}/{ask.model.id}", ask.segments)

    def fault(self, fault: Fault, ask: Ask) -> Refusal:
        return errors.for_fault(fault, ask.model.context)

    def plain(self, reply: Reply) -> Any:
        return replies.plain(reply, self.request_id(reply.world, reply.number))

    def frames(self, reply: Reply) -> Iterator[Frame]:
        return replies.frames(reply, self.request_id(reply.world, reply.number))

    def spare(self, reply: Reply) -> SpareParts:
        message = "The service is overloaded. Try again later."
        failed = {"delta": {"finish_reason": "ERROR", "error": message}}
        body = {"id": self.request_id(reply.world, reply.number), "message": message}
        return SpareParts(
            error=replies.event("message-end", failed),
            error_body=encode(body),
            garbage=b'event: content-delta\ndata: {"type":"content-delta","index":0,"del\n\n',
            bare_finish=replies.finish(reply, with_usage=False),
        )
