"""What a careless server repeats of the key where nobody looks for it."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator.errors import OrchestratorError
from tests.integration.world import HELLO, all_of, end_of, table
from tests.unit.transport.raw import STREAM, Exchange, chunk, raw

KEY = "sk-canary-7f3K+9/dQ==Zx81LmP0aW2vRt5"
ANSWER: dict[str, Any] = {
    "choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2},
}


def configuration(url: str, key: str = KEY) -> dict[str, Any]:
    row = {"base_url": url, "api_key": key}
    return {
        "active_provider": "openai",
        "active_model": "gpt-4o-mini",
        "providers": {"openai": row},
        "retry": {"max_retries": 0},
    }


def whole(text: str) -> Callable[[Exchange], Awaitable[None]]:
    async def answer(seen: Exchange) -> None:
        body = json.dumps(ANSWER).replace("Hello", text).encode()
        key = seen.headers["authorization"]
        await seen.reply(200, body, Content_Type="application/json", X_Request_Id=f"req-{key}")

    return answer


async def streamed(seen: Exchange) -> None:
    delta = {"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}]}
    event = b"data: " + json.dumps(delta).encode() + b"\n\ndata: [DONE]\n\n"
    head = STREAM.replace(b"\r\n", f"\r\nX-Request-Id: req-{KEY}\r\n".encode(), 1)
    await seen.send(head, chunk(event) + chunk(b""))


async def test_in_the_request_id_of_a_reply(llmo_home: Path) -> None:
    async with raw(whole("Hello")) as server:
        async with AsyncLLMOrchestrator(configuration(server.url)) as llm:
            reply = await llm.send_request(HELLO)
            at_once = end_of(await all_of(llm.send_streaming_request(HELLO)))
        assert reply.request_id == at_once.request_id == "req-Bearer ***"
    async with raw(streamed) as server:
        async with AsyncLLMOrchestrator(configuration(server.url)) as llm:
            reply = end_of(await all_of(llm.send_streaming_request(HELLO)))
        assert reply.request_id == "req-***"
    booked = [row["request_id"] for row in table(llmo_home, "settlements")]
    assert booked == ["req-Bearer ***", "req-Bearer ***", "req-***"]


@pytest.mark.parametrize("status", [200, 401, 500])
@pytest.mark.parametrize("key", ["pass-word1", KEY])
async def test_where_an_excerpt_ends_within_it(key: str, status: int) -> None:
    """However short the rest is that is left of it."""
    left = len(key) - 1

    async def answer(seen: Exchange) -> None:
        body = f"{'y' * (120 - left)}{key}".encode()
        await seen.reply(status, body, Content_Type="text/html")

    async with (
        raw(answer) as server,
        AsyncLLMOrchestrator(configuration(server.url, key)) as llm,
    ):
        for work in (llm.send_request(HELLO), all_of(llm.send_streaming_request(HELLO))):
            with pytest.raises(OrchestratorError) as caught:
                await work
            assert "yyy***'" in str(caught.value)
            assert key[:5] not in str(caught.value)
            assert key[:5] not in repr(caught.value.__context__)


@pytest.mark.parametrize("key", ["x", "none", "ollama"])
async def test_a_word_in_place_of_a_key_is_no_secret(key: str) -> None:
    async def refuse(seen: Exchange) -> None:
        body = json.dumps({"error": {"message": f"none of the next, {key}"}}).encode()
        await seen.reply(400, body, Content_Type="application/json")

    async with (
        raw(refuse) as server,
        AsyncLLMOrchestrator(configuration(server.url, key)) as llm,
    ):
        with pytest.raises(OrchestratorError, match=f"none of the next, {key}"):
            await llm.send_request(HELLO)
