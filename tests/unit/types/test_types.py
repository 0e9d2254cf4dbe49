"""The small types: money, usage, ids, replies, headers."""

import json
import multiprocessing
import os
import pickle
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_orchestrator.types.events import FinishEvent, StartEvent, TextDelta, ToolCallDelta
from llm_orchestrator.types.http import HTTPCall, HTTPReply
from llm_orchestrator.types.ids import IdSource
from llm_orchestrator.types.money import from_usd, rate_from_usd_per_million, to_usd, usd_text
from llm_orchestrator.types.reply import AttemptInfo, Reply, Response
from llm_orchestrator.types.request import Message, Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import TokenCount, Usage

# ------------------------------------------------------------------ money


@settings(deadline=None)
@given(st.integers(-(10**30), 10**30), st.integers(1, 28))
def test_money_there_and_back(amount: int, precision: int) -> None:
    """Whatever precision the program has set for itself."""
    with localcontext(prec=precision):
        assert from_usd(to_usd(amount)) == amount
        assert "E" not in str(to_usd(amount * 10**12))
        assert "E" not in usd_text(amount)
        assert rate_from_usd_per_million(to_usd(amount * 10**6)) == amount


@pytest.mark.parametrize(
    "amount, shown",
    [
        (0, "0"),
        (10**12, "1"),
        (100 * 10**12, "100"),
        (1_050_000_000, "0.00105"),
        (15 * 10**11, "1.5"),
    ],
)
def test_money_for_people(amount: int, shown: str) -> None:
    assert str(to_usd(amount)) == shown


def test_money_that_is_too_fine() -> None:
    assert from_usd("0.000000000001") == 1
    with pytest.raises(ValueError, match="finer"):
        from_usd("0.0000000000001")
    assert rate_from_usd_per_million("0.075") == 75_000
    assert rate_from_usd_per_million(Decimal(3)) == 3_000_000
    with pytest.raises(ValueError, match="too fine"):
        rate_from_usd_per_million("0.0000001")


# ------------------------------------------------------------------ usage and ids


def test_usage_adds_up() -> None:
    both = Usage(10, 2, 3, 4, 1, 5) + Usage(1, 1, 1, 1, 1, 1, estimated=True)
    assert both == Usage(11, 3, 4, 5, 2, 6, estimated=True)
    assert both.total_tokens == 14
    assert sum([Usage(1, 2), Usage(3, 4)], Usage()) == Usage(4, 6)


def test_ids_differ_and_say_their_kind() -> None:
    source = IdSource()
    found = {source.new("call") for _ in range(1000)}
    assert len(found) == 1000
    assert all(one.startswith(f"call_{source.prefix}-") for one in found)
    assert IdSource().prefix != source.prefix


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_a_prefix_of_its_own() -> None:
    source = IdSource()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, source.new("x").encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(read, 100).decode()
    os.close(read)
    os.close(write)
    assert theirs.startswith("x_")
    assert source.prefix not in theirs
    assert multiprocessing.active_children() == []


# ------------------------------------------------------------------ replies and events


def reply(*parts: object, cost: int | None = 5) -> Reply:
    return Reply(
        "text",
        "openai",
        "gpt-x",
        cost,
        Usage(),
        (),
        "stop",
        "call_1",
        parts,  # type: ignore[arg-type]
    )


def test_a_reply_shows_what_it_holds() -> None:
    call = ToolCall(id="a", name="f")
    found = reply(Reasoning(text="h"), Text(text="text"), call, Reasoning(text="m"))
    assert str(found) == "text"
    assert found.tool_calls == (call,)
    assert found.reasoning == "hm"
    assert found.cost == Decimal("0.000000000005")


def test_an_unknown_cost_is_none_and_not_zero() -> None:
    assert reply(cost=None).cost is None
    assert reply(cost=0).cost == 0
    assert AttemptInfo("a", "p", "m", "ok").cost is None
    assert AttemptInfo("a", "p", "m", "ok", cost_pico=10**12).cost == 1


def test_the_text_of_turns_and_responses() -> None:
    parts = (Reasoning(text="hm"), Text(text="a"), ToolCall(id="a", name="f"), Text(text="b"))
    assert Response(parts, "stop", None).text == "ab"
    assert Response((Text(text="a"),), "stop", None).text == "a"
    assert Response((), "stop", None).text == ""
    assert Message("assistant", parts).text == "ab"
    assert Message("user", "Hi").text == "Hi"


def test_only_text_prints() -> None:
    events = (StartEvent("m"), TextDelta("a"), ToolCallDelta(0, "{}"), FinishEvent("stop"))
    assert "".join(map(str, events)) == "a"


def test_headers_are_found_in_any_case() -> None:
    found = HTTPReply(200, {"Content-Type": "x", "request-id": "1"}, b"body")
    assert found.header("content-type") == found.header("CONTENT-TYPE") == "x"
    assert found.header("Request-Id") == "1"
    assert found.header("absent") is None
    assert repr(found) == "HTTPReply(200, 4 bytes)"


def test_a_call_shows_neither_body_nor_headers() -> None:
    call = HTTPCall("http://x", b"secret", {"Authorization": "secret"})
    assert repr(call) == "HTTPCall(POST http://x, 6 bytes)"


def test_a_count_knows_where_it_comes_from() -> None:
    count = TokenCount(12, exact=True)
    assert (count, count.exact, f"{count:,}") == (12, True, "12")
    again = pickle.loads(pickle.dumps(TokenCount(7, exact=False)))
    assert (again, again.exact) == (7, False)
    assert json.dumps(count) == "12"
