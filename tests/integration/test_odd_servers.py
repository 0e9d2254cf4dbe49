"""Servers that keep to the wire in odd ways, or do not: an answer, an error, the right books."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.types.request import ToolCall
from tests.integration.world import HELLO, KEY, MINI, all_of, end_of, table
from tests.unit.transport.raw import STREAM, Exchange, Raw, chunk, raw

Answer = Callable[[Exchange], Awaitable[None]]


@asynccontextmanager
async def served(answer: Answer, **more: Any) -> AsyncIterator[tuple[AsyncLLMOrchestrator, Raw]]:
    """An orchestrator whose only provider is this server, as OpenAI."""
    async with raw(answer) as server:
        config = {
            "active_provider": "openai",
            "active_model": MINI,
            "providers": {"openai": {"api_key": KEY, "base_url": server.url}},
            "retry": {"max_retries": 1, "base_delay": 0.001, "max_delay": 0.002},
        } | more
        async with AsyncLLMOrchestrator(config) as llm:
            yield llm, server


def event(body: Any) -> bytes:
    return chunk(b"data: " + json.dumps(body).encode() + b"\n\n")


def delta(finish: str | None = None, **delta: Any) -> bytes:
    return event({"choices": [{"delta": delta, "finish_reason": finish}]})


USAGE = {"prompt_tokens": 1000, "completion_tokens": 10}
DONE, END = chunk(b"data: [DONE]\n\n"), chunk(b"")
HELLO_DELTA, FINISH = delta(content="Hello"), delta("stop")


def streaming(*pieces: bytes, then: str = "end") -> Answer:
    """Stream the pieces, then: end, hang_up, reset or wait."""

    async def answer(seen: Exchange) -> None:
        await seen.send(STREAM, *pieces, pause=0.01)
        if then == "end":
            await seen.send(END)
        elif then == "wait":
            await asyncio.sleep(20)
        else:
            getattr(seen, then)()

    return answer


def saying(body: Any, status: int = 200, **headers: str) -> Answer:
    async def answer(seen: Exchange) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        await seen.reply(status, data, **({"Content_Type": "application/json"} | headers))

    return answer


def message(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"message": fields, "finish_reason": "stop"}], "usage": USAGE}


# ------------------------------------------------------------------ the end of a stream


@pytest.mark.parametrize("then", ["end", "hang_up", "reset", "wait"])
async def test_after_the_terminal_marker_nothing_can_spoil_it(then: str, llmo_home: Path) -> None:
    """Whether the connection ends well, breaks or stays open: the answer is whole."""
    answer = streaming(HELLO_DELTA, FINISH, then=then)
    async with served(answer, timeouts={"idle": 0.2}) as (llm, _):
        reply = end_of(await all_of(llm.send_streaming_request(HELLO)))
    assert (reply.content, reply.finish_reason, len(reply.attempts)) == ("Hello", "stop", 1)
    (outcome,) = table(llmo_home, "settlements")
    assert (outcome["status"], outcome["usage_estimated"]) == ("ok", 1)


async def test_after_done_nobody_waits_for_the_connection() -> None:
    answer = streaming(HELLO_DELTA, FINISH, DONE, then="wait")
    async with served(answer) as (llm, _), asyncio.timeout(10):
        assert end_of(await all_of(llm.send_streaming_request(HELLO))).content == "Hello"


async def test_an_error_after_the_whole_answer_does_not_spoil_it() -> None:
    answer = streaming(HELLO_DELTA, FINISH, event({"error": {"message": "too late"}}))
    async with served(answer) as (llm, _):
        reply = end_of(await all_of(llm.send_streaming_request(HELLO)))
    assert (reply.content, len(reply.attempts)) == ("Hello", 1)
    assert any("ignored" in notice for notice in reply.notices)


@pytest.mark.parametrize("then", ["end", "hang_up", "reset"])
async def test_without_a_terminal_marker_it_is_never_a_success(then: str, llmo_home: Path) -> None:
    answer = streaming(HELLO_DELTA, then=then)
    async with served(answer) as (llm, server):
        with pytest.raises(E.TruncatedError) as caught:
            await all_of(llm.send_streaming_request(HELLO))
        assert len(server.requests) == 2
    assert caught.value.text == "Hello"
    assert {row["status"] for row in table(llmo_home, "settlements")} == {"truncated"}


async def test_what_was_used_counts_also_when_an_error_comes_in_the_same_bytes(
    llmo_home: Path,
) -> None:
    """Else it depends on how the network cuts the stream."""
    start = {
        "type": "message_start",
        "message": {"id": "m", "model": "claude", "usage": {"input_tokens": 1000}},
    }
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "m"}}
    together = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in (start, error))
    async with raw(streaming(chunk(together))) as server:
        config = {
            "providers": {"anthropic": {"api_key": KEY, "base_url": server.url}},
            "retry": {"max_retries": 0},
        }
        async with AsyncLLMOrchestrator(config) as llm:
            with pytest.raises(E.OverloadedError) as caught:
                await all_of(llm.send_streaming_request(HELLO, provider="anthropic"))
    (attempt,) = caught.value.attempts
    assert attempt.usage is not None
    assert attempt.usage.input_tokens == 1000
    assert attempt.cost
    (outcome,) = table(llmo_home, "settlements")
    assert outcome["input_tokens"] == 1000


async def test_thoughts_alone_are_no_answer() -> None:
    answer = streaming(delta(reasoning_content="hm"), FINISH, DONE)
    async with served(answer) as (llm, _):
        with pytest.raises(E.EmptyReplyError):
            await all_of(llm.send_streaming_request(HELLO))


async def test_tool_calls_without_index_and_id() -> None:
    def call(**function: Any) -> bytes:
        return delta(tool_calls=[{"function": function}])

    answer = streaming(
        call(name="f", arguments='{"x":'), call(arguments="1}"), call(name="g"), FINISH, DONE
    )
    async with served(answer) as (llm, _):
        reply = end_of(await all_of(llm.send_streaming_request(HELLO)))
    assert [(c.name, c.arguments) for c in reply.tool_calls] == [("f", '{"x":1}'), ("g", "{}")]
    assert len({c.id for c in reply.tool_calls}) == 2
    assert reply.finish_reason == "tool_calls"


# ------------------------------------------------------------------ whole replies


async def test_a_stream_that_comes_as_a_whole_reply() -> None:
    calls = [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]
    async with served(saying(message(content="Hello", tool_calls=calls))) as (llm, _):
        reply = end_of(await all_of(llm.send_streaming_request(HELLO)))
    assert reply.content == "Hello"
    assert reply.tool_calls == (ToolCall(id="a", name="f"),)
    assert reply.usage.input_tokens == 1000


@pytest.mark.parametrize(
    "answer, kind, words",
    [
        (saying(b""), E.BadReplyError, "base_url"),
        (saying(b"<html>", Content_Type="text/html"), E.BadReplyError, "proxy"),
        (saying({}), E.BadReplyError, "base_url"),
        (saying(message(content="")), E.EmptyReplyError, "empty"),
        (saying(b"", 204), E.BadReplyError, "204|base_url"),
        (saying(b"", 302, Location="http://x/"), E.BadReplyError, "http://x/"),
        (saying(b"", 418), E.InvalidRequestError, "418"),
        (saying({"error": {"message": "broken", "code": 500}}), E.ServerError, "broken"),
        (saying({"choices": [{"message": {"refusal": "never"}}]}), E.ContentFilterError, "never"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_what_is_no_answer(
    answer: Answer, kind: type[E.OrchestratorError], words: str, streamed: bool
) -> None:
    async with served(answer) as (llm, _):
        work = all_of(llm.send_streaming_request(HELLO)) if streamed else llm.send_request(HELLO)
        with pytest.raises(kind, match=words) as caught:
            await work
    assert type(caught.value) is kind
    assert (caught.value.provider, caught.value.model) == ("openai", MINI)


async def test_an_answer_used_up_by_thinking_is_not_asked_for_again() -> None:
    body = {"choices": [{"message": {"content": ""}, "finish_reason": "length"}], "usage": USAGE}
    async with served(saying(body)) as (llm, server):
        with pytest.raises(E.EmptyReplyError, match="max_tokens"):
            await llm.send_request(HELLO, max_tokens=5)
        assert len(server.requests) == 1


async def test_numbers_that_cannot_be_are_unknown(llmo_home: Path) -> None:
    body = message(content="Hello") | {"usage": {"prompt_tokens": 10**30}}
    for usage in ({"prompt_tokens": -5}, {"prompt_tokens": 2**62, "completion_tokens": 2**62}):
        body["usage"] = usage
        async with served(saying(body)) as (llm, _):
            reply = await llm.send_request(HELLO)
        assert reply.content == "Hello"
        assert reply.cost is None or reply.usage.estimated
    assert len(table(llmo_home, "calls")) == 2


@pytest.mark.parametrize("vectors", [[], [[1.0]], [[1.0], [2.0], [3.0]]])
async def test_as_many_vectors_as_texts(vectors: list[list[float]], llmo_home: Path) -> None:
    data = [{"index": n, "embedding": vector} for n, vector in enumerate(vectors)]
    body = {"data": data, "usage": {"prompt_tokens": 4}}
    async with served(saying(body)) as (llm, _):
        with pytest.raises(E.BadReplyError, match="for 2 texts"):
            await llm.embed(["a", "b"], model="text-embedding-3-small")
    (outcome,) = table(llmo_home, "settlements")
    assert outcome["status"] == "error"
    assert outcome["cost_pico"] > 0, "it was paid for all the same"


async def test_a_list_of_models_that_repeats_its_pages() -> None:
    body = {"data": [{"id": "a"}], "has_more": True, "last_id": "a"}
    async with raw(saying(body)) as server:
        config = {"providers": {"anthropic": {"api_key": KEY, "base_url": server.url}}}
        async with AsyncLLMOrchestrator(config) as llm:
            with pytest.raises(E.BadReplyError, match="pages"):
                await llm.refresh_models("anthropic")
        assert len(server.requests) == 2


# ------------------------------------------------------------------ waiting


@pytest.mark.parametrize("wait, requests", [("0", 2), ("61", 1), ("soon", 2), ("-1", 2)])
async def test_retry_after(wait: str, requests: int) -> None:
    body = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
    async with served(saying(body, 429, Retry_After=wait)) as (llm, server):
        with pytest.raises(E.RateLimitError):
            await llm.send_request(HELLO)
        assert len(server.requests) == requests


async def test_a_hopeless_429_is_not_retried() -> None:
    body = {"error": {"message": "no credit", "code": "insufficient_quota"}}
    async with served(saying(body, 429, Retry_After="0")) as (llm, server):
        with pytest.raises(E.QuotaExhaustedError):
            await llm.send_request(HELLO)
        assert len(server.requests) == 1


async def test_an_order_not_to_retry() -> None:
    async with served(saying(b"", 500, X_Should_Retry="false")) as (llm, server):
        with pytest.raises(E.ServerError):
            await llm.send_request(HELLO)
        assert len(server.requests) == 1
