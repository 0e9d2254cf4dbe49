"""The bill: figures worked out by hand, and what is charged when things end early."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from llm_orchestrator.simulator import Simulator, account_of
from llm_orchestrator.simulator.catalogue import BUILTIN
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.prices import Prices, Usage, dollars, picos
from tests.waiting import until

from .conftest import HELLO
from .raw import post

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
KEY = "sk-bill-0123456789abcdef"


def model(name: str, provider: str = "openai") -> Model:
    return Model(provider, name, name)


TIERED: dict[str, dict[str, Any]] = {
    "openai": {
        "big": {
            "prices": [
                {"from": "2020-01-01", "input": 9, "output": 9},
                {
                    "from": "2025-01-01",
                    "input": 2_000_000,
                    "output": 10_000_000,
                    "cache_read": 200_000,
                    "per_request": 5_000_000_000,
                    "flex": {"input": 1_000_000, "output": 5_000_000},
                    "above": [
                        {
                            "tokens": 200_000,
                            "input": 4_000_000,
                            "output": 15_000_000,
                            "flex": {"input": 3_000_000},
                        }
                    ],
                },
                {"from": "2031-01-01", "input": 1, "output": 1},
            ]
        },
        "unpriced": {"prices": []},
        "half": {"prices": [{"input": 1}]},
    }
}


@pytest.mark.parametrize(
    "usage, tier, expected",
    [
        # 100 x 2 + 10 x 10 dollars a million, and 0.005 for the request
        (Usage(input_tokens=100, output_tokens=10), "", "0.0053"),
        # 60 x 2 + 40 x 0.2 + 10 x 10
        (Usage(input_tokens=100, cache_read_tokens=40, output_tokens=10), "", "0.005228"),
        # exactly at the threshold: still the lower price
        (Usage(input_tokens=200_000, output_tokens=1), "", "0.40501"),
        # one token more: all tokens at the higher one
        (Usage(input_tokens=200_001, output_tokens=1), "", "0.805019"),
        (Usage(input_tokens=100, output_tokens=10), "flex", "0.00515"),
        (Usage(input_tokens=200_001, output_tokens=1), "flex", "0.605018"),
        (Usage(), "", "0"),
    ],
)
def test_dates_tiers_and_service_tiers(usage: Usage, tier: str, expected: str) -> None:
    cost = Prices(TIERED).cost(model("big"), usage, "2026-11-20", tier)
    assert cost is not None
    assert dollars(cost) == expected
    assert picos(cost) == int(Decimal(expected) * 10**12)


def test_the_right_price_for_the_day() -> None:
    usage = Usage(input_tokens=1, output_tokens=1)
    assert picos(Prices(TIERED).cost(model("big"), usage, "2021-05-05") or Decimal(0)) == 18
    assert picos(Prices(TIERED).cost(model("big"), usage, "2031-01-01") or Decimal(0)) == 2
    assert Prices(TIERED).cost(model("big"), usage, "2019-12-31") is None


def test_unknown_prices_are_none_and_never_zero() -> None:
    usage = Usage(input_tokens=1, output_tokens=1)
    for name in ("unpriced", "half", "nobody"):
        assert Prices(TIERED).cost(model(name), usage, "2026-11-20") is None


def test_cache_writes_of_both_lifetimes() -> None:
    usage = Usage(
        input_tokens=10_000,
        cache_read_tokens=3_000,
        cache_write_tokens=5_000,
        cache_write_1h_tokens=2_000,
        output_tokens=100,
        reasoning_tokens=70,
    )
    cost = Prices(BUILTIN).cost(
        model("claude-haiku-4-5-20251001", "anthropic"), usage, "2026-11-20"
    )
    # 2000 x 1.00 + 3000 x 0.10 + 3000 x 1.25 + 2000 x 2.00 + 100 x 5.00, in dollars a million
    assert dollars(cost or Decimal(0)) == "0.01055"


def test_overrides_are_dollars_a_million() -> None:
    prices = Prices(BUILTIN, {"sim-chat": {"input": "0.15", "output": "0.60"}})
    cost = prices.cost(model("sim-chat"), Usage(input_tokens=7, output_tokens=3), "2026-11-20")
    assert dollars(cost or Decimal(0)) == "0.00000285"
    with pytest.raises(ValueError, match="finer than a picodollar"):
        Prices(BUILTIN, {"x": {"input": "0.0000001"}})


async def test_totals_since_and_exact_text(tmp_path: Path) -> None:
    ledger = tmp_path / "bill.jsonl"
    async with Simulator(timings={"token": 0}, ledger_file=ledger) as sim:
        ask = {"model": "fb-ok", "messages": [{"role": "user", "content": "Hi"}]}
        for _ in range(3):
            await post(sim, CHAT, ask, KEY)
        await post(sim, CHAT, ask, "sk-other-0123456789abc")
        await post(sim, CHAT, ask | {"model": "gpt-none"}, KEY)
        await post(sim, CHAT, ask | {"model": "fb-s04-503-persistent"}, KEY)
        bill = sim.ledger()
        # 7 input tokens at 1 dollar and 60 output tokens at 2 dollars a million
        assert [row["cost_pico"] for row in bill["rows"]] == [127_000_000] * 4 + [0, 0]
        assert bill["rows"][0]["cost_usd"] == "0.000127"
        assert bill["total"]["cost_usd"] == "0.000508"
        mine = [t for t in bill["totals"] if t["account"] == account_of(KEY)]
        assert {t["model"]: (t["requests"], t["cost_pico"]) for t in mine} == {
            "fb-ok": (3, 381_000_000),
            "fb-s04-503-persistent": (1, 0),
            "gpt-none": (1, 0),
        }
        later = sim.ledger(since=4)
        assert [row["seq"] for row in later["rows"]] == [5, 6]
        assert later["last_seq"] == 6
        assert sim.ledger(since=6)["rows"] == []
        async with aiohttp.ClientSession() as http:
            async with http.get(f"{sim.url}/_ledger?since=5") as reply:
                assert [row["seq"] for row in (await reply.json())["rows"]] == [6]
            async with http.get(f"{sim.url}/_ledger?since=x") as reply:
                assert reply.status == 400
            async with http.post(f"{sim.url}/_reset", json={}) as reply:
                assert reply.status == 200
            assert len(sim.ledger()["rows"]) == 6
            async with http.post(f"{sim.url}/_reset", json={"ledger": True}) as reply:
                assert reply.status == 200
        assert sim.ledger()["rows"] == []
    written = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert written == bill["rows"]
    assert KEY not in ledger.read_text()


async def cancelled(sim: Simulator, path: str, ask: dict[str, Any], after: float) -> Any:
    """Send a request, hang up after a while, and wait until the simulator has noticed."""
    data = json.dumps(ask).encode()
    _, writer = await asyncio.open_connection(sim.host, sim.port)
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        f"anthropic-version: 2023-06-01\r\nContent-Length: {len(data)}\r\n\r\n".encode()
        + data
    )
    await writer.drain()
    await asyncio.sleep(after)
    writer.close()
    await until(lambda: sim.ledger()["rows"][-1]["settled"])  # it notices that its client is gone
    return sim.ledger()["rows"][-1]


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_owes_what_was_generated(path: str, stream: bool) -> None:
    async with Simulator(latency="0.05,0.1") as sim:
        ask = {"model": "sim-chat", "messages": HELLO, "max_tokens": 500, "stream": stream}
        row = await cancelled(sim, path, ask, 0.5)
        assert row["outcome"] == "cancelled"
        assert 2 <= row["usage"]["output_tokens"] <= 40
        assert row["usage"]["input_tokens"] > 5
        owed = row["usage"]["input_tokens"] * 500_000 + row["usage"]["output_tokens"] * 1_500_000
        assert row["cost_pico"] == owed
        entry = sim.log()[-1]
        assert entry["client_gone"] >= 0.1
    async with Simulator() as sim:
        whole = await post(sim, path, ask | {"stream": False}, KEY)
        assert whole.status == 200
        assert sim.ledger()["rows"][-1]["usage"]["output_tokens"] > 40


async def test_leaving_before_generation_costs_nothing() -> None:
    async with Simulator() as sim:
        for fault in ("silence", "slow-headers"):
            ask = {"model": f"sim-chat+fault={fault},seconds=60", "messages": HELLO}
            row = await cancelled(sim, CHAT, ask, 0.1)
            assert (row["outcome"], row["cost_pico"], row["status"]) == ("cancelled", 0, 0)


async def test_an_open_stream_is_already_on_the_bill() -> None:
    async with Simulator() as sim:
        ask = {"model": "sim-chat+fault=stall,after=4,seconds=60", "messages": HELLO}
        task = asyncio.create_task(post(sim, CHAT, ask | {"stream": True}, KEY))
        await until(lambda: sum(row["usage"]["output_tokens"] for row in sim.ledger()["rows"]) == 4)
        rows = sim.ledger()["rows"]
        assert (rows[0]["outcome"], rows[0]["settled"]) == ("open", False)
        assert rows[0]["cost_pico"] > 4 * 1_500_000
        task.cancel()
        await asyncio.wait([task])


async def test_service_tier_changes_the_price(sim: Simulator, key: str) -> None:
    ask = {"model": "o4-mini", "messages": HELLO, "max_completion_tokens": 20}
    rows = []
    for tier in ("default", "flex", "priority"):
        seen = await post(sim, CHAT, ask | {"service_tier": tier}, key)
        assert json.loads(seen.body)["service_tier"] == tier
        rows.append(sim.ledger()["rows"][-1])
    normal, flex, fast = (row["cost_pico"] for row in rows)
    assert flex < normal < fast
    tokens = rows[1]["usage"]["input_tokens"]
    assert flex == tokens * 550_000 + 20 * 2_200_000


def test_accounts_never_show_a_key() -> None:
    assert account_of(KEY).endswith("-cdef")
    assert len(account_of(KEY)) == 15
    assert "short" not in account_of("short")
    assert account_of("") == "none"
    assert account_of(KEY) != account_of(KEY.replace("bill", "bull"))


async def test_no_key_in_ledger_log_or_errors() -> None:
    canary = "sk-canary-5f7a0c1d2e3b4a59"
    async with Simulator(keys=("sk-only-this-one",)) as sim:
        ask = {"model": "sim-chat", "messages": HELLO}
        seen = await post(sim, CHAT, ask, canary)
        assert seen.status == 401
        assert (await post(sim, CHAT, ask, "sk-only-this-one")).status == 200
        shown = json.dumps(sim.ledger()) + json.dumps(sim.log()) + seen.body.decode() + seen.head
    assert canary not in shown
    assert canary[3:-4] not in shown
