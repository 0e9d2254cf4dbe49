"""Perplexity: answers with citations, and a bill of its own in every usage object."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from llm_orchestrator.simulator import prose
from llm_orchestrator.simulator.answers import Answer
from llm_orchestrator.simulator.ask import Ask
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.compat.chat import (
    Account,
    CompatChat,
    CompatEmbeddings,
    CompatWriter,
)
from llm_orchestrator.simulator.draw import Draw
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.frames import Frame, SpareParts
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.openai.errors import invalid
from llm_orchestrator.simulator.openai.replies import sse
from llm_orchestrator.simulator.prices import Usage
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.vectors import embed
from llm_orchestrator.simulator.wire import Reply
from llm_orchestrator.simulator.world import World

_SIZES: Final = ("low", "medium", "high")
_REQUEST: Final = {
    "sonar": (5, 8, 12),
    "sonar-pro": (6, 10, 14),
    "sonar-reasoning": (5, 8, 12),
    "sonar-reasoning-pro": (6, 10, 14),
    "sim-sonar": (5, 8, 12),
}
"""Dollars for a thousand requests, by how much of the web is read; unasked, the listed price."""
_BILLION: Final = 1_000_000_000  # picodollars in a thousandth of a dollar


def deep(model: Model) -> bool:
    """Whether reasoning, citations and searches are charged apart."""
    return model.id.startswith(("sonar-deep-research", "sim-deep"))


def searches(model: Model) -> bool:
    """Whether the model looks things up."""
    known = model.abilities is not None and model.can("web_search")
    return known or model.id.startswith(("sim-deep", "sim-sonar"))


class PerplexityWords(Account):
    """Errors and models of Perplexity."""

    provider = "perplexity"
    prefix = "/perplexity"
    models_path = "/v1/models"

    def error(self, refusal: Refusal, request_id: str) -> Any:
        del request_id
        kind = refusal.type or ("invalid_request" if refusal.status < 500 else "internal_error")
        return {"error": {"message": refusal.message, "type": kind, "code": refusal.status}}

    def fault(self, fault: Fault, ask: Ask) -> Refusal:
        if fault.name == "quota":
            message = "You exceeded your current quota, please check your plan and billing details."
            kind = "insufficient_quota"
            return Refusal(401, message, type=kind, outcome="401 quota")
        return super().fault(fault, ask)


class PerplexityWriter(CompatWriter):
    """Each chunk has the whole message so far, the usage so far, and what was found."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        pages = self.ask.options.get("pages", [])
        self._found = {"citations": [page["url"] for page in pages], "search_results": pages}
        self._said = ""
        self._spent = Usage()

    def head(self) -> dict[str, Any]:
        extras: dict[str, Any] = self.ask.options.get("extras", {})
        return super().head() | extras

    def finish(self, answer: Answer) -> str:
        word = super().finish(answer)
        return "stop" if word == "content_filter" else word

    def usage(self, total: Usage) -> dict[str, Any]:
        """Tokens, and what they cost; deep research counts its reasoning outside."""
        parts, model = self.reply.parts(total), self.ask.model
        apart = deep(model)
        thought = total.reasoning_tokens
        said = total.output_tokens - (thought if apart else 0)

        def get(*names: str) -> float:
            return float(sum((parts.get(name, Decimal(0)) for name in names), Decimal(0)))

        output = ("output",) if apart else ("output", "reasoning")
        cost = {
            "input_tokens_cost": get("input", "cache_read", "cache_write"),
            "output_tokens_cost": get(*output),
            "request_cost": get("request"),
            "total_cost": get(*parts),
        }
        usage = {
            "prompt_tokens": total.input_tokens,
            "completion_tokens": said,
            "total_tokens": total.input_tokens + said,
            "search_context_size": self.ask.options["size"],
        }
        if apart:
            usage |= {
                "citation_tokens": total.citation_tokens,
                "num_search_queries": total.searches,
                "reasoning_tokens": thought,
            }
            cost |= {
                "citation_tokens_cost": get("citation"),
                "reasoning_tokens_cost": get("reasoning"),
                "search_queries_cost": get("search"),
            }
        return usage | {"cost": cost}

    def choice(self, index: int, answer: Answer) -> dict[str, Any]:
        choice = super().choice(index, answer)
        del choice["logprobs"]
        return choice | {"delta": {"role": "assistant", "content": ""}}

    def plain(self) -> dict[str, Any]:
        return super().plain() | self._found

    def chunk(self, index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        self._said += delta.get("content") or ""
        message = {"role": "assistant", "content": self._said}
        choice = {
            "index": index,
            "finish_reason": finish,
            "message": message,
            "delta": {"role": "assistant", "content": ""} | delta,
        }
        usage = {} if self.ask.uncounted else {"usage": self.usage(self._spent)}
        kind = "end_of_stream" if finish else "message"
        return self._head | {"choices": [choice], "type": kind} | usage | self._found

    def frames(self) -> Iterator[Frame]:
        """There is no [DONE]: the last chunk says that it is the last."""
        self.ask.usage_chunk = False
        total = self.reply.usage
        self._spent = replace(total, output_tokens=0, reasoning_tokens=0)
        for index, answer in enumerate(self.reply.answers):
            for number, piece in enumerate(answer.pieces):
                thought = piece.kind == "thinking"
                self._spent.output_tokens += piece.tokens
                self._spent.reasoning_tokens += piece.tokens if thought else 0
                delta = self.delta(answer, number)
                data = b"" if delta is None else sse(self.chunk(index, delta))
                yield Frame("token", data, piece.tokens, thought=thought)
            yield Frame("finish", sse(self.last(index, answer)))
        yield Frame("done", b"")


class Perplexity(PerplexityWords, CompatChat):
    """Chat completions of Perplexity."""

    name = "perplexity.chat"
    writer = PerplexityWriter
    known = frozenset(
        "messages model stream country disable_search enable_search_classifier frequency_penalty "
        "image_domain_filter image_format_filter language_preference last_updated_after_filter "
        "last_updated_before_filter latitude logprobs longitude max_tokens n num_images "
        "num_search_results parallel_tool_calls presence_penalty reasoning_effort response_format "
        "return_images return_related_questions safe_search search_after_date_filter "
        "search_before_date_filter search_domain_filter search_language_filter search_mode "
        "search_recency_filter stop stream_mode temperature tool_choice tools top_k top_logprobs "
        "top_p web_search_options".split()
    )

    def check(self, body: Mapping[str, Any], model: Model) -> None:
        super().check(body, model)
        options = body.get("web_search_options")
        size = options.get("search_context_size", "low") if isinstance(options, dict) else "low"
        if size not in _SIZES or not isinstance(options, (dict, type(None))):
            raise invalid(f"search_context_size must be one of {', '.join(_SIZES)}")
        if body.get("stream_mode") not in (None, "full", "concise"):
            raise invalid("stream_mode must be one of full, concise")

    def complete(self, ask: Ask, body: Mapping[str, Any]) -> None:
        super().complete(ask, body)
        ask.options["style"] = "hidden" if deep(ask.model) else "tags"
        _check_turns(ask)
        options = body.get("web_search_options") or {}
        size = str(options.get("search_context_size", "high"))
        ask.options["size"] = size
        if not searches(ask.model) or body.get("disable_search"):
            return
        draw = Draw("pages", ask.model.id, ask.last_text())
        ask.options["pages"] = _pages(ask.last_text(), draw)
        if body.get("return_related_questions"):
            topic = prose.topic_of(ask.last_text(), draw)
            ask.options["extras"] = {"related_questions": [f"What else is there on {topic}?"]}
        if deep(ask.model):
            ask.searches, ask.citations = draw.between(3, 30), draw.between(200, 4000)
        elif "search_context_size" in options and ask.model.id in _REQUEST:
            ask.flat = _REQUEST[ask.model.id][_SIZES.index(size)] * _BILLION

    def spare(self, reply: Reply) -> SpareParts:
        error = self.error(Refusal(503, "The engine is currently overloaded."), "")
        return replace(
            super().spare(reply), error=b"event: error\n" + sse(error), error_body=encode(error)
        )


def _pages(text: str, draw: Draw) -> list[dict[str, Any]]:
    topic = prose.topic_of(text, draw).removeprefix("the ")
    path = topic.replace(" ", "-")
    return [
        {
            "title": f"All about {topic}, part {number}",
            "url": f"https://example.com/{path}/{number}",
            "date": "2026-10-01",
            "last_updated": "2026-11-01",
            "snippet": prose.paragraph(text, 1, draw),
            "source": "web",
        }
        for number in range(1, draw.between(3, 6))
    ]


def _check_turns(ask: Ask) -> None:
    """After the system messages, user (or tool) and assistant take turns."""
    rest = [turn.role for turn in ask.turns if turn.role != "system"]
    if ask.last_role == "assistant" and not ask.model.simulated:
        message = "Last message must have role `user` or `tool`."
        raise Refusal(400, message, type="invalid_message")
    sides = [role == "assistant" for role in rest if role != "tool"]
    if any(a is b for a, b in pairwise(sides)):
        message = (
            "After the (optional) system message(s), user or tool message(s) should alternate with "
            "assistant message(s)."
        )
        raise Refusal(400, message, type="invalid_message")


class PerplexityEmbeddings(PerplexityWords, CompatEmbeddings):
    """Embeddings of Perplexity: whole numbers of one byte, or one bit, in base64."""

    name = "perplexity.embeddings"

    def parse(self, body: dict[str, Any], headers: Mapping[str, str], world: World) -> Ask:
        given = dict(body)
        coding = given.pop("encoding_format", "base64_int8")
        if coding not in ("base64_int8", "base64_binary"):
            raise invalid("encoding_format must be one of base64_int8, base64_binary")
        ask = super().parse(given, headers, world)
        ask.options["coding"] = coding
        return ask

    def plain(self, reply: Reply) -> dict[str, Any]:
        body, options = super().plain(reply), reply.ask.options
        for item, text in zip(body["data"], reply.ask.inputs, strict=True):
            item["embedding"] = _packed(embed(text, options["dimensions"]), options["coding"])
        cost = float(reply.cost())
        body["usage"]["cost"] = {"input_cost": cost, "total_cost": cost, "currency": "USD"}
        return body


def _packed(vector: list[float], coding: str) -> str:
    if coding == "base64_int8":
        data = bytes(round(value * 127) & 0xFF for value in vector)
    else:
        bits = "".join("1" if value > 0 else "0" for value in vector)
        data = bytes(int(bits[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(bits), 8))
    return base64.b64encode(data).decode()
