"""Budgets from the outside: calls through an orchestrator, over the simulator."""

import asyncio
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator, BudgetError, ConfigError
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.money import PICO_PER_USD
from tests.integration.world import HELLO, KEY, MINI, configuration, end_of, table
from tests.waiting import until


def under(sim: Simulator, *budgets: dict[str, Any], **more: Any) -> AsyncLLMOrchestrator:
    return AsyncLLMOrchestrator(configuration(sim) | {"budgets": list(budgets)} | more)


def windows(home: Path) -> dict[str, tuple[int, int, int]]:
    with closing(sqlite3.connect(home / "ledger.db")) as db:
        rows = db.execute(
            "SELECT b.scope || ' ' || w.window_key, w.spent_pico, w.held_pico, w.unknown_pico"
            " FROM budget_windows AS w JOIN budgets AS b ON b.budget_id = w.budget_id"
        )
        return {row[0]: row[1:] for row in rows}


async def test_a_budget_stops_calls_when_it_is_spent(sim: Simulator, llmo_home: Path) -> None:
    cap = Decimal("0.0003")
    llm = under(sim, {"scope": "global", "cap": cap})
    answered, error = 0, None
    while error is None:
        try:
            await llm.send_request(HELLO, max_tokens=60, provider="openai")
            answered += 1
        except BudgetError as caught:
            error = caught
    await llm.close()
    assert error.code == "budget"
    assert error.budget == "budget for everything"
    assert error.cap == cap
    assert error.spent is not None
    assert error.attempts == ()
    bill = sim.ledger()["total"]["cost_pico"]
    assert answered > 4
    assert bill == error.spent * PICO_PER_USD
    # What is left does not pay for one more.
    hold = max(row["hold_pico"] for row in table(llmo_home, "attempts"))
    assert cap * PICO_PER_USD - hold < bill <= cap * PICO_PER_USD
    assert windows(llmo_home) == {"global total": (bill, 0, 0)}
    [last] = [row for row in table(llmo_home, "calls") if row["status"] == "error"]
    assert last["error"] == "BudgetError"


async def test_streams_and_embeddings_are_charged(sim: Simulator, llmo_home: Path) -> None:
    every = {"scope": "global", "cap": 1}
    async with under(sim, {"scope": "user", "subject": "ana", "cap": 1}, every) as llm:
        async for _ in llm.send_streaming_request(HELLO, user="ana", max_tokens=30):
            pass
        await llm.send_request(HELLO, user="bob", max_tokens=30)
        await llm.send_request(HELLO, user="ana", max_tokens=30)
        await llm.embed(["one", "two"], model="text-embedding-3-small")
    rows = {row["attempt_id"]: row for row in table(llmo_home, "settlements")}
    hers = [row["attempt_id"] for row in table(llmo_home, "attempts") if row["user_id"] == "ana"]
    assert len(hers) == 2
    assert windows(llmo_home) == {
        "user total": (sum(rows[x]["cost_pico"] for x in hers), 0, 0),
        "global total": (sim.ledger()["total"]["cost_pico"], 0, 0),
    }


async def test_who_is_too_dear_is_passed_over(sim: Simulator) -> None:
    async with under(sim, {"scope": "global", "cap": "0.0005"}) as llm:
        chain = ["gpt-4o", MINI]
        reply = await llm.send_request(HELLO, chain=chain, max_tokens=200)
        assert reply.model.startswith(MINI)
        assert [one.model for one in reply.attempts] == [MINI]


async def test_the_budget_of_a_key(sim: Simulator) -> None:
    providers = configuration(sim)["providers"]
    providers["anthropic"]["api_key"] = f"{KEY}-another"
    spent = {"scope": "key", "subject": "openai", "cap": "0.00001"}
    async with under(sim, spent, providers=providers) as llm:
        reply = await llm.send_request(HELLO, max_tokens=60)
        assert reply.provider == "anthropic"
        with pytest.raises(BudgetError, match="the budget of key_"):
            await llm.send_request(HELLO, max_tokens=60, provider="openai")


async def test_a_wrong_key_is_told_at_once(sim: Simulator) -> None:
    with pytest.raises(ConfigError, match=r"budgets\[0\].subject: .*opnai"):
        under(sim, {"scope": "key", "subject": "opnai", "cap": 1})
    with pytest.raises(ConfigError, match=r"budgets\[0\].subject: Groq has no key"):
        under(sim, {"scope": "key", "subject": "groq", "cap": 1})


