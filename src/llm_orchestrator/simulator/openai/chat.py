"""POST /v1/chat/completions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from aiohttp import web

from llm_orchestrator.simulator import tokens
from llm_orchestrator.simulator.ask import Ask, Segment
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.caches import CacheUse
from llm_orchestrator.simulator.draw import Draw
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.frames import Frame, SpareParts
from llm_orchestrator.simulator.limits import go_duration
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.openai import errors, messages, parameters
from llm_orchestrator.simulator.openai.errors import invalid
from llm_orchestrator.simulator.openai.replies import Writer, sse
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.wire import Reply, Wire
from llm_orchestrator.simulator.world import World

_PRIMING = 3  # tokens that open the answer
_TIERS = {"flex": "flex", "priority": "priority"}


class OpenAIWire(Wire):
    """What all endpoints of OpenAI share: keys, errors, ids and rate-limit headers."""

    provider: str = "openai"
    id_header: str = "x-request-id"
    timing_header: str = "openai-processing-ms"

    def request_id(self, world: World, number: int) -> str:
        return world.id("req_", 32, number).lower()

    def key(self, request: web.Request) -> str:
        kind, _, key = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not key.strip():
            raise Refusal(
                401,
                "You didn't provide an API key. You need to provide your API key in an "
                "Authorization header using Bearer auth.",
                type="invalid_request_error",
                outcome="401 no key",
            )
        return key.strip()

    def bad_key(self) -> Refusal:
        return Refusal(
            401,
            "Incorrect API key provided. You can find your API key in your account settings.",
            type="invalid_request_error",
            code="invalid_api_key",
        )

    def model(self, body: Mapping[str, Any], world: World) -> Model:
        """The model asked for."""
        name = body.get("model")
        if not isinstance(name, str) or not name:
            raise invalid("you must provide a model parameter", "model")
        model = world.models.find(self.provider, name)
        if model is None:
            raise errors.no_model(name)
        return model

    def fault(self, fault: Fault, ask: Ask) -> Refusal:
        return errors.for_fault(fault, ask.model.id, ask.model.context)

    def error(self, refusal: Refusal, request_id: str) -> dict[str, Any]:
        del request_id  # only in the header
        return errors.body(refusal)

    def headers(self, world: World, account: str, model: str) -> dict[str, str]:
        headers = {"openai-organization": "sim", "openai-version": "2020-10-01"}
        for what in ("requests", "tokens"):
            reading = world.limits.reading(account, model, what)
            headers[f"x-ratelimit-limit-{what}"] = str(reading.limit)
            headers[f"x-ratelimit-remaining-{what}"] = str(reading.remaining)
            headers[f"x-ratelimit-reset-{what}"] = go_duration(reading.reset)
        return headers

    def cached(self, world: World, account: str, ask: Ask) -> CacheUse:
        if not ask.model.can("cache") or ask.inputs:
            return CacheUse()
        return world.cache.automatic(f"{self.provider}/{account}/{ask.model.id}", ask.segments)

    def spare(self, reply: Reply) -> SpareParts:
        del reply
        message = "The server had an error while processing your request."
        error = {"message": message, "type": "server_error", "param": None, "code": None}
        return SpareParts(
            error=sse({"error": error}),
            error_body=encode({"error": error}),
            garbage=b'data: {"id":"chatcmpl-","choices":[{"index":0,"delta":{"con\n\n',
        )


class Chat(OpenAIWire):
    """Chat completions."""

    name = "openai.chat"
    writer: type[Writer] = Writer
    seed = "seed"  # the name of that parameter

    def parse(self, body: dict[str, Any], headers: Mapping[str, str], world: World) -> Ask:
        del headers
        model = self.model(body, world)
        if model.mode == "responses":
            message = "This model is only supported in v1/responses."
            raise Refusal(404, message, type="invalid_request_error", param="model")
        if model.mode != "chat":
            message = "This is not a chat model and thus not supported in this endpoint."
            raise Refusal(404, message, type="invalid_request_error", param="model")
        self.check(body, model)
        if "messages" not in body:
            raise invalid(
                "Missing required parameter: 'messages'.", "messages", "missing_required_parameter"
            )
        turns, segments = messages.read(body["messages"], model)
        tools = parameters.tools(body, model)
        schema, json_mode = parameters.response_format(body, model)
        if tools:
            text = json.dumps(body["tools"])
            segments.insert(0, Segment(text, tokens.count(text)))
        ask = Ask(
            model=model,
            segments=[*segments, Segment("", _PRIMING)],
            turns=turns,
            stream=bool(body.get("stream")),
            usage_chunk=_usage_chunk(body),
            tools=tools,
            tool_choice=parameters.tool_choice(body, tools),
            parallel=body.get("parallel_tool_calls") is not False,
            schema=schema,
            json_mode=json_mode,
            stop=_stop(body.get("stop")),
            limit=parameters.limit(body, model),
            choices=int(body.get("n") or 1),
            seed=str(body.get(self.seed) or ""),
            tier=_TIERS.get(str(body.get("service_tier")), ""),
        )
        self.complete(ask, body)
        if model.simulated and ask.last_role == "assistant" and not turns[-1].calls:
            ask.prefill = turns[-1].text
        _fits(ask)
        return ask

    def check(self, body: Mapping[str, Any], model: Model) -> None:
        """Refuse what this provider does not take."""
        parameters.check(body, model)

    def complete(self, ask: Ask, body: Mapping[str, Any]) -> None:
        """Add what only this provider understands."""
        if ask.json_mode and not any("json" in turn.text.lower() for turn in ask.turns):
            raise invalid(
                "'messages' must contain the word 'json' in some form, to use 'response_format' "
                "of type 'json_object'.",
                "messages",
            )
        ask.thinking = thinking(ask.model, body.get("reasoning_effort"), ask.last_text())

    def plain(self, reply: Reply) -> Any:
        return self.writer(reply).plain()

    def frames(self, reply: Reply) -> Iterator[Frame]:
        return self.writer(reply).frames()


def _usage_chunk(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    if not body.get("stream"):
        raise invalid(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
        )
    return isinstance(options, dict) and bool(options.get("include_usage"))


def _stop(stop: Any) -> tuple[str, ...]:
    if stop is None:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(stop)


def thinking(model: Model, effort: str | None, text: str) -> int:
    """Reasoning tokens of a request: by effort, and varied by its content."""
    if not model.reasons:
        return 0
    typical = parameters.EFFORTS.get(effort or model.usual_effort, 0)
    spread = Draw("effort", model.id, text).fraction()
    return int(typical * (0.5 + spread))


def _fits(ask: Ask) -> None:
    wanted = ask.input_tokens
    if wanted > ask.model.context:
        raise errors.too_long(ask.model.context, wanted)
    if ask.limit is not None and wanted + ask.limit > ask.model.context:
        raise invalid(
            f"This model's maximum context length is {ask.model.context} tokens. However, you "
            f"requested {wanted + ask.limit} tokens ({wanted} in the messages, {ask.limit} in the "
            "completion). Please reduce the length of the messages or completion.",
            "messages",
            "context_length_exceeded",
        )
