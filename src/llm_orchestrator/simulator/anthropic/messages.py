"""POST /v1/messages and the counting of its tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from llm_orchestrator.simulator.anthropic import conversation, errors, parameters, replies
from llm_orchestrator.simulator.anthropic.blocks import mark_of
from llm_orchestrator.simulator.anthropic.errors import invalid
from llm_orchestrator.simulator.ask import Ask, Segment
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.caches import CacheUse
from llm_orchestrator.simulator.clock import rfc3339
from llm_orchestrator.simulator.draw import Draw
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.frames import Frame, SpareParts
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.wire import Reply, Wire
from llm_orchestrator.simulator.world import World

_PRIMING = 4


class Messages(Wire):
    """The Messages wire, in both API versions."""

    provider = "anthropic"
    name = "anthropic.messages"
    id_header = "request-id"

    def request_id(self, world: World, number: int) -> str:
        return world.id("req_011", 21, number)

    def key(self, request: web.Request) -> str:
        headers = request.headers
        bearer, plain = headers.get("Authorization"), headers.get("x-api-key")
        if bearer and plain:
            raise Refusal(
                401,
                "Only one of the `x-api-key` and `Authorization` headers may be set.",
                type="authentication_error",
                outcome="401 two keys",
            )
        kind, _, token = (bearer or "").partition(" ")
        key = token if kind.lower() == "bearer" else (plain or "")
        if not key.strip():
            message = "x-api-key header is required"
            raise Refusal(401, message, type="authentication_error", outcome="401 no key")
        return key.strip()

    def bad_key(self) -> Refusal:
        return Refusal(401, "invalid x-api-key", type="authentication_error")

    def version(self, headers: Mapping[str, str]) -> str:
        """The API version, which every request must name."""
        version = headers.get("anthropic-version")
        if not version:
            raise invalid("anthropic-version: header is required")
        if version not in parameters.VERSIONS:
            raise invalid(f'anthropic-version: "{version}" is not a valid version for this API')
        return version

    def model(self, body: Mapping[str, Any], world: World) -> Model:
        """The model asked for."""
        name = body.get("model")
        if not isinstance(name, str) or not name:
            raise invalid("model: Field required")
        model = world.models.find(self.provider, name)
        if model is None:
            raise Refusal(404, f"model: {name}", type="not_found_error", outcome="404 no model")
        return model

    def parse(self, body: dict[str, Any], headers: Mapping[str, str], world: World) -> Ask:
        return self.read(body, headers, world, counting=False)

    def read(
        self, body: dict[str, Any], headers: Mapping[str, str], world: World, *, counting: bool
    ) -> Ask:
        """A valid request; `counting` is for count_tokens, which has no token limit."""
        version = self.version(headers)
        model = self.model(body, world)
        parameters.check(body, model, version, counting=counting)
        if "messages" not in body:
            raise invalid("messages: Field required")
        tools, tool_parts = conversation.read_tools(body.get("tools"))
        system, system_parts = conversation.read_system(body.get("system"))
        turns, parts = conversation.read_messages(body["messages"], model, version)
        segments = [*tool_parts, *system_parts, *parts]
        automatic = mark_of(body, "request")
        if automatic:
            segments[-1] = replace(segments[-1], mark=automatic)
        conversation.check_marks(segments)
        choice, parallel = parameters.tool_choice(body, tools)
        kind, most, shown = parameters.thinking(body, model)
        effort, schema = parameters.output_config(body, model)
        ask = Ask(
            model=model,
            segments=[*segments, Segment("", _PRIMING)],
            turns=[*system, *turns],
            stream=bool(body.get("stream")),
            usage_chunk=True,
            tools=tools,
            tool_choice=choice,
            parallel=parallel,
            schema=schema,
            stop=tuple(body.get("stop_sequences") or ()),
            limit=body.get("max_tokens"),
            show_thinking=shown,
        )
        if kind in {"adaptive", "enabled"}:
            spread = Draw("effort", model.id, ask.last_text()).fraction()
            ask.thinking = min(most, int(parameters.EFFORTS[effort] * (0.5 + spread)))
        _prefill(ask, kind)
        if ask.input_tokens > model.context:
            raise invalid(
                f"prompt is too long: {ask.input_tokens} tokens > {model.context} maximum"
            )
        return ask

    def cached(self, world: World, account: str, ask: Ask) -> CacheUse:
        if not ask.model.can("cache"):
            return CacheUse()
        return world.cache.marked(f"{self.provider}/{account}/{ask.model.id}", ask.segments)

    def fault(self, fault: Fault, ask: Ask) -> Refusal:
        return errors.for_fault(fault, ask.model.id, ask.model.context)

    def error(self, refusal: Refusal, request_id: str) -> dict[str, Any]:
        return errors.body(refusal, request_id)

    def headers(self, world: World, account: str, model: str) -> dict[str, str]:
        headers = {"anthropic-organization-id": "00000000-0000-4000-8000-000000000000"}
        now = world.clock.now()
        for what in ("requests", "tokens", "input-tokens", "output-tokens"):
            name = "requests" if what == "requests" else "tokens"
            reading = world.limits.reading(account, model, name)
            headers[f"anthropic-ratelimit-{what}-limit"] = str(reading.limit)
            headers[f"anthropic-ratelimit-{what}-remaining"] = str(reading.remaining)
            headers[f"anthropic-ratelimit-{what}-reset"] = rfc3339(now + reading.reset + 0.999)
        return headers

    def plain(self, reply: Reply) -> dict[str, Any]:
        return replies.plain(reply)

    def frames(self, reply: Reply) -> Iterator[Frame]:
        return replies.frames(reply)

    def spare(self, reply: Reply) -> SpareParts:
        kind = {"type": "overloaded_error", "message": "Overloaded"}
        error = {"type": "error", "error": kind}
        garbage = b'event: content_block_delta\ndata: {"type":"content_block_delta","ind\n\n'
        return SpareParts(
            error=replies.event(error),
            error_body=encode(error),
            garbage=garbage,
            bare_finish=replies.finish(reply, with_usage=False),
        )


def _prefill(ask: Ask, thinking: str) -> None:
    """A last message of the assistant is the beginning of the answer."""
    if ask.last_role != "assistant":
        return
    text = ask.turns[-1].text
    if not parameters.takes_prefill(ask.model):
        raise errors.prefill()
    if thinking in {"adaptive", "enabled"}:
        raise invalid("When thinking is enabled, the final message must not be from the assistant.")
    if text != text.rstrip() and not ask.model.id.startswith("fb-"):
        raise invalid("messages: final assistant content cannot end with trailing whitespace")
    ask.prefill = text
