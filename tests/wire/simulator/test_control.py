"""The simulator's own endpoints, its settings, and what it remembers."""

import gc
import weakref
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from llm_orchestrator.simulator import Simulator, account_of
from llm_orchestrator.simulator.catalogue import BUILTIN
from llm_orchestrator.simulator.latency import REALISTIC, Latency, Pace
from llm_orchestrator.simulator.models import Model

from .conftest import HELLO
from .raw import post

KEY = "sk-control-0123456789abcdef"
ASK: dict[str, Any] = {"model": "sim-chat", "messages": HELLO, "max_tokens": 40}


async def test_log_shows_every_request_in_order() -> None:
    async with Simulator() as sim, aiohttp.ClientSession() as http:
        await post(sim, "/v1/chat/completions", ASK, KEY)
        await post(sim, "/v1/messages", ASK | {"model": "claude-nobody"}, KEY)
        headers = {"authorization": f"Bearer {KEY}"}
        async with http.get(f"{sim.url}/openai/v1/models", headers=headers) as reply:
            assert reply.headers["x-request-id"]
        async with http.get(f"{sim.url}/openai/v1/models") as reply:
            assert reply.status == 401
        turns = [*HELLO, {"role": "assistant", "content": "The"}]
        await post(sim, "/v1/messages", ASK | {"messages": turns}, KEY)
        async with http.get(f"{sim.url}/_log") as reply:
            log = (await reply.json())["log"]
        first, second, third, fourth, last = log
        assert (first["model"], first["attempt"], first["action"]) == ("sim-chat", 1, "ok")
        assert first["prompt_tokens"] == sim.ledger()["rows"][0]["usage"]["input_tokens"]
        assert first["account"] == second["account"] == third["account"] == account_of(KEY)
        assert (second["action"], second["status"]) == ("404 no model", 404)
        assert (third["wire"], third["action"]) == ("openai.models", "free")
        assert (fourth["action"], fourth["account"]) == ("401 no key", "none")
        assert (last["last_role"], last["wire"]) == ("assistant", "anthropic.messages")
        assert [entry["t"] for entry in log] == sorted(entry["t"] for entry in log)
        sim.reset()
        assert sim.log() == []
        assert len(sim.ledger()["rows"]) == 3


@pytest.mark.usefixtures("new_garbage")
async def test_nothing_is_kept_of_one_that_was_stopped() -> None:
    async with Simulator() as sim:
        assert (await post(sim, "/v1/chat/completions", ASK, KEY)).status == 200
        assert (await post(sim, "/v1/chat/nothing", ASK, KEY)).status == 404
        world = weakref.ref(sim.world)
    del sim
    gc.collect()
    assert world() is None


async def test_timings_can_change_while_it_runs() -> None:
    async with Simulator() as sim, aiohttp.ClientSession() as http:
        async with http.post(f"{sim.url}/_reset", json={"timings": "fast"}) as reply:
            assert reply.status == 200
        async with http.get(f"{sim.url}/_health") as reply:
            assert (await reply.json())["timings"]["slow_first"] == 3
        for wrong in ({"timings": "slow"}, {"timings": {"lunch": 1}}, {"timings": 3}):
            async with http.post(f"{sim.url}/_reset", json=wrong) as reply:
                assert reply.status == 400


async def test_own_prices_are_shown_and_can_be_overridden() -> None:
    override = {"sim-chat": {"input": "3", "output": "15"}}
    async with Simulator(prices=override) as sim, aiohttp.ClientSession() as http:
        await post(sim, "/v1/chat/completions", ASK, KEY)
        row = sim.ledger()["rows"][0]
        usage = row["usage"]
        expected = usage["input_tokens"] * 3_000_000 + usage["output_tokens"] * 15_000_000
        assert row["cost_pico"] == expected
        async with http.get(f"{sim.url}/_prices") as reply:
            prices = await reply.json()
    assert prices["fb-*"] == {"input": "1", "output": "2"}
    assert prices["sim-*"]["cache_read"] == "0.05"


async def test_only_the_models_of_the_price_file_exist(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    with pytest.raises(FileNotFoundError):
        Simulator(price_file=file)
    tables = {name: {"models": models} for name, models in BUILTIN.items()}
    file.write_bytes(msgspec.json.encode({"providers": tables}))
    async with Simulator(price_file=file) as sim:
        for path, model, status in (
            ("/v1/chat/completions", "gpt-4o-mini", 200),
            ("/v1/chat/completions", "gpt-5", 404),
            ("/v1/messages", "claude-3-5-haiku-20241022", 200),
            ("/v1/messages", "claude-haiku-4-5", 200),
        ):
            seen = await post(sim, path, ASK | {"model": model}, KEY)
            assert (model, seen.status) == (model, status)
        assert sim.ledger()["rows"][-1]["model"] == "claude-haiku-4-5-20251001"


async def test_prewarm_writes_the_cache_and_says_nothing() -> None:
    block = {"type": "text", "text": "rule " * 2000, "cache_control": {"type": "ephemeral"}}
    async with Simulator() as sim:
        for _ in range(2):
            body = ASK | {"max_tokens": 0, "system": [block]}
            assert (await post(sim, "/v1/messages", body, KEY)).status == 200
        first, second = (row["usage"] for row in sim.ledger()["rows"])
        assert first["output_tokens"] == second["output_tokens"] == 0
        assert first["cache_write_tokens"] == second["cache_read_tokens"] > 1900


async def test_caches_belong_to_an_account_and_a_model() -> None:
    long = [{"role": "user", "content": "rule " * 2000}]
    async with Simulator(cache_minimum=256) as sim:
        for model, key in (("sim-chat", "sk-a"), ("sim-chat", "sk-b"), ("sim-two", "sk-a")):
            body = ASK | {"messages": long, "model": model}
            await post(sim, "/v1/chat/completions", body, key)
        await post(sim, "/v1/chat/completions", ASK | {"messages": long}, "sk-a")
        read = [row["usage"]["cache_read_tokens"] for row in sim.ledger()["rows"]]
        assert read[:3] == [0, 0, 0]
        assert read[3] > 1900


def model(name: str) -> Model:
    return Model("openai", name, name)


def test_latency_profiles() -> None:
    assert Latency("none").pace(model("gpt-4o"), 1) == Pace(0, 0)
    assert Latency("0.2,0.01").pace(model("gpt-4o"), 1) == Pace(0.2, 0.01)
    assert Latency(Pace(1, 2)).pace(model("gpt-4o"), 1) == Pace(1, 2)
    with pytest.raises(ValueError, match="is not none, realistic"):
        Latency("slowish")
    real = Latency("realistic", seed=3)
    small = [real.pace(model("gpt-4o-mini"), n).first for n in range(200)]
    large = [real.pace(model("claude-opus-5"), n).first for n in range(200)]
    assert sum(large) > 2 * sum(small)
    assert REALISTIC["small"].first * 0.7 <= min(small) < max(small)
    assert real.pace(model("gpt-4o-mini"), 7) == Latency("realistic", 3).pace(
        model("gpt-4o-mini"), 7
    )


async def test_speed_shortens_latency() -> None:
    async with Simulator(latency="20,1", speed=1000) as sim:
        seen = await post(sim, "/v1/chat/completions", ASK | {"stream": True}, KEY)
    assert seen.status == 200
    assert 0.02 <= seen.took < 20
