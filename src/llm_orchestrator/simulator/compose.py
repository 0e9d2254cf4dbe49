"""From a valid request to the whole reply, the same for requests and for items of batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_orchestrator.simulator.answers import Answer, generate
from llm_orchestrator.simulator.ask import Ask
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.prices import Usage
from llm_orchestrator.simulator.wire import Reply, Wire

if TYPE_CHECKING:
    from llm_orchestrator.simulator.world import World


def compose(
    world: World, wire: Wire, account: str, number: int, ask: Ask, fault: Fault | None = None
) -> Reply:
    """The reply to a request, as a content fault makes it, with the usage of all of it."""
    name = fault.name if fault else ""
    ask.unicode, ask.uncounted = name == "split-utf8", name == "no-usage"
    if name == "content-filter":
        ask.silent = "blocked"
    answers = _changed(generate(ask, world.seed), fault)
    cache = wire.cached(world, account, ask)
    usage = Usage(
        input_tokens=ask.input_tokens,
        cache_read_tokens=cache.read,
        cache_write_tokens=cache.write_5m + cache.write_1h,
        cache_write_1h_tokens=cache.write_1h,
        output_tokens=sum(a.output_tokens for a in answers),
        reasoning_tokens=sum(a.thinking_tokens for a in answers),
        citation_tokens=ask.citations,
        searches=ask.searches,
    )
    return Reply(world, number, ask, answers, usage, cache)


def _changed(answers: list[Answer], fault: Fault | None) -> list[Answer]:
    """Answers as a content fault makes them."""
    name = fault.name if fault else ""
    if name == "empty":
        return [Answer() for _ in answers]
    if name == "filtered" and fault:
        for answer in answers:
            answer.pieces = [p for p in answer.pieces if p.kind == "text"][: fault.after]
            answer.calls, answer.finish, answer.stop_sequence = [], "content_filter", None
    return answers
