"""Claude and open models on Vertex AI: their own wires behind one provider."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.types.reply import Reply
from llm_orchestrator.types.usage import Usage
from tests.integration.world import HELLO, KEY, all_of, end_of

CLAUDE = "vertex/claude-haiku-4-5@20251001"
LLAMA = "vertex/meta/llama-3.3-70b-instruct-maas"
PLACE = "/v1beta1/projects/proj/locations/us-east5"
USED = {"input_tokens": 9, "output_tokens": 2}
MESSAGE: dict[str, Any] = {
    "type": "message",
    "id": "msg_vrtx_1",
    "model": "claude-haiku-4-5-20251001",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "usage": USED,
}


def events() -> bytes:
    """The message as Vertex streams it, between events of its own."""
    text = {"type": "text_delta", "text": "Hello"}
    parts: list[tuple[str, dict[str, Any]]] = [
        ("vertex_event", {"type": "ping"}),
        ("message_start", {"message": MESSAGE | {"content": [], "stop_reason": None}}),
        ("content_block_delta", {"index": 0, "delta": text}),
        ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": USED}),
        ("message_stop", {}),
    ]
    return b"".join(
        f"event: {name}\ndata: {json.dumps({'type': name} | data)}\n\n".encode()
        for name, data in parts
    )


@pytest.fixture
async def seen() -> AsyncIterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """The address of a server, and what it was asked."""
    asked: list[tuple[str, dict[str, Any]]] = []

    async def answer(request: web.Request) -> web.Response:
        body = json.loads(await request.text())
        asked.append((request.path.removeprefix(PLACE), body))
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        if request.path.endswith("/chat/completions"):
            choice = {"message": {"content": "Hello"}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 9, "completion_tokens": 2}
            return web.json_response({"choices": [choice], "usage": usage, "model": body["model"]})
        if "count-tokens" in request.path:
            return web.json_response({"input_tokens": 12})
        if "opus" in request.path:
            error = {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}
            return web.json_response([{"error": error}], status=429)
        if request.path.endswith(":streamRawPredict"):
            return web.Response(body=events(), content_type="text/event-stream")
        return web.json_response(MESSAGE)

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}/v1beta1", asked
    await runner.cleanup()


@pytest.fixture
async def llm(seen: tuple[str, Any]) -> AsyncIterator[AsyncLLMOrchestrator]:
    variables = {"project": "proj", "location": "us-east5"}
    vertex = {"api_key": KEY, "base_url": seen[0], "variables": variables}
    config = {"providers": {"vertex": vertex}, "retry": {"max_retries": 0}}
    async with AsyncLLMOrchestrator(config) as orchestrator:
        yield orchestrator


def check(reply: Reply, model: str) -> None:
    assert (reply.content, reply.finish_reason, reply.usage) == ("Hello", "stop", Usage(9, 2))
    assert f"{reply.provider}/{reply.model}" == model
    assert reply.cost


async def test_claude_answers_whole_and_streamed(llm: AsyncLLMOrchestrator, seen: Any) -> None:
    check(await llm.send_request(HELLO, model=CLAUDE), CLAUDE)
    check(end_of(await all_of(llm.send_streaming_request(HELLO, model=CLAUDE))), CLAUDE)
    path = "/publishers/anthropic/models/claude-haiku-4-5@20251001"
    assert [where for where, _ in seen[1]] == [f"{path}:rawPredict", f"{path}:streamRawPredict"]
    assert all(body["anthropic_version"] and "model" not in body for _, body in seen[1])


async def test_claude_is_counted_exactly(llm: AsyncLLMOrchestrator) -> None:
    assert await llm.count_tokens(HELLO, model=CLAUDE, exact=True) == 12


async def test_an_open_model_answers(llm: AsyncLLMOrchestrator, seen: Any) -> None:
    check(await llm.send_request(HELLO, model=LLAMA), LLAMA)
    ((where, body),) = seen[1]
    assert where == "/endpoints/openapi/chat/completions"
    assert body["model"] == "meta/llama-3.3-70b-instruct-maas"


async def test_errors_of_google_are_understood(llm: AsyncLLMOrchestrator) -> None:
    with pytest.raises(E.RateLimitError) as caught:
        await llm.send_request(HELLO, model="vertex/claude-opus-5")
    assert "Quota exceeded" in caught.value.message
