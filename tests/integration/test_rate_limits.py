"""Rate limits over the simulator, which has limits of its own and refuses what passes them."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from math import ceil
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator, LLMOrchestrator
from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.cli.selftest import findings
from llm_orchestrator.simulator import Simulator
from tests.integration.world import HELLO, KEY, MINI, all_of, booked, configuration, table

MODELS = {
    "openai": MINI,
    "anthropic": "claude-haiku-4-5-20251001",
    "mistral": "mistral-small-latest",
    "together": "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "groq": "openai/gpt-oss-20b",
    "gemini": "gemini-2.5-flash",
    "cohere": "command-r-08-2024",
}


def alone(sim: Simulator, provider: str = "openai", **limits: Any) -> dict[str, Any]:
    """One provider of the simulator, without a ledger."""
    base_url = sim.provider_url(provider)
    if provider in {"anthropic", "gemini"}:
        base_url += "/v1"
    return {
        "active_provider": provider,
        "active_model": MODELS[provider],
        "providers": {provider: {"api_key": KEY, "base_url": base_url}},
        "cost_tracking": {"enabled": False},
        "rate_limits": limits,
    }


def limited(sim: Simulator, **limits: Any) -> dict[str, Any]:
    """Both wires of the simulator, and limits of the first model."""
    queue = limits.pop("queue", True)
    return configuration(sim, rate_limits={"models": {MINI: limits}, "queue": queue})


def stood_still() -> Callable[[], float]:
    """Gives the seconds since then in which the machine had no time for us, if they matter.

    If they pass while requests are on their way, the limit is as whole as it can be and wins
    nothing, while by our clock it does: only then may one be refused.
    """
    time = asyncio.get_running_loop().time  # of a loop whose time does not pass then
    ahead = monotonic() - time()
    return lambda: max(0.0, monotonic() - time() - ahead - 0.2)


def statuses(sim: Simulator) -> Counter[int]:
    return Counter(entry["status"] for entry in sim.log())


# ------------------------------------------------------------------ learned


@pytest.mark.parametrize("provider", ["openai", "anthropic", "mistral", "together"])
async def test_after_one_reply_no_request_is_refused(provider: str) -> None:
    """One more than a minute's limit, at once."""
    lost = stood_still()
    async with Simulator(rpm=120) as sim, AsyncLLMOrchestrator(alone(sim, provider)) as llm:
        await llm.send_request(HELLO)
        await asyncio.gather(*(llm.send_request(HELLO) for _ in range(121)))
        assert statuses(sim)[200] == 122
        assert statuses(sim)[429] <= ceil(2 * lost()), "no more than come back in that time"


@pytest.mark.parametrize("provider", ["openai", "groq"])
async def test_tokens_are_learned_too(provider: str) -> None:
    """Fifteen times 4,000 of 60,000."""
    lost = stood_still()
    async with Simulator(tpm=60_000) as sim, AsyncLLMOrchestrator(alone(sim, provider)) as llm:
        await llm.send_request(HELLO, max_tokens=900)
        ask = [{"role": "user", "content": "morning " * 2000}]
        await asyncio.gather(*(llm.send_request(ask, max_tokens=900) for _ in range(15)))
        assert statuses(sim)[200] == 16
        assert statuses(sim)[429] <= ceil(lost())


async def test_a_burst_before_the_first_reply_is_refused_once_and_then_paced() -> None:
    """Ten too many: each is refused, waits as long as it is told, and goes in turn."""
    async with Simulator(rpm=300) as sim, AsyncLLMOrchestrator(alone(sim)) as llm:
        replies = await asyncio.gather(*(llm.send_request(HELLO) for _ in range(310)))
        assert statuses(sim)[200] == 310
        assert statuses(sim)[429] <= 15
        assert max(len(reply.attempts) for reply in replies) <= 3


@pytest.mark.parametrize("provider", ["gemini", "cohere"])
async def test_a_limit_that_no_header_tells_is_felt_for(provider: str) -> None:
    """Seven too many, of a provider whose replies tell nothing of limits."""
    async with Simulator(rpm=240) as sim:
        config = alone(sim, provider) | {"retry": {"max_retries": 6}}
        llm = AsyncLLMOrchestrator(config)
        await asyncio.gather(*(llm.send_request(HELLO) for _ in range(247)))
        await llm.close()
        assert statuses(sim)[200] == 247
        assert statuses(sim)[429] <= 14


async def test_without_learning_nothing_is_held_back() -> None:
    async with (
        Simulator(rpm=3) as sim,
        AsyncLLMOrchestrator(alone(sim, learn=False) | {"retry": {"max_retries": 0}}) as llm,
    ):
        found = await asyncio.gather(
            *(llm.send_request(HELLO) for _ in range(9)), return_exceptions=True
        )
        assert statuses(sim) == {200: 3, 429: 6}
        assert not any(getattr(one, "unsent", False) for one in found)


