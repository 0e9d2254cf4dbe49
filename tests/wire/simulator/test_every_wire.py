"""Faults, limits, pace and the bill: the same on every wire."""

import json
import time
from typing import Any

import pytest

from llm_orchestrator.simulator import Simulator, account_of
from llm_orchestrator.simulator.answers import UNICODE
from llm_orchestrator.simulator.faults import KINDS

from .raw import Seen
from .wires import WIRES, Wire

pytestmark = pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES.keys())
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
NOT_ASKED = {"down", "prefill-refused"}  # the one needs a young server, the other a prefill
REFUSING = [k for k in KINDS.values() if k.stage == "status" and k.name not in NOT_ASKED]


def bill(sim: Simulator, key: str) -> list[dict[str, Any]]:
    return [row for row in sim.ledger()["rows"] if row["account"] == account_of(key)]


async def test_a_stream_says_and_costs_the_same_as_a_plain_reply(
    sim: Simulator, key: str, wire: Wire
) -> None:
    plain = await wire.send(sim, key, "sim-chat")
    stream = await wire.send(sim, key, "sim-chat", stream=True)
    said = wire.said(plain.body, False)
    assert (plain.status, stream.status) == (200, 200)
    assert len(said.split()) > 15
    assert wire.said(stream.body, True) == said
    assert wire.marker in stream.body
    assert wire.usage in stream.body
    first, second = bill(sim, key)
    assert first["usage"] == second["usage"]
    assert (first["provider"], first["wire"]) == (wire.provider, wire.name.split()[0])
    used = first["usage"]
    expected = used["input_tokens"] * 500_000 + used["output_tokens"] * 1_500_000
    assert first["cost_pico"] == second["cost_pico"] == expected > 0
    assert [row["outcome"] for row in (first, second)] == ["ok", "ok"]
    assert [row["stream"] for row in (first, second)] == [False, True]


@pytest.mark.parametrize("fault", REFUSING, ids=lambda fault: fault.name)
@STREAMED
async def test_refusals(sim: Simulator, key: str, wire: Wire, fault: Any, stream: bool) -> None:
    seen = await wire.send(sim, key, f"sim-chat+fault={fault.name}", stream=stream)
    assert seen.status == wire.statuses.get(fault.name, fault.status)
    (row,) = bill(sim, key)
    assert row["status"] == seen.status
    if seen.status != 200:
        assert (row["cost_pico"], row["usage"]["output_tokens"]) == (0, 0)
    if fault.name not in {"bad-gateway", "gzip-error"} and seen.status != 200:
        assert "message" in json.dumps(json.loads(seen.body))


async def test_bad_keys_and_unknown_models(sim: Simulator, key: str, wire: Wire) -> None:
    for given, model in (("bad-key", "sim-chat"), (key, "no-such-model")):
        seen = await wire.send(sim, given, model)
        assert 400 <= seen.status < 500
        assert "message" in json.dumps(json.loads(seen.body))
    assert [row["cost_pico"] for row in bill(sim, key)] == [0]


@STREAMED
async def test_broken_endings(sim: Simulator, key: str, wire: Wire, stream: bool) -> None:
    whole = wire.said((await wire.send(sim, key, "sim-chat")).body, False)
    for fault, ended, complete in (
        ("cut,after=5", "eof", False),
        ("cut-clean,after=5", "eof", True),
        ("cut-reset,after=5", "reset", False),
        ("stall,after=5,seconds=0.05", "eof", False),
        ("wrong-length", "eof", False),
    ):
        seen = await wire.send(sim, key, f"sim-chat+fault={fault}", stream=stream)
        assert (fault, seen.ended, seen.complete) == (fault, ended, complete)
        row = bill(sim, key)[-1]
        assert row["outcome"] == fault.partition(",")[0]
        if "after=5" not in fault:
            assert wire.said(seen.body, stream) == whole
            continue
        assert row["usage"]["output_tokens"] == 5
        if stream:
            assert wire.marker not in seen.body
        if stream and ended == "eof":
            assert whole.startswith(wire.said(seen.body, True))


