"""The sixteen cases of the Failover Bench, byte for byte, on both wires."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from llm_orchestrator.simulator import Simulator, failover

from .raw import Seen, post

TIMINGS = {
    "retry_after": 2.0,
    "slow_first": 0.4,
    "stall": 0.3,
    "silence": 0.4,
    "down": 0.6,
    "token": 0.0005,
}
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
ASK = [{"role": "user", "content": "Sixty words, please."}]
Send = Callable[..., Any]


@pytest.fixture
async def bench() -> AsyncIterator[Simulator]:
    async with Simulator(timings=TIMINGS) as simulator:
        yield simulator


@pytest.fixture(params=["openai", "anthropic"])
def wire(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def send(bench: Simulator, wire: str) -> Send:
    async def ask(model: str, *more: dict[str, Any], stream: bool = True) -> Seen:
        body: dict[str, Any] = {"model": model, "messages": [*ASK, *more], "stream": stream}
        body |= {"max_tokens": 500}
        if wire == "openai" and stream:
            body["stream_options"] = {"include_usage": True}
        return await post(bench, PATHS[wire], body, "sk-bench-0123456789")

    return ask


def is_whole(seen: Seen) -> bool:
    return seen.status == 200 and seen.complete and seen.text == failover.ANSWER


def last_row(bench: Simulator) -> dict[str, Any]:
    row: dict[str, Any] = bench.ledger()["rows"][-1]
    return row


def test_the_answer_has_sixty_words() -> None:
    assert len(failover.ANSWER.split()) == 60
    assert len(failover.MODELS) == 18


async def test_ok(send: Send, bench: Simulator) -> None:
    assert is_whole(await send("fb-ok"))
    assert last_row(bench)["usage"]["output_tokens"] == 60
    plain = await send("fb-ok", stream=False)
    assert failover.ANSWER in plain.body.decode()


async def test_continues_a_beginning_of_the_answer(send: Send) -> None:
    words = failover.ANSWER.split()
    start = " ".join(words[:40])
    rest = await send("fb-ok", {"role": "assistant", "content": start})
    assert start + rest.text == failover.ANSWER
    with_blank = await send("fb-ok", {"role": "assistant", "content": start + " "})
    assert with_blank.text == " ".join(words[40:])


async def test_noprefill_refuses_only_prefill(send: Send, wire: str) -> None:
    assert is_whole(await send("fb-ok-noprefill"))
    refused = await send("fb-ok-noprefill", {"role": "assistant", "content": "Anyone"})
    assert refused.status == 400
    error = json.loads(refused.body)["error"]
    assert "does not support assistant message prefill" in error["message"]
    if wire == "openai":
        assert error["code"] == "invalid_prefill"


async def test_s01_429_once_with_retry_after(send: Send, bench: Simulator) -> None:
    first = await send("fb-s01-429-retry-after")
    assert (first.status, first.header("retry-after")) == (429, "2")
    assert is_whole(await send("fb-s01-429-retry-after"))
    bench.reset()
    assert (await send("fb-s01-429-retry-after")).status == 429


@pytest.mark.parametrize(
    "model, status",
    [
        ("fb-s02-429-persistent", 429),
        ("fb-s04-503-persistent", 503),
        ("fb-s16-503-persistent", 503),
    ],
)
async def test_s02_s04_s16_stay_down(send: Send, bench: Simulator, model: str, status: int) -> None:
    for _ in range(3):
        seen = await send(model)
        assert (seen.status, seen.header("retry-after")) == (status, None)
        assert last_row(bench)["cost_pico"] == 0
    assert [entry["attempt"] for entry in bench.log()] == [1, 2, 3]


async def test_s03_500_once(send: Send) -> None:
    assert (await send("fb-s03-500-then-200")).status == 500
    assert is_whole(await send("fb-s03-500-then-200"))


async def test_s05_reset_before_any_byte_once(send: Send, bench: Simulator) -> None:
    first = await send("fb-s05-reset")
    assert (first.head, first.ended) == ("", "reset")
    assert (last_row(bench)["status"], last_row(bench)["cost_pico"]) == (0, 0)
    assert is_whole(await send("fb-s05-reset"))


async def test_s06_silence(send: Send, bench: Simulator) -> None:
    seen = await send("fb-s06-no-response")
    assert (seen.head, seen.ended) == ("", "eof")
    assert seen.took >= 0.4
    assert last_row(bench)["cost_pico"] == 0


async def test_s07_headers_at_once_first_token_late(bench: Simulator) -> None:
    reader, writer = await asyncio.open_connection(bench.host, bench.port)
    body = json.dumps({"model": "fb-s07-slow-ttft", "messages": ASK, "stream": True}).encode()
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-1\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body) + body
    )
    loop = asyncio.get_running_loop()
    await reader.readuntil(b"\r\n\r\n")
    started = loop.time()
    await reader.readuntil(b"Anyone")
    assert loop.time() - started >= 0.35
    await reader.readuntil(b"[DONE]")
    writer.close()


@pytest.mark.parametrize("model", ["fb-s08-stream-cut", "fb-s14-stream-cut"])
async def test_s08_s14_cut_after_forty(send: Send, bench: Simulator, model: str) -> None:
    seen = await send(model)
    assert (seen.status, seen.complete, seen.ended) == (200, False, "eof")
    assert seen.text == " ".join(failover.ANSWER.split()[:40])
    assert last_row(bench)["usage"]["output_tokens"] == 40
    assert last_row(bench)["outcome"] == "cut"
    broken = await send(model, stream=False)
    assert not broken.complete


async def test_s09_stall_after_twenty(send: Send, bench: Simulator) -> None:
    seen = await send("fb-s09-stream-stall")
    assert (seen.status, seen.complete) == (200, False)
    assert seen.text.split() == failover.ANSWER.split()[:20]
    assert seen.took >= 0.3
    assert last_row(bench)["usage"]["output_tokens"] == 20


async def test_s10_tenth_event_is_broken(send: Send, bench: Simulator) -> None:
    seen = await send("fb-s10-malformed-chunk")
    broken = []
    for number, event in enumerate(seen.events, start=1):
        try:
            json.loads(event)
        except ValueError:
            broken.append((number, event))
    assert broken[0][0] == 10
    assert [event for _, event in broken[1:]] in ([], [b"[DONE]"])
    assert is_whole(seen)
    assert last_row(bench)["usage"]["output_tokens"] == 60


async def test_s11_complete_without_the_last_word(send: Send, wire: str) -> None:
    seen = await send("fb-s11-no-done")
    assert is_whole(seen)
    assert b"[DONE]" not in seen.body
    assert b"message_stop" not in seen.body
    assert (b'"finish_reason":"stop"' if wire == "openai" else b"end_turn") in seen.body


@pytest.mark.parametrize(
    "model, code",
    [
        ("fb-s12-context-length", "context_length_exceeded"),
        ("fb-s13-content-filter", "content_policy_violation"),
    ],
)
async def test_s12_s13_are_refused(send: Send, wire: str, model: str, code: str) -> None:
    for _ in range(2):
        seen = await send(model)
        assert seen.status == 400
        if wire == "openai":
            assert json.loads(seen.body)["error"]["code"] == code


async def test_s15_down_for_a_while_after_a_reset(send: Send, bench: Simulator) -> None:
    await reset(bench, down=60)
    assert (await send("fb-s15-flap")).status == 503
    await reset(bench, down=0.3)
    await asyncio.sleep(0.35)
    assert is_whole(await send("fb-s15-flap"))
    await reset(bench, down=60)
    assert (await send("fb-s15-flap")).status == 503


async def reset(bench: Simulator, **timings: float) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{bench.url}/_reset", json={"timings": TIMINGS | timings}) as reply,
    ):
        assert reply.status == 200


async def test_attempts_are_counted_for_each_account(bench: Simulator) -> None:
    body = {"model": "fb-s03-500-then-200", "messages": ASK}
    path = PATHS["openai"]
    assert (await post(bench, path, body, "sk-first-0123456789")).status == 500
    assert (await post(bench, path, body, "sk-second-123456789")).status == 500
    assert (await post(bench, path, body, "sk-first-0123456789")).status == 200


def test_published_timings() -> None:
    full, fast = failover.timings("full"), failover.timings("fast")
    assert (full["slow_first"], full["stall"], full["silence"], full["down"]) == (20, 30, 120, 60)
    assert (fast["slow_first"], fast["stall"], fast["silence"], fast["down"]) == (3, 4, 15, 6)
    assert (full["token"], fast["token"]) == (0.015, 0.005)
    assert full["retry_after"] == fast["retry_after"] == 2
    with pytest.raises(ValueError, match="no timings"):
        failover.timings({"lunch": 1})
