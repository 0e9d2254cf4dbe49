"""Rate limits: what is refused, and what the headers say."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from llm_orchestrator.simulator import Simulator
from llm_orchestrator.simulator.limits import go_duration

from .conftest import HELLO
from .raw import Seen, post

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
ASK: dict[str, Any] = {"model": "sim-chat", "messages": HELLO, "max_tokens": 50}


async def send(sim: Simulator, path: str = CHAT, key: str = "sk-a", **more: Any) -> Seen:
    return await post(sim, path, ASK | more, key)


async def test_requests_a_minute() -> None:
    async with Simulator(rpm=3) as sim:
        seen = [await send(sim) for _ in range(4)]
        assert [s.status for s in seen] == [200, 200, 200, 429]
        assert [s.header("x-ratelimit-remaining-requests") for s in seen] == ["2", "1", "0", "0"]
        assert seen[0].header("x-ratelimit-limit-requests") == "3"
        assert (seen[0].header("x-ratelimit-reset-requests") or "").startswith(("19.", "20"))
        assert 0 < int(seen[3].header("retry-after") or 0) <= 20
        assert b'"code":"rate_limit_exceeded"' in seen[3].body
        assert b'"type":"requests"' in seen[3].body
        assert (await send(sim, key="sk-b")).status == 200
        assert (await send(sim, model="sim-other")).status == 200
        assert sim.ledger()["rows"][3]["cost_pico"] == 0
        sim.reset()
        assert (await send(sim)).status == 200


async def test_tokens_a_minute() -> None:
    async with Simulator(tpm=60) as sim:
        first = await send(sim)
        assert first.status == 200
        refused = await send(sim)
        assert refused.status == 429
        assert b'"type":"tokens"' in refused.body
        assert first.header("x-ratelimit-limit-tokens") == "60"


async def test_in_flight() -> None:
    async with Simulator(in_flight=2, latency="0.3,0") as sim:
        seen = await asyncio.gather(*(send(sim) for _ in range(4)))
        assert sorted(s.status for s in seen) == [200, 200, 429, 429]
        assert (await send(sim)).status == 200


async def test_anthropic_headers_are_moments() -> None:
    async with Simulator(rpm=1, tpm=1000) as sim:
        first, refused = await send(sim, MESSAGES), await send(sim, MESSAGES)
    assert (first.status, refused.status) == (200, 429)
    assert b"rate_limit_error" in refused.body
    assert first.header("anthropic-ratelimit-requests-limit") == "1"
    assert first.header("anthropic-ratelimit-requests-remaining") == "0"
    for what in ("requests", "tokens", "input-tokens", "output-tokens"):
        text = refused.header(f"anthropic-ratelimit-{what}-reset") or ""
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        assert abs((moment - datetime.now(UTC)).total_seconds()) < 90
    assert 0 < int(refused.header("retry-after") or 0) <= 60


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "0ms"),
        (0.0121, "12ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (59.9996, "1m0s"),
        (360, "6m0s"),
        (3725.25, "1h2m5.25s"),
    ],
)
def test_durations_look_like_those_of_go(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text
