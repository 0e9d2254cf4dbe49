"""Every fault, asked for in the three ways: by model name, by rule and by rate."""

import asyncio
import gzip
import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import aiohttp
import anthropic
import openai
import pytest

from llm_orchestrator.simulator import Simulator
from llm_orchestrator.simulator.answers import UNICODE
from llm_orchestrator.simulator.faults import KINDS, FaultNameError, parse

from .conftest import HELLO, Client
from .raw import post

Rows = Callable[[], list[dict[str, Any]]]
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"


def body(fault: str, **more: Any) -> dict[str, Any]:
    return {"model": f"sim-chat+fault={fault}", "messages": HELLO, "max_tokens": 500} | more


OPENAI_CLASSES: dict[str, tuple[type[openai.OpenAIError], str | None]] = {
    "rate-limit": (openai.RateLimitError, "rate_limit_exceeded"),
    "rate-limit-bare": (openai.RateLimitError, "rate_limit_exceeded"),
    "quota": (openai.RateLimitError, "insufficient_quota"),
    "server-error": (openai.InternalServerError, None),
    "unavailable": (openai.InternalServerError, "overloaded"),
    "overloaded": (openai.InternalServerError, "overloaded"),
    "bad-gateway": (openai.InternalServerError, None),
    "gzip-error": (openai.InternalServerError, None),
    "status,status=408": (openai.APIStatusError, None),
    "status,status=403": (openai.PermissionDeniedError, None),
    "context-length": (openai.BadRequestError, "context_length_exceeded"),
    "content-filter": (openai.BadRequestError, "content_policy_violation"),
    "down": (openai.InternalServerError, "overloaded"),
    "reset": (openai.APIConnectionError, None),
    "silence,seconds=0.1": (openai.APIConnectionError, None),
}


@pytest.mark.parametrize("fault", OPENAI_CLASSES)
def test_openai_sdk_raises(oai: Client, rows: Rows, fault: str, sim: Simulator) -> None:
    if fault == "down":
        sim.reset()
    with pytest.raises(OPENAI_CLASSES[fault][0]) as caught:
        oai.chat.completions.create(**body(fault))
    assert getattr(caught.value, "code", None) == OPENAI_CLASSES[fault][1]
    (row,) = rows()
    assert (row["cost_pico"], row["usage"]["input_tokens"]) == (0, 0)
    assert row["status"] == getattr(caught.value, "status_code", 0)


ANTHROPIC_CLASSES: dict[str, tuple[type[anthropic.AnthropicError], str | None]] = {
    "rate-limit": (anthropic.RateLimitError, "rate_limit_error"),
    "server-error": (anthropic.InternalServerError, "api_error"),
    "unavailable": (anthropic.ServiceUnavailableError, "api_error"),
    "overloaded": (anthropic.OverloadedError, "overloaded_error"),
    "status,status=402": (anthropic.PaymentRequiredError, "billing_error"),
    "status": (anthropic.GatewayTimeoutError, "timeout_error"),
    "context-length": (anthropic.BadRequestError, "invalid_request_error"),
    "content-filter": (anthropic.BadRequestError, "invalid_request_error"),
    "bad-gateway": (anthropic.InternalServerError, None),
    "reset": (anthropic.APIConnectionError, None),
}


@pytest.mark.parametrize("fault", ANTHROPIC_CLASSES)
def test_anthropic_sdk_raises(ant: Client, rows: Rows, fault: str) -> None:
    with pytest.raises(ANTHROPIC_CLASSES[fault][0]) as caught:
        ant.messages.create(**body(fault))
    assert getattr(caught.value, "type", None) == ANTHROPIC_CLASSES[fault][1]
    assert rows()[0]["cost_pico"] == 0


def test_anthropic_spend_limit(ant: Client) -> None:
    with pytest.raises(anthropic.RateLimitError) as caught:
        ant.messages.create(**body("quota"))
    assert caught.value.error_code == "enforced_spend_limit_reached"
    assert "retry-after" not in caught.value.response.headers


