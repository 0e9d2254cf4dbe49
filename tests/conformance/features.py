"""What providers do, each told once: what is sent, and what must hold of the answer."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.catalog import price_on
from llm_orchestrator.simulator.answers import UNICODE
from llm_orchestrator.types.events import ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta
from llm_orchestrator.types.reply import Reply
from llm_orchestrator.types.request import Message, ToolCall, ToolResult

from .case import HELLO, Case

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGA"
    "WjR9awAAAABJRU5ErkJggg=="
)
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": CITY}}
LONG = "The same long beginning of every question. " * 700


# ------------------------------------------------------------------ what must hold of any answer


def answered(case: Case, reply: Reply, told: str = "") -> None:
    """One attempt gave a complete answer; the notices are about ``told``, or there are none."""
    assert (reply.provider, reply.finish_reason) == (case.row.name, "stop")
    assert reply.content.strip()
    assert [(a.status, a.status_code) for a in reply.attempts] == [("ok", 200)]
    noticed(reply, told)


def noticed(reply: Reply, told: str) -> None:
    notices = [notice for notice in reply.notices if not notice.startswith("the cost of attempt")]
    assert bool(told) == bool(notices), notices
    assert all(told in notice for notice in notices), notices
    assert (reply.cost is None) == (len(notices) < len(reply.notices)), "unknown, and said so"


async def refused_when_strict(case: Case, **options: Any) -> None:
    """Where nothing may be dropped, the target is refused, and who could do it is named."""
    with pytest.raises(E.UnsupportedError) as caught:
        await case.ask(strict=True, **options)
    assert caught.value.alternatives
    assert case.sim.log() == []


def text_of(events: Sequence[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


# ------------------------------------------------------------------ answers


async def plain(case: Case) -> None:
    plan = await case.llm.estimate_cost(HELLO, model=case.model, max_tokens=400)
    reply = await case.ask(max_tokens=400)
    answered(case, reply)
    assert len(reply.content.split()) > 5
    assert plan.cost_high is not None
    assert reply.cost is not None
    assert reply.cost <= plan.cost_high


async def system(case: Case) -> None:
    for reply in await case.both(system="Answer in exactly 3 words."):
        answered(case, reply)
        assert len(reply.content.split()) == 3


async def multi_turn(case: Case) -> None:
    last = {"role": "user", "content": "And what is it called?"}
    alone = await case.ask([last])
    turns = [*HELLO, {"role": "assistant", "content": "It is quiet, and the sea is grey."}, last]
    reply = await case.ask(turns)
    answered(case, reply)
    assert reply.usage.input_tokens > alone.usage.input_tokens + 10
    assert reply.content != alone.content


async def image(case: Case) -> None:
    text = {"type": "text", "text": "What is this?"}
    parts = [text, {"type": "image_url", "image_url": {"url": PIXEL}}]
    seen = await case.both([{"role": "user", "content": parts}])
    blind = await case.ask([{"role": "user", "content": [text]}])
    for reply in seen:
        answered(case, reply)
        assert reply.content != blind.content


# ------------------------------------------------------------------ tools


async def tools(case: Case) -> None:
    reply = await case.ask("What is the weather in Paris?", tools=[WEATHER])
    (call,) = reply.tool_calls
    assert (call.name, reply.finish_reason) == ("get_weather", "tool_calls")
    assert json.loads(call.arguments).keys() == {"city"}
    assert call.id
    noticed(reply, "")
    quirks = case.row.target("tools").provider.quirks
    demanded = "required" in quirks.tool_choices and "tool_choice" not in quirks.unsupported
    reply = await case.ask(tools=[WEATHER], tool_choice="required")
    assert bool(reply.tool_calls) == demanded
    noticed(reply, "" if demanded else "tool_choice")


async def tool_result(case: Case) -> None:
    question = Message("user", "What is the weather in Paris?")
    reply = await case.ask([question], tools=[WEATHER])
    (call,) = reply.tool_calls
    moved = ToolCall(id="call_of-another_provider_0123456789", name=call.name, arguments="{}")
    for turn, mine in ((reply.parts, call), ((moved,), moved)):
        result = Message("tool", (ToolResult(call_id=mine.id, content="20 degrees"),))
        history = [question, Message("assistant", turn), result]
        for answer in await case.both(history, tools=[WEATHER]):
            assert "20 degrees" in answer.content
            assert answer.finish_reason == "stop"


async def parallel_tools(case: Case) -> None:
    question = Message("user", "What is the weather in Paris and in Rome?")
    reply = await case.ask([question], tools=[WEATHER])
    cities = [json.loads(call.arguments)["city"] for call in reply.tool_calls]
    assert len(set(cities)) == 2
    assert len({call.id for call in reply.tool_calls}) == 2
    told = [f"{city}: {degrees} degrees" for degrees, city in enumerate(cities, 20)]
    results = tuple(
        ToolResult(call_id=call.id, content=text)
        for call, text in zip(reply.tool_calls, told, strict=True)
    )
    history = [question, Message("assistant", reply.parts), Message("tool", results)]
    answer = await case.ask(history, tools=[WEATHER])
    assert all(text in answer.content for text in told)


async def stream_with_tools(case: Case) -> None:
    ask = {"messages": "What is the weather in Paris and in Rome?", "tools": [WEATHER]}
    whole = await case.ask(**ask)
    events, reply = await case.stream(**ask)
    pieces = [event for event in events if isinstance(event, ToolCallDelta)]
    for place, call in enumerate(reply.tool_calls):
        mine = [piece for piece in pieces if piece.index == place]
        assert "".join(piece.arguments for piece in mine) == call.arguments
        assert (mine[0].id, mine[0].name) == (call.id, call.name)
    assert reply.finish_reason == whole.finish_reason == "tool_calls"
    assert [json.loads(call.arguments) for call in reply.tool_calls] == [
        json.loads(call.arguments) for call in whole.tool_calls
    ]


async def schema(case: Case) -> None:
    said = "Which city is it: Paris or Rome?"
    told = case.outcome == "told"
    if told:
        await refused_when_strict(case, schema=CITY)
    in_stream = "stream" in case.row.target("schema").provider.quirks.schema_without
    whole, streamed = await case.both(said, schema=CITY)
    answered(case, whole, "schema" if told else "")
    answered(case, streamed, "schema" if told or in_stream else "")
    for reply in (whole, streamed):
        assert reply.parsed.keys() == {"city"}
        assert json.loads(reply.content) == reply.parsed


# ------------------------------------------------------------------ streams


async def stream(case: Case) -> None:
    whole = await case.ask()
    events, reply = await case.stream()
    answered(case, reply)
    assert text_of(events) == reply.content == whole.content
    assert sum(isinstance(event, TextDelta) for event in events) > 3


async def unicode_split(case: Case) -> None:
    """Characters that are torn apart between two packets come out whole."""
    case.fault("split-utf8")
    whole = await case.ask()
    events, reply = await case.stream()
    assert whole.content.endswith(UNICODE)
    assert text_of(events) == reply.content == whole.content
    noticed(reply, "")


# ------------------------------------------------------------------ usage


async def usage(case: Case) -> None:
    """That the numbers are those of the bill is looked at after every scenario."""
    whole, streamed = await case.both()
    assert whole.usage == streamed.usage
    assert not whole.usage.estimated
    assert whole.usage.input_tokens > 5
    assert whole.usage.output_tokens > 5


async def cached(case: Case) -> None:
    parts = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    turns = [{"role": "user", "content": parts}]
    first, second = await case.both(turns)
    third = await case.ask(turns)
    assert first.usage.cache_read_tokens == 0
    assert first.usage.input_tokens == second.usage.input_tokens == third.usage.input_tokens
    for reply in (second, third):
        told = reply.notices
        assert all("cache" in notice for notice in told)
        if case.row.can("cache") and "cache" not in case.row.unsaid:
            assert 0 < reply.usage.cache_read_tokens <= reply.usage.input_tokens
    price = price_on(case.row.target("cache").model)
    if third.usage.cache_read_tokens and price and price.cache_read:
        assert first.cost is not None
        assert third.cost is not None
        assert third.cost < first.cost


async def reasoning(case: Case) -> None:
    if case.outcome == "told":
        await refused_when_strict(case, effort="high")
        for reply in await case.both(effort="high"):
            answered(case, reply, "effort")
            assert not reply.reasoning
        return
    whole = await case.ask(effort="high")
    events, streamed = await case.stream(effort="high")
    thought = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    assert thought == streamed.reasoning == whole.reasoning
    assert bool(thought) != ("thoughts" in case.row.unsaid)
    for reply in (whole, streamed):
        answered(case, reply)
        if "reasoning" not in case.row.unsaid:
            assert 0 < reply.usage.reasoning_tokens < reply.usage.output_tokens


# ------------------------------------------------------------------ beside answers


async def embeddings(case: Case) -> None:
    found = await case.llm.embed(["a b c", "d", "a b c"], model=case.model)
    first, other, same = found.vectors
    assert first == same != other
    assert len({len(vector) for vector in found.vectors}) == 1
    assert len(first) > 10


async def models(case: Case) -> None:
    found = await case.llm.refresh_models(case.row.name)
    assert all(model.provider == case.row.name for model in found)
    assert len({model.id for model in found}) == len(found) > 0
    asked = case.row.target().model
    if asked.known and asked.prices and not case.row.wire:  # other wires have no list of their own
        assert asked.id in {model.id for model in found}
    (health,) = await case.llm.health(case.row.name)
    assert health.healthy, health.message


async def count(case: Case) -> None:
    alone = await case.llm.count_tokens(HELLO, model=case.model, exact=True)
    more = await case.llm.count_tokens(HELLO, model=case.model, exact=True, system="Be brief.")
    assert more > alone
    estimate = await case.llm.count_tokens(HELLO, model=case.model)
    assert abs(estimate - alone) < 20
    assert (await case.ask()).usage.input_tokens == alone
