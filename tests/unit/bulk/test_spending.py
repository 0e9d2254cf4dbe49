"""Money of the online lane: what is held is never passed."""

import asyncio

import msgspec
import pytest

from llm_orchestrator.bulk.online.spending import Spending
from llm_orchestrator.bulk.planning.bounds import most_online
from llm_orchestrator.catalog import Catalog
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Message, OutputSchema, Request

TARGET = Candidate(TABLE["openai"], Catalog().resolve("gpt-4o-mini", "openai"))
ASKED = Request(messages=(Message("user", "Say it."),), max_tokens=100)


def bound() -> int:
    most = most_online(ASKED, TARGET)
    assert most
    return most


async def test_without_a_cap_nothing_is_held() -> None:
    assert await Spending(None).hold(ASKED, TARGET) == 0


async def test_what_does_not_fit_is_refused() -> None:
    spending = Spending(bound() - 1)
    assert await spending.hold(ASKED, TARGET) is None
    assert spending.empty


async def test_a_call_waits_for_what_another_gives_back() -> None:
    spending = Spending(bound() * 3 // 2)
    held = await spending.hold(ASKED, TARGET)
    assert held == bound()
    second = asyncio.ensure_future(spending.hold(ASKED, TARGET))
    await asyncio.sleep(0)
    assert not second.done()
    spending.settle(held, held // 10)
    assert await second == bound()


async def test_the_last_call_does_without_a_repair() -> None:
    """A cap of what an item can cost at most pays for it, and is not passed for its repair."""
    typed = msgspec.structs.replace(ASKED, schema=OutputSchema("mood", {"type": "object"}))
    whole, once = most_online(typed, TARGET), most_online(typed, TARGET, repair=False)
    assert whole
    assert once
    spending = Spending(whole + once)
    first = await spending.hold(typed, TARGET)
    assert first == whole
    assert spending.repairs(typed, TARGET, first)
    second = asyncio.ensure_future(spending.hold(typed, TARGET))
    await asyncio.sleep(0)
    assert not second.done()  # the first one may give something back
    spending.settle(first, None)
    assert await second == once
    assert not spending.repairs(typed, TARGET, once)
    assert not spending.empty


@pytest.mark.parametrize("cost", [None, 10**15])
async def test_what_cost_more_than_is_left_ends_it(cost: int | None) -> None:
    spending = Spending(bound() * 3 // 2)
    held = await spending.hold(ASKED, TARGET)
    assert held is not None
    spending.settle(held, cost)
    assert await spending.hold(ASKED, TARGET) is None
