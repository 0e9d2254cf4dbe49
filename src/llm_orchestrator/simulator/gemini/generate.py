"""POST models/{model}:generateContent and :streamGenerateContent, on both of Google's APIs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from aiohttp import web

from llm_orchestrator.simulator import tokens
from llm_orchestrator.simulator.ask import Ask, Segment
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.caches import CacheUse
from llm_orchestrator.simulator.draw import Draw
from llm_orchestrator.simulator.faults import KINDS, Fault
from llm_orchestrator.simulator.frames import Break, Frame, SpareParts, Step
from llm_orchestrator.simulator.gemini import config, contents, errors, replies, shape
from llm_orchestrator.simulator.gemini.place import Google, Place
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.wire import Reply, Wire
from llm_orchestrator.simulator.world import World


class Generate(Google, Wire):
    """Answers in one piece, as server-sent events, or as one JSON array."""

    def __init__(self, place: Place, stream: str = "") -> None:
        """`stream` is empty, "sse" or "array"."""
        super().__init__(place)
        self.name = f"{place.provider}.generate"
        self._stream = stream
        self._array = stream == "array"
        self.stream_type = "application/json; charset=UTF-8" if self._array else "text/event-stream"

    def unpack(self, body: dict[str, Any], request: web.Request) -> dict[str, Any]:
        return body | {"model": request.match_info["model"]}

    def parse(self, body: dict[str, Any], headers: Mapping[str, str], world: World) -> Ask:
        del headers
        model = self.model(body, world, "generateContent")
        body = shape.read(body, shape.GENERATE)
        settings = body.get("generationConfig", {})
        config.check(settings, model)
        tools = config.tools(body, model)
        schema, json_mode = config.response_format(settings, model)
        if tools and (schema or json_mode) and re.match(r"gemini-[12]\.", model.id):
            mime = settings["responseMimeType"]
            raise errors.invalid(
                f"Function calling with a response mime type: '{mime}' is unsupported"
            )
        if "cachedContent" in body:
            message = "CachedContent not found (or permission denied)"
            raise Refusal(403, message, outcome="403 no cached content")
        ask = read_prompt(body, model)
        ask.stream = bool(self._stream)
        ask.tools, ask.tool_choice = tools, config.tool_choice(body, tools)
        ask.schema, ask.json_mode = schema, json_mode
        ask.stop = tuple(settings.get("stopSequences", ()))
        ask.limit = settings.get("maxOutputTokens")
        ask.choices = settings.get("candidateCount", 1)
        ask.seed = str(settings.get("seed", ""))
        ask.tier = config.tier(body)
        typical, most, ask.show_thinking = config.thinking(settings, model)
        spread = Draw("effort", model.id, ask.last_text()).fraction()
        ask.thinking = min(most, int(typical * (0.5 + spread)))
        if ask.last_role == "assistant" and not ask.turns[-1].calls:
            if not model.can("prefill"):
                raise errors.prefill()
            ask.prefill = ask.turns[-1].text
        if ask.input_tokens > model.context:
            raise errors.too_long(ask.input_tokens, model.context)
        return ask

    def cached(self, world: World, account: str, ask: Ask) -> CacheUse:
        if not ask.model.can("cache") or ask.inputs:
            return CacheUse()
        return world.cache.automatic(f"{self.provider}/{account}/{ask.model.id}", ask.segments)

    def played(self, fault: Fault) -> Fault:
        """A blocked prompt is a good reply without candidates."""
        if fault.name != "content-filter":
            return fault
        return Fault("content-filter", "content", fault.times)

    def fault(self, fault: Fault, ask: Ask) -> Refusal:
        return errors.for_fault(fault, ask.model.context)

    def error(self, refusal: Refusal, request_id: str) -> Any:
        """Streams wrap the error of a refused request in an array."""
        body = super().error(refusal, request_id)
        return [body] if self._stream else body

    def refused(self, refusal: Refusal, request_id: str) -> tuple[bytes, dict[str, str]]:
        """When to try again is in the body, not in a header."""
        kind = {"Content-Type": "application/json; charset=UTF-8"}
        return encode(self.error(refusal, request_id)), kind

    def plain(self, reply: Reply) -> Any:
        return replies.plain(self, reply)

    def frames(self, reply: Reply) -> Iterator[Frame]:
        for frame in replies.frames(self, reply):
            if frame.data and not self._array:
                data = b"data: " + frame.data + b"\r\n\r\n"
                yield Frame(frame.part, data, frame.tokens, frame.thought)
            else:
                yield frame
        yield Frame("done", b"]" if self._array else b"")

    def spare(self, reply: Reply) -> SpareParts:
        del reply
        error = encode(errors.body(errors.for_fault(KINDS["unavailable"], 0)))
        garbage = b'{"candidates": [{"content": {"par'
        if self._array:
            return SpareParts(error=error, error_body=error, garbage=garbage)
        return SpareParts(
            error=b"data: " + error + b"\r\n\r\n",
            error_body=error,
            garbage=b"data: " + garbage + b"\r\n\r\n",
        )

    def wrapped(self, steps: Iterator[Step]) -> Iterator[Step]:
        return _as_array(steps) if self._array else steps


def read_prompt(body: Mapping[str, Any], model: Model) -> Ask:
    """The part of a request that has tokens: what countTokens counts too."""
    signatures = model.id.startswith(("gemini-3", "gemini-4", "sim-reason"))
    system = contents.read_system(body.get("systemInstruction"), model)
    prompt = contents.read(body.get("contents", []), model, signatures=signatures)
    segments = [*system.segments, *prompt.segments]
    if body.get("tools"):
        text = json.dumps(body["tools"], sort_keys=True)
        segments.insert(0, Segment(text, tokens.count(text)))
    ask = Ask(model=model, segments=segments, turns=[*system.turns, *prompt.turns])
    ask.options["pictures"] = prompt.picture_tokens
    ask.silent = "unsigned" if prompt.unsigned else ""
    return ask


def _as_array(steps: Iterator[Step]) -> Iterator[Step]:
    """The objects of a stream as one JSON array; a stream that breaks off leaves it open."""
    begun, closing = False, b"]"
    failed = False
    for step in steps:
        if isinstance(step, Break):
            if failed:
                yield Frame("done", closing)
            yield step
        elif not step.data or step.data == closing:
            yield step
        else:
            failed = step.part == "done"
            data = (b",\r\n" if begun else b"[") + step.data
            begun = True
            yield Frame(step.part, data, step.tokens, step.thought)
