"""POST /v1/responses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llm_orchestrator.simulator import tokens
from llm_orchestrator.simulator.ask import Ask, Segment, Turn
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.frames import Frame, SpareParts
from llm_orchestrator.simulator.openai.chat import OpenAIWire, thinking
from llm_orchestrator.simulator.openai.errors import invalid
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.responses import items, replies, request
from llm_orchestrator.simulator.wire import Reply
from llm_orchestrator.simulator.world import World

_PRIMING: Final = 3
_TIERS: Final = {"flex": "flex", "priority": "priority"}


class Responses(OpenAIWire):
    """The Responses wire. What it answers is kept, so that a later request can go on from it."""

    name = "openai.responses"

    def parse(self, body: dict[str, Any], headers: Mapping[str, str], world: World) -> Ask:
        del headers
        ask = self.read(body, world)
        request.check(body, ask.model)
        ask.limit = request.limit(body, ask.model)
        if ask.input_tokens > ask.model.context:
            raise Refusal(
                400,
                "Your input exceeds the context window of this model. Please adjust your input and "
                "try again.",
                type="invalid_request_error",
                param="input",
                code="context_length_exceeded",
            )
        return ask

    def read(self, body: dict[str, Any], world: World) -> Ask:
        """The part of a request that has tokens: what input_tokens counts too."""
        model = self.model(body, world)
        if model.mode not in {"chat", "responses"}:
            message = "This model is not supported in v1/responses."
            raise Refusal(404, message, type="invalid_request_error", param="model")
        given = [*self._before(body, world), *_as_items(body.get("input"))]
        turns, segments = items.read(given, model)
        instructions = body.get("instructions")
        if instructions:
            turns.insert(0, Turn("system", str(instructions)))
            segments.insert(0, Segment(str(instructions), tokens.count(str(instructions)) + 3))
        tools = request.tools(body, model)
        if body.get("tools"):
            text = json.dumps(body["tools"])
            segments.insert(0, Segment(text, tokens.count(text)))
        schema, json_mode = request.text_format(body, model)
        ask = Ask(
            model=model,
            segments=[*segments, Segment("", _PRIMING)],
            turns=turns,
            stream=bool(body.get("stream")),
            usage_chunk=True,
            tools=tools,
            tool_choice=request.tool_choice(body, tools),
            parallel=body.get("parallel_tool_calls") is not False,
            schema=schema,
            json_mode=json_mode,
            tier=_TIERS.get(str(body.get("service_tier")), ""),
            show_thinking=request.summary(body),
        )
        effort = request.effort(body)
        ask.thinking = thinking(model, effort, ask.last_text())
        include = body.get("include")
        encrypted = isinstance(include, list) and "reasoning.encrypted_content" in include
        usual = model.usual_effort if model.reasons else None
        ask.options |= {"request": body, "encrypted": encrypted, "effort": effort or usual}
        ask.options["items"] = given
        if model.simulated and ask.last_role == "assistant" and not turns[-1].calls:
            ask.prefill = turns[-1].text
        return ask

    @staticmethod
    def _before(body: Mapping[str, Any], world: World) -> list[Any]:
        """The items of the response that this request goes on from."""
        previous = body.get("previous_response_id")
        if previous is None:
            return []
        kept = world.kept.get(str(previous))
        if kept is None:
            raise invalid(
                f"Previous response with id '{previous}' not found.",
                "previous_response_id",
                "previous_response_not_found",
            )
        return [*kept["items"], *kept["response"]["output"]]

    def _keep(self, reply: Reply) -> dict[str, Any]:
        body = replies.plain(reply)
        if reply.ask.options["request"].get("store") is not False:
            reply.world.keep(body["id"], {"response": body, "items": reply.ask.options["items"]})
        return body

    def plain(self, reply: Reply) -> Any:
        return self._keep(reply)

    def frames(self, reply: Reply) -> Iterator[Frame]:
        yield from replies.frames(reply)
        self._keep(reply)

    def spare(self, reply: Reply) -> SpareParts:
        broken = replies.failed(reply)
        message = "The server had an error while processing your request."
        said = {"code": "server_error", "message": message, "param": None}
        return SpareParts(
            error=replies.event("response.failed", 99, response=broken),
            error_first=replies.event("error", 2, **said),
            error_body=encode(broken),
            garbage=b'event: response.output_text.delta\ndata: {"type":"response.outp\n\n',
        )


def _as_items(given: Any) -> list[Any]:
    """The input as a list; anything else is refused when the items are read."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list):
        raise invalid("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    return given


def no_response(name: str) -> Refusal:
    """A 404 for a response that is not kept."""
    message = f"Response with id '{name}' not found."
    return Refusal(404, message, type="invalid_request_error", outcome="404 no response")
