"""From what an attempt told to what it cost."""

import msgspec
import pytest

from llm_orchestrator.dialects import anthropic
from llm_orchestrator.errors import TruncatedError
from llm_orchestrator.pipeline.attempt import Attempt, Call
from llm_orchestrator.pipeline.meter import Meter
from llm_orchestrator.types.events import (
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    UsageEvent,
)
from llm_orchestrator.types.model import Model, Price, Rates
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.request import Effort, Message, Part, Reasoning, Request, Text, ToolCall
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects import targets
from tests.unit.pipeline.outcomes import attempt

PRICE = Price(input=2, output=10, search=5_000)


def priced(price: Price) -> Candidate:
    target = targets.anthropic()
    model = Model(provider="anthropic", id="claude-x", prices=(price,))
    return msgspec.structs.replace(target, model=model)


def searched(times: int, price: Price = PRICE) -> int | None:
    target = priced(price)
    usage = {
        "input_tokens": 100,
        "output_tokens": 7,
        "server_tool_use": {"web_search_requests": times},
    }
    body = {"type": "message", "content": [{"type": "text", "text": "x"}], "usage": usage}
    one = attempt(target)
    one.answered(anthropic.decode(targets.reply(200, msgspec.json.encode(body)), target))
    one.status = "ok"
    Meter().leave(one)
    return one.cost


def test_searches_of_the_provider_are_charged() -> None:
    assert searched(0) == 100 * 2 + 7 * 10
    assert searched(3) == 100 * 2 + 7 * 10 + 3 * 5_000


def test_searches_without_a_price_leave_the_cost_unknown() -> None:
    assert searched(0, Price(input=2, output=10)) == 270
    assert searched(1, Price(input=2, output=10)) is None


@pytest.mark.parametrize(
    "asked,told,cost",
    [
        (None, None, 200),
        ("flex", "flex", 100),
        ("flex", None, 100),  # a reply that does not say got what was asked for
        ("flex", "standard", 200),
        (None, "flex", 100),
        ("priority", None, 200),  # there is no such tier, so it was left out of the request
        ("priority", "priority", None),
        ("auto", None, 200),
    ],
)
def test_the_tier_that_is_charged(asked: str | None, told: str | None, cost: int | None) -> None:
    one = attempt(priced(Price(input=2, output=10, flex=Rates(input=1))))
    one.request = Request(messages=(Message("user", "x"),), service_tier=asked)
    one.answered(Response((), "stop", Usage(100), service_tier=told))
    one.status = "ok"
    Meter().leave(one)
    assert one.cost == cost


# ------------------------------------------------------------------ where no usage is told

PARTS: tuple[Part, ...] = (
    Reasoning(text="t" * 40),
    Text(text="a" * 80),
    Text(text="灯塔" * 20),
    ToolCall(id="c", name="f", arguments="{" + "x" * 38 + "}"),
)
OUTPUT = 10 + 20 + 40 + 10
EVENTS: tuple[StreamEvent, ...] = (
    ReasoningDelta("t" * 40),
    *(TextDelta("aaaa") for _ in range(20)),
    *(TextDelta("灯塔") for _ in range(20)),
    ToolCallDelta(0, "{" + "x" * 38 + "}", "c", "f"),
)


def target(price: Price = PRICE) -> Candidate:
    """A model whose tokens are guessed without a factor."""
    model = Model(provider="openai", id="gpt-4o", prices=(price,))
    return msgspec.structs.replace(targets.openai(), model=model)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_whole_answer_is_estimated(streamed: bool) -> None:
    one = attempt(target())
    if streamed:
        for event in EVENTS:
            one.saw(event)
    else:
        one.answered(Response(PARTS, "stop", None))
    one.status = "ok"
    Meter().leave(one)
    assert one.usage == Usage(7, OUTPUT, estimated=True)
    assert (one.cost, one.cost_source) == (7 * 2 + OUTPUT * 10, "estimate")