def test_sdk_retries_reach_the_good_answer(sim: Simulator, key: str, rows: Rows) -> None:
    with openai.OpenAI(api_key=key, base_url=sim.openai_url, max_retries=2) as client:
        reply = client.chat.completions.create(**body("rate-limit,times=2,retry_after=0"))
    assert reply.choices[0].finish_reason == "stop"
    assert [row["status"] for row in rows()] == [429, 429, 200]


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_error_replies_on_the_wire(sim: Simulator, key: str, path: str) -> None:
    page = await post(sim, path, body("bad-gateway"), key)
    assert (page.status, page.header("content-type")) == (502, "text/html")
    assert page.body.startswith(b"<html>")
    packed = await post(sim, path, body("gzip-error"), key)
    assert packed.header("content-encoding") == "gzip"
    assert "error" in json.loads(gzip.decompress(packed.body))
    limited = await post(sim, path, body("rate-limit,retry_after=1.2"), key)
    assert limited.header("retry-after") == "2"


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("stream", [False, True])
async def test_broken_endings(sim: Simulator, key: str, path: str, stream: bool) -> None:
    for fault, ended, complete in (
        ("cut,after=5", "eof", False),
        ("cut-clean,after=5", "eof", True),
        ("cut-reset,after=5", "reset", False),
        ("stall,after=5,seconds=0.1", "eof", False),
        ("wrong-length", "eof", False),
    ):
        seen = await post(sim, path, body(fault, stream=stream), key)
        assert (fault, seen.ended, seen.complete) == (fault, ended, complete)
        name = fault.partition(",")[0]
        assert seen.status == 200 or name == "cut-reset"
        row = sim.ledger()["rows"][-1]
        assert (row["outcome"], row["status"]) == (name, 200)
        if "after=5" in fault:
            assert row["usage"]["output_tokens"] == 5
        if stream:
            ended_well = b'"finish_reason":"stop"' in seen.body or b"end_turn" in seen.body
            assert ended_well is (name == "wrong-length")


async def test_stream_cut_keeps_the_text_so_far(sim: Simulator, key: str) -> None:
    whole = await post(sim, CHAT, body("no-done", stream=True), key)
    part = await post(sim, CHAT, body("cut-clean,after=5", stream=True), key)
    assert whole.text.startswith(part.text)
    assert 0 < len(part.text) < len(whole.text)


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_pieces_of_a_stream_that_go_missing(sim: Simulator, key: str, path: str) -> None:
    options: dict[str, Any] = {"stream": True}
    if path == CHAT:
        options["stream_options"] = {"include_usage": True}
    good = await post(sim, path, body("slow-first,seconds=0", **options), key)
    assert good.complete
    no_done = await post(sim, path, body("no-done", **options), key)
    assert len(no_done.events) == len(good.events) - 1
    no_usage = await post(sim, path, body("no-usage", **options), key)
    finish = b"finish_reason" if path == CHAT else b"stop_reason"
    assert b'"completion_tokens":' not in no_usage.body
    assert b'"message_delta","delta"' not in no_usage.body or b'"usage"' not in no_usage.events[-2]
    assert finish in no_usage.body
    twice = await post(sim, path, body("double-finish", **options), key)
    assert len(twice.events) == len(good.events) + 1
    assert all(seen.text == good.text for seen in (no_done, no_usage, twice))
    costs = {row["cost_pico"] for row in sim.ledger()["rows"][-4:]}
    assert len(costs) == 1


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_characters_are_torn_apart(sim: Simulator, key: str, path: str) -> None:
    seen = await post(sim, path, body("split-utf8", stream=True), key)
    assert seen.text.endswith(UNICODE)
    torn = 0
    for chunk in seen.chunks:
        try:
            chunk.decode()
        except UnicodeDecodeError:
            torn += 1
    assert torn > 10


def test_errors_inside_a_good_status(oai: Client, ant: Client, sim: Simulator) -> None:
    for fault, tokens in (("error-first", 0), ("error-mid,after=4", 4)):
        said: list[str | None] = []
        chunks = oai.chat.completions.create(**body(fault), stream=True)
        with pytest.raises(openai.APIError) as caught:
            said.extend(chunk.choices[0].delta.content for chunk in chunks)
        assert not isinstance(caught.value, openai.APIStatusError)
        assert len([text for text in said if text]) == tokens
        row = sim.ledger()["rows"][-1]
        assert row["usage"]["output_tokens"] == tokens
        assert (row["cost_pico"] > 0) is (tokens > 0)
        with (
            pytest.raises(anthropic.APIStatusError) as refused,
            ant.messages.stream(**body(fault)) as stream,
        ):
            stream.get_final_message()
        assert (refused.value.status_code, refused.value.type) == (200, "overloaded_error")


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_error_object_in_a_good_reply(sim: Simulator, key: str, path: str) -> None:
    for fault, cost in (("error-body", False), ("error-first", False), ("error-mid", True)):
        seen = await post(sim, path, body(fault), key)
        assert seen.status == 200
        assert "message" in json.loads(seen.body)["error"]
        assert (sim.ledger()["rows"][-1]["cost_pico"] > 0) is cost


def test_filtered_and_empty_answers(oai: Client, ant: Client, rows: Rows) -> None:
    chat = oai.chat.completions.create(**body("filtered,after=3"))
    assert chat.choices[0].finish_reason == "content_filter"
    assert chat.usage.completion_tokens == 3
    message = ant.messages.create(**body("filtered"))
    assert message.stop_reason == "refusal"
    assert message.stop_details.type == "refusal"
    with ant.messages.stream(**body("filtered")) as stream:
        assert stream.get_final_message().stop_details.category == "general_harms"
    assert oai.chat.completions.create(**body("empty")).choices[0].message.content == ""
    assert ant.messages.create(**body("empty")).content == []
    with ant.messages.stream(**body("empty")) as stream:
        assert stream.get_final_message().stop_reason == "end_turn"
    assert all(row["status"] == 200 and row["cost_pico"] > 0 for row in rows())