# ------------------------------------------------------------------ configured


async def test_who_does_not_queue_gets_the_wait_and_nothing_is_booked(
    sim: Simulator, llmo_home: Path
) -> None:
    async with AsyncLLMOrchestrator(limited(sim, rpm=2, queue=False)) as llm:
        for _ in range(2):
            await llm.send_request(HELLO, provider="openai")
        with pytest.raises(E.RateLimitError) as caught:
            await llm.send_request(HELLO, provider="openai")
        error = caught.value
        assert str(error).startswith(f"openai/{MINI}: Rate limit exceeded for model {MINI}: ")
        assert error.retry_after == pytest.approx(50, abs=11)
        assert (error.unsent, error.attempts, error.retryable) == (True, (), True)
        await booked(llm, sim, llmo_home)
    assert len(sim.log()) == len(table(llmo_home, "attempts")) == 2
    assert [row["status"] for row in table(llmo_home, "calls")] == ["ok", "ok", "error"]


@pytest.mark.parametrize("streamed", [False, True])
async def test_another_candidate_answers_when_the_wait_is_long(
    sim: Simulator, llmo_home: Path, streamed: bool
) -> None:
    async with AsyncLLMOrchestrator(limited(sim, rpm=1)) as llm:
        await llm.send_request(HELLO)
        if streamed:
            reply = (await all_of(llm.send_streaming_request(HELLO)))[-1].reply  # type: ignore[attr-defined]
        else:
            reply = await llm.send_request(HELLO)
        assert reply.provider == "anthropic"
        assert [one.provider for one in reply.attempts] == ["anthropic"]
        await booked(llm, sim, llmo_home)


async def test_a_short_wait_is_waited_for(sim: Simulator) -> None:
    async with AsyncLLMOrchestrator(limited(sim, in_flight=2)) as llm:
        replies = await asyncio.gather(*(llm.send_request(HELLO) for _ in range(20)))
    assert {reply.provider for reply in replies} == {"openai"}


async def test_ten_goes_first() -> None:
    async with (
        Simulator() as sim,
        AsyncLLMOrchestrator(alone(sim, models={MINI: {"in_flight": 1}})) as llm,
    ):
        done: list[Any] = []

        async def one(priority: Any) -> None:
            await llm.send_request(HELLO, priority=priority)
            done.append(priority)

        await asyncio.gather(*(one(priority) for priority in (5, "low", 7, "high", 9, None, "2")))
    assert done == [5, "high", 9, 7, None, "2", "low"], "the first found nobody before it"


async def test_a_stream_is_in_flight_until_it_ends_or_is_left(sim: Simulator) -> None:
    config = alone(sim, models={MINI: {"in_flight": 1}}, queue=False)
    async with AsyncLLMOrchestrator(config) as llm:
        stream = llm.send_streaming_request(HELLO)
        await anext(stream)
        with pytest.raises(E.RateLimitError, match="1 requests in flight"):
            await llm.send_request(HELLO)
        await stream.aclose()
        await llm.send_request(HELLO)


async def test_who_waits_when_all_is_closed_is_told(sim: Simulator, llmo_home: Path) -> None:
    config = limited(sim, rpm=1)
    llm = AsyncLLMOrchestrator(config)
    await llm.send_request(HELLO, provider="openai")
    task = asyncio.create_task(llm.send_request(HELLO, provider="openai"))
    await asyncio.sleep(0.05)
    assert not task.done()
    await llm.close()
    with pytest.raises(E.ClosedError):
        await task
    assert len(table(llmo_home, "attempts")) == 1
    assert [row["status"] for row in table(llmo_home, "calls")] == ["ok", "error"]


async def test_the_time_in_line_is_not_in_the_attempts_latency(sim: Simulator) -> None:
    config = alone(sim, models={MINI: {"in_flight": 1}})
    async with AsyncLLMOrchestrator(config) as llm:
        stream = llm.send_streaming_request(HELLO)
        await anext(stream)
        waiting = asyncio.create_task(llm.send_request(HELLO))
        await asyncio.sleep(0.5)
        await stream.aclose()
        reply = await waiting
        assert reply.latency_s >= 0.5
        assert reply.attempts[0].latency_s < reply.latency_s - 0.4


async def test_vectors_pass_the_same_limits(sim: Simulator) -> None:
    model = "text-embedding-3-small"
    config = alone(sim, models={model: {"rpm": 1}}, queue=False)
    async with AsyncLLMOrchestrator(config) as llm:
        await llm.embed("a", model=model)
        with pytest.raises(E.RateLimitError):
            await llm.embed("b", model=model)


# ------------------------------------------------------------------ names and mistakes