def test_a_local_one_is_estimated_too_and_free() -> None:
    local = msgspec.structs.replace(target(), provider=targets.openai(local=True).provider)
    one = attempt(local)
    one.answered(Response(PARTS, "stop", None))
    one.status = "ok"
    Meter().leave(one)
    assert one.usage == Usage(7, OUTPUT, estimated=True)
    assert (one.cost, one.cost_source) == (0, "free")


def test_a_cost_that_the_provider_reports_stands() -> None:
    one = attempt(target())
    one.answered(Response(PARTS, "stop", None, reported_cost=5))
    one.status = "ok"
    Meter().leave(one)
    assert (one.cost, one.cost_source) == (5, "provider")
    assert one.usage is not None


def test_embedded_texts_are_estimated() -> None:
    call = attempt(target()).call
    one = Attempt(call, target(), 1000, ["a" * 40, "b" * 40])
    one.answered(Response((), "stop", None))
    one.status = "ok"
    Meter().leave(one)
    assert one.usage == Usage(20, 0, estimated=True)


def test_an_answer_that_broke_off_counts_at_least_what_came() -> None:
    one = attempt(target())
    one.saw(UsageEvent(Usage(9, 1, searches=1, estimated=True)))
    one.saw(TextDelta("a" * 80))
    one.status = "truncated"
    Meter().leave(one)
    assert one.usage == Usage(9, 20, searches=1, estimated=True)


def test_what_is_told_is_not_estimated() -> None:
    one = attempt(target())
    one.answered(Response(PARTS, "stop", Usage(3, 4)))
    one.status = "ok"
    Meter().leave(one)
    assert (one.usage, one.cost_source) == (Usage(3, 4), "price")


def test_an_error_without_any_text_is_not_estimated() -> None:
    one = attempt(target())
    one.status, one.status_code = "error", 200
    Meter().leave(one)
    assert (one.usage, one.cost, one.cost_source) == (None, None, "unknown")


def cut_off(abilities: str | None, effort: Effort | None = None) -> int | None:
    """The cost of a stream that broke off after some text, before it told its usage."""
    target = priced(PRICE)
    known = None if abilities is None else frozenset(abilities.split())
    model = msgspec.structs.replace(target.model, abilities=known)
    request = Request(messages=(Message("user", "Hi"),), max_tokens=64, effort=effort)
    one = attempt(msgspec.structs.replace(target, model=model), Call(request, session_id="ses"))
    one.saw(TextDelta("some words of an answer"))
    one.failed(TruncatedError("x"))
    Meter().leave(one)
    assert one.usage is not None
    assert one.usage.estimated
    return one.cost


def test_hidden_thoughts_are_not_guessed() -> None:
    assert cut_off(None) is not None
    assert cut_off("sampling reasoning") is not None
    assert cut_off("sampling reasoning", "high") is None
    assert cut_off("reasoning") is None


def test_thoughts_that_were_counted_all_along_are_known() -> None:
    one = attempt(msgspec.structs.replace(target(), model=_thinker()))
    one.saw(UsageEvent(Usage(9, 50, reasoning_tokens=40, estimated=True)))
    one.saw(TextDelta("a" * 8))
    one.failed(TruncatedError("x"))
    Meter().leave(one)
    assert (one.cost, one.cost_source) == (9 * 2 + 50 * 10, "estimate")
    # A wire that tells its input first has said nothing of thoughts.
    one = attempt(msgspec.structs.replace(target(), model=_thinker()))
    one.saw(UsageEvent(Usage(9, 1, estimated=True)))
    one.saw(TextDelta("a" * 8))
    one.failed(TruncatedError("x"))
    Meter().leave(one)
    assert (one.cost, one.cost_source) == (None, "unknown")


def _thinker() -> Model:
    abilities = frozenset(("reasoning",))
    return Model(provider="openai", id="gpt-4o", prices=(PRICE,), abilities=abilities)