async def test_pieces_that_go_missing_or_come_twice(sim: Simulator, key: str, wire: Wire) -> None:
    good = await wire.send(sim, key, "sim-chat", stream=True)
    said = wire.said(good.body, True)
    for fault in ("no-done", "no-usage", "double-finish"):
        seen = await wire.send(sim, key, f"sim-chat+fault={fault}", stream=True)
        assert wire.said(seen.body, True) == said
        if fault == "no-usage":
            assert wire.usage not in seen.body
        if fault == "double-finish":
            assert len(seen.body) > len(good.body)
    assert len({row["cost_pico"] for row in bill(sim, key)}) == 1


async def test_a_broken_event(sim: Simulator, key: str, wire: Wire) -> None:
    good = await wire.send(sim, key, "sim-chat", stream=True)
    seen = await wire.send(sim, key, "sim-chat+fault=malformed,after=3", stream=True)
    assert seen.status == 200
    assert len(seen.body) > len(good.body)
    plain = await wire.send(sim, key, "sim-chat+fault=malformed")
    with pytest.raises(ValueError, match=r"."):
        json.loads(plain.body)


@STREAMED
async def test_errors_inside_a_good_status(
    sim: Simulator, key: str, wire: Wire, stream: bool
) -> None:
    for fault, tokens in (("error-first", 0), ("error-mid,after=4", 4), ("error-body", 0)):
        seen = await wire.send(sim, key, f"sim-chat+fault={fault}", stream=stream)
        assert seen.status == 200
        row = bill(sim, key)[-1]
        assert (row["usage"]["output_tokens"], row["cost_pico"] > 0) == (tokens, tokens > 0)
        assert b"message" in seen.body or b'"error":"over_capacity"' in seen.body


@STREAMED
async def test_answers_changed(sim: Simulator, key: str, wire: Wire, stream: bool) -> None:
    torn = await wire.send(sim, key, "sim-chat+fault=split-utf8", stream=stream)
    assert wire.said(torn.body, stream).endswith(UNICODE)
    assert len(torn.chunks) > 10
    empty = await wire.send(sim, key, "sim-chat+fault=empty", stream=stream)
    assert (empty.status, wire.said(empty.body, stream)) == (200, "")
    filtered = await wire.send(sim, key, "sim-chat+fault=filtered,after=3", stream=stream)
    assert filtered.status == 200
    assert [row["usage"]["output_tokens"] for row in bill(sim, key)[1:]] == [0, 3]


async def test_connections_that_die_early(sim: Simulator, key: str, wire: Wire) -> None:
    seen: list[Seen] = [
        await wire.send(sim, key, "sim-chat+fault=reset"),
        await wire.send(sim, key, "sim-chat+fault=silence,seconds=0.05"),
    ]
    assert [(s.status, s.ended) for s in seen] == [(0, "reset"), (0, "eof")]
    assert [row["cost_pico"] for row in bill(sim, key)] == [0, 0]


async def test_slow_starts(sim: Simulator, key: str, wire: Wire) -> None:
    for fault in ("slow-headers", "slow-first"):
        started = time.monotonic()
        await wire.send(sim, key, f"sim-chat+fault={fault},seconds=0.1", stream=True)
        assert time.monotonic() - started >= 0.1


async def test_limits_of_an_account(wire: Wire) -> None:
    async with Simulator(rpm=1) as sim:
        seen = [await wire.send(sim, key, "sim-chat") for key in ("sk-1", "sk-1", "sk-2")]
        assert [s.status for s in seen] == [200, 429, 200]
        assert b"message" in seen[1].body
    async with Simulator(tpm=60) as sim:
        assert (await wire.send(sim, "sk-1", "sim-chat", limit=100)).status == 200
        assert (await wire.send(sim, "sk-1", "sim-chat")).status == 429


async def test_pace(wire: Wire) -> None:
    async with Simulator(latency="0.1,0.005") as sim:
        started = time.monotonic()
        seen = await wire.send(sim, "sk-1", "sim-chat", stream=True, limit=21)
        assert time.monotonic() - started >= 0.2
        assert seen.first_byte < 5
        assert bill(sim, "sk-1")[0]["usage"]["output_tokens"] == 21


async def test_cases_of_the_failover_bench(sim: Simulator, key: str, wire: Wire) -> None:
    seen = await wire.send(sim, key, "fb-ok", stream=True)
    assert wire.said(seen.body, True).startswith("Anyone can look reliable")
    assert bill(sim, key)[0]["usage"]["output_tokens"] == 60
    assert (await wire.send(sim, key, "fb-s04-503-persistent")).status == 503