async def test_a_limit_holds_under_every_name_of_the_model(sim: Simulator) -> None:
    haiku = {"claude-haiku": {"rpm": 1}}
    async with AsyncLLMOrchestrator(alone(sim, "anthropic", models=haiku, queue=False)) as llm:
        await llm.send_request(HELLO, model="claude-haiku")
        with pytest.raises(E.RateLimitError):
            await llm.send_request(HELLO, model="claude-haiku")


async def test_an_alias_of_the_provider(sim: Simulator) -> None:
    config = alone(sim, "anthropic", providers={"claude": {"rpm": 1}}, queue=False)
    async with AsyncLLMOrchestrator(config) as llm:
        await llm.send_request(HELLO)
        with pytest.raises(E.RateLimitError):
            await llm.send_request(HELLO)


async def test_the_classic_preset(sim: Simulator) -> None:
    """20 a minute for GPT-4, by a server that tells no limits of its own."""
    config = alone(sim, preset="classic", queue=False, learn=False)
    async with AsyncLLMOrchestrator(config) as llm:
        for _ in range(20):
            await llm.send_request(HELLO, model="gpt-4")
        with pytest.raises(E.RateLimitError, match="Rate limit exceeded for model gpt-4"):
            await llm.send_request(HELLO, model="gpt-4")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"models": {MINI: {"rpm": 0}}}, "rate_limits.models.gpt-4o-mini.rpm"),
        ({"models": {"gpt-40": {"rpm": 1}}}, "rate_limits.models.gpt-40: .*; did you mean gpt-4o"),
        ({"models": {"x": {"rpm": 1}}}, "rate_limits.models.x: no model is called 'x'"),
        ({"providers": {"opnai": {"rpm": 1}}}, "rate_limits.providers.opnai: there is no provider"),
        ({"keys": {"nobody": {"rpm": 1}}}, "rate_limits.keys.nobody"),
        ({"preset": "modern"}, "rate_limits.preset"),
        ({"max_wait": 0}, "rate_limits.max_wait"),
        ({"share": 2}, "rate_limits.share"),
        ({"redis_url": "http://localhost"}, "rate_limits.redis_url"),
    ],
)
async def test_mistakes_in_the_configuration(
    sim: Simulator, limits: dict[str, Any], words: str
) -> None:
    with pytest.raises(E.ConfigError, match=words):
        AsyncLLMOrchestrator(alone(sim, **limits))


async def test_a_priority_that_is_none_is_told_before_anything_is_sent(
    llm: AsyncLLMOrchestrator, sim: Simulator
) -> None:
    with pytest.raises(E.InvalidRequestError, match="priority"):
        await llm.send_request(HELLO, priority="urgent")  # type: ignore[arg-type]
    with pytest.raises(E.InvalidRequestError, match="priority"):
        llm.send_streaming_request(HELLO, priority=11)
    with pytest.raises(E.InvalidRequestError, match="priority"):
        await llm.embed("a", model="text-embedding-3-small", priority=0)
    assert sim.log() == []


# ------------------------------------------------------------------ as they stand


async def test_the_limits_as_they_stand(sim: Simulator) -> None:
    async with AsyncLLMOrchestrator(limited(sim, rpm=10, in_flight=5)) as llm:
        assert await llm.get_rate_limits() == ()
        for _ in range(3):
            await llm.send_request(HELLO)
        found = {(one.source, one.what): one for one in await llm.get_rate_limits()}
    mine = found["configuration", "requests"]
    assert (mine.provider, mine.model, mine.limit, mine.left) == ("openai", MINI, 10, 7)
    assert (mine.wait_s, mine.waiting) == (0, 0)
    assert KEY not in mine.key
    assert found["configuration", "requests in flight"].left == 5
    told = found["headers", "requests"]
    assert told.limit == 30_000
    assert told.left is not None
    assert told.left > 29_000


def test_a_program_without_coroutines_can_ask_too(sim: Simulator) -> None:
    with LLMOrchestrator(limited(sim, rpm=10)) as llm:
        assert llm.get_rate_limits() == ()


@pytest.mark.parametrize(
    ("where", "state", "words"),
    [
        ("redis://127.0.0.1:1/0", "note", "does not answer; each process keeps to its own share"),
        ("", "ok", "counted by each process alone"),
    ],
)
def test_the_doctor_tells_what_is_kept_to(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch, where: str, state: str, words: str
) -> None:
    monkeypatch.setenv("REDIS_URL", where)
    Path("llmo.yaml").write_text(
        json.dumps(alone(sim, models={MINI: {"rpm": 5}}, preset="classic"))
    )
    told = {one.title: one for one in findings(Path("llmo.yaml"), online=False)}["Rate limits"]
    assert told.state == state
    text = "\n".join(told.facts)
    assert words in text
    assert f"models.{MINI}: 5 rpm" in text
    assert "preset classic" in text