async def test_many_calls_at_once_never_pass_it(sim: Simulator, llmo_home: Path) -> None:
    cap = Decimal("0.0005")
    llm = under(sim, {"scope": "global", "cap": cap}, fallback={"enabled": False})
    asked = [llm.send_request(f"Number {n}?", max_tokens=60) for n in range(64)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    await llm.close()
    refused = [one for one in found if isinstance(one, BudgetError)]
    assert 0 < len(refused) < 64
    assert len(refused) + sum(not isinstance(one, Exception) for one in found) == 64
    bill = sim.ledger()["total"]["cost_pico"]
    hold = max(row["hold_pico"] for row in table(llmo_home, "attempts"))
    # Who did not fit waited for the others, so that no money is left for one more.
    assert cap * PICO_PER_USD - hold < bill <= cap * PICO_PER_USD


async def test_budgets_hold_where_costs_are_not_tracked(sim: Simulator, llmo_home: Path) -> None:
    off: Any = {"cost_tracking": {"enabled": False}}
    async with under(sim, {"scope": "global", "cap": "0.0001"}, **off) as llm:
        await llm.send_request(HELLO, max_tokens=60, provider="openai")
        with pytest.raises(BudgetError):
            await llm.send_request(HELLO, max_tokens=60, provider="openai")
    assert table(llmo_home, "calls") == []
    # Those of the store hold, too, when the configuration has none.
    async with under(sim, **off) as llm:
        with pytest.raises(BudgetError):
            await llm.send_request(HELLO, max_tokens=60, provider="openai")


async def test_no_store_is_made_where_there_is_nothing_to_keep(
    sim: Simulator, llmo_home: Path
) -> None:
    async with under(sim, cost_tracking={"enabled": False}) as llm:
        await llm.send_request(HELLO, max_tokens=60)
    assert not (llmo_home / "ledger.db").exists()


async def test_the_key_of_an_attempt_is_a_digest(
    llm: AsyncLLMOrchestrator, llmo_home: Path
) -> None:
    await llm.send_request(HELLO, max_tokens=8)
    await llm.close()
    [row] = table(llmo_home, "attempts")
    assert row["key_id"].startswith("key_")
    assert KEY not in row["key_id"]


async def test_an_answer_is_cut_to_what_is_left(sim: Simulator, llmo_home: Path) -> None:
    async with under(sim, {"scope": "user", "cap": "0.001"}) as llm:
        reply = await llm.send_request(HELLO, user="ana")  # up to 16,384 tokens, for 0.0098
        [notice] = [text for text in reply.notices if "budget" in text]
        assert notice.startswith("the answer was limited to 1587 ")
        [first] = table(llmo_home, "attempts")
        assert 0.00099 * PICO_PER_USD < first["hold_pico"] <= 0.001 * PICO_PER_USD
        pieces = [one async for one in llm.send_streaming_request(HELLO, user="ana")]
        assert "limited" in str(end_of(pieces).notices)
        whole = await llm.send_request(HELLO, user="ana", max_tokens=300)
        assert not [text for text in whole.notices if "budget" in text]
    rows = table(llmo_home, "attempts")
    assert len(rows) == 3, "tries that did not fit are not booked"
    assert sim.ledger()["total"]["requests"] == 3


async def test_an_answer_is_not_cut_too_short(sim: Simulator) -> None:
    async with under(sim, {"scope": "global", "cap": "0.0001"}) as llm:
        with pytest.raises(BudgetError) as caught:
            await llm.send_request(HELLO, provider="openai")
    assert caught.value.code == "budget"
    assert caught.value.hold is not None
    assert 0.0001 < caught.value.hold < 0.0003, "that of 256 tokens"


async def test_answers_are_not_cut_for_what_is_held_meanwhile(sim: Simulator) -> None:
    sim.add_fault(fault="slow-headers", seconds=0.3, count=1)
    async with under(sim, {"scope": "global", "cap": "0.012"}) as llm:
        first = asyncio.create_task(llm.send_request(HELLO, provider="openai"))
        await until(sim.log)
        second = await llm.send_request(HELLO, provider="openai")
        assert not [text for text in second.notices if "budget" in text], "it has waited"
        await first