def test_slow_headers_and_slow_first_token(oai: Client) -> None:
    for fault, slow in (("slow-headers", True), ("slow-first", False)):
        started = time.monotonic()
        stream = oai.chat.completions.create(**body(f"{fault},seconds=0.3"), stream=True)
        if slow:
            assert time.monotonic() - started >= 0.29
        next(chunk for chunk in stream if chunk.choices[0].delta.content)
        assert time.monotonic() - started >= 0.29
        stream.close()
    started = time.monotonic()
    oai.chat.completions.create(**body("slow-first,seconds=60"), stream=True).close()
    assert time.monotonic() - started < 50, "its headers do not wait"


def test_prefill_is_refused_only_when_there_is_one(ant: Client) -> None:
    assert ant.messages.create(**body("prefill-refused")).content
    turns = [*HELLO, {"role": "assistant", "content": "The"}]
    with pytest.raises(anthropic.BadRequestError, match="prefill"):
        ant.messages.create(**body("prefill-refused", messages=turns))


async def test_rules(key: str) -> None:
    async with Simulator() as sim, aiohttp.ClientSession() as http:

        async def status(model: str, key: str = key) -> int:
            seen = await post(sim, CHAT, {"model": model, "messages": HELLO}, key)
            return seen.status

        async def rule(**spec: Any) -> Any:
            async with http.post(f"{sim.url}/_faults", json=spec) as reply:
                return await reply.json()

        added = await rule(fault="unavailable", model="gpt-4o*", count=2)
        assert added["id"] == 1
        assert [await status(m) for m in ("gpt-4o", "sim-chat", "gpt-4o-mini", "gpt-4o")] == [
            503,
            200,
            503,
            200,
        ]
        await rule(fault="quota", account="*-cdef", provider="openai")
        assert await status("sim-chat", "sk-0123456789abcdef") == 429
        assert await status("sim-chat", "sk-0123456789abcdee") == 200
        async with http.get(f"{sim.url}/_faults") as reply:
            listed = await reply.json()
        assert [r["hits"] for r in listed["rules"]] == [2, 1]
        assert "silence" in listed["kinds"]
        for wrong in ({}, {"fault": "x"}, {"fault": "cut", "afterr": 1}, {"fault": "cut,after=x"}):
            assert "error" in await rule(**wrong)
        async with http.delete(f"{sim.url}/_faults") as reply:
            assert (await reply.json())["rules"] == []
        assert await status("sim-chat", "sk-0123456789abcdef") == 200
        await rule(fault="server-error", rate=0.5)
        seen = Counter([await status("sim-chat") for _ in range(40)])
        assert 5 < seen[500] < 35
        sim.reset()
        assert await status("sim-chat") == 200


async def outcomes(rate: float, seed: int, number: int) -> list[str]:
    """What each of the requests met, in the order of their numbers, sent all at once."""
    async with Simulator(seed=seed, fault_rate=rate) as sim:

        async def one(n: int) -> None:
            ask = {"model": "sim-chat", "messages": [{"role": "user", "content": f"Number {n}"}]}
            headers = {"authorization": "Bearer sk-0", "x-client-request-id": str(n)}
            async with aiohttp.ClientSession() as http:
                try:
                    async with http.post(sim.url + CHAT, json=ask, headers=headers) as reply:
                        await reply.read()
                except aiohttp.ClientError:
                    pass  # a fault that breaks the connection

        await asyncio.gather(*(one(n) for n in range(number)))
        rows = sim.ledger()["rows"]
    return [row["outcome"] for row in sorted(rows, key=lambda r: int(r["client_request_id"]))]


async def test_rate_is_kept_and_repeats_with_the_seed() -> None:
    first, again, other = [await outcomes(0.3, seed, 150) for seed in (7, 7, 8)]
    assert first == again != other
    hit = Counter(first)
    assert 25 < 150 - hit["ok"] < 65
    assert len(hit) >= 5
    assert set(await outcomes(0.0, 7, 20)) == {"ok"}


def test_names_of_faults() -> None:
    assert parse("cut,after=3").after == 3
    assert parse("rate-limit, times=2, retry_after=0.5").retry_after == 0.5
    for wrong in ("earthquake", "cut,after", "cut,after=many", "cut,colour=red"):
        with pytest.raises(FaultNameError):
            parse(wrong)
    assert all(parse(name) == fault for name, fault in KINDS.items())
