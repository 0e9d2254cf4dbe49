"""What every transport does with replies and connections, over real sockets."""

import asyncio
import gzip
from typing import Any

import pytest

from llm_orchestrator.errors import (
    APIConnectionError,
    OrchestratorError,
)
from llm_orchestrator.transport.base import Transport
from llm_orchestrator.transport.direct import DirectTransport
from llm_orchestrator.transport.http import HTTPTransport
from llm_orchestrator.types.http import HTTPCall
from tests.unit.transport.calls import PATIENT, failure, pieces, post, whole
from tests.unit.transport.raw import STREAM, Exchange, chunk, raw

# ------------------------------------------------------------------ replies


async def test_a_request_and_its_reply(transport: Transport) -> None:
    async def answer(seen: Exchange) -> None:
        await seen.reply(418, b"short and stout", X_Request_Id="req_1", Content_Type="text/x")

    async with raw(answer) as server:
        call = HTTPCall(f"{server.url}/a%3Ab/%2F?q=%20x", b"body", {"X-Mine": "1"})
        status, headers, body = await whole(transport, call)
        (request,) = server.requests
    assert (status, body) == (418, b"short and stout")
    assert (headers["x-request-id"], headers.get("Content-Type")) == ("req_1", "text/x")
    assert headers.get("X-Other") is None
    assert (request.method, request.path, request.body) == ("POST", "/a%3Ab/%2F?q=%20x", b"body")
    assert request.headers["x-mine"] == "1"


async def test_a_get_without_a_body(transport: Transport) -> None:
    async def answer(seen: Exchange) -> None:
        await seen.reply(200, b"[]")

    async with raw(answer) as server:
        assert (await whole(transport, HTTPCall(server.url, method="GET")))[2] == b"[]"
        (request,) = server.requests
    assert (request.method, request.path, request.body) == ("GET", "/", b"")


async def test_pieces_come_as_they_arrive(transport: Transport) -> None:
    gate = asyncio.Event()

    async def answer(seen: Exchange) -> None:
        await seen.send(STREAM + chunk(b"first"))
        await gate.wait()
        await seen.send(chunk(b"second"), chunk(b""))

    async with raw(answer) as server:
        wire = await transport.open(post(server.url), {}, PATIENT)
        assert await wire.piece() == b"first"
        gate.set()
        rest = b""
        while data := await wire.piece():
            rest += data
        assert rest == b"second"
        assert await wire.piece() == b""
        wire.close()


async def test_megabytes_both_ways(transport: Transport) -> None:
    async def answer(seen: Exchange) -> None:
        await seen.reply(200, seen.body[::-1])

    body = bytes(range(256)) * 16_000
    async with raw(answer) as server:
        assert (await whole(transport, post(server.url, body)))[2] == body[::-1]


async def test_a_body_that_ends_with_the_connection(transport: Transport) -> None:
    async def answer(seen: Exchange) -> None:
        await seen.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        seen.hang_up()

    async with raw(answer) as server:
        assert (await whole(transport, post(server.url)))[2] == b"all of it"


async def test_a_gzipped_error(transport: Transport) -> None:
    async def answer(seen: Exchange) -> None:
        await seen.reply(500, gzip.compress(b'{"error":{}}'), Content_Encoding="gzip")

    async with raw(answer) as server:
        status, _, body = await whole(transport, post(server.url))
    assert (status, body) == (500, b'{"error":{}}')


@pytest.mark.parametrize("coding, body", [("gzip", b"no gzip at all"), ("snappy", b"text")])
async def test_what_cannot_be_unpacked(transport: Transport, coding: str, body: bytes) -> None:
    async def answer(seen: Exchange) -> None:
        await seen.reply(200, body, Content_Encoding=coding)

    async with raw(answer) as server:
        try:
            _, _, found = await whole(transport, post(server.url))
        except OrchestratorError as error:
            assert isinstance(error, APIConnectionError)  # noqa: PT017 - either is right
        else:
            assert (coding, found) == ("snappy", body)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(transport: Transport, status: int) -> None:
    async def elsewhere(seen: Exchange) -> None:
        await seen.reply(200)

    async with raw(elsewhere) as other:

        async def answer(seen: Exchange) -> None:
            await seen.reply(status, Location=other.url)

        async with raw(answer) as server:
            found, headers, _ = await whole(transport, post(server.url))
        assert (found, headers.get("Location")) == (status, other.url)
        assert other.requests == []


# ------------------------------------------------------------------ connections


async def test_connections_are_used_again(transport: Transport) -> None:
    async def answer(seen: Exchange) -> None:
        await seen.reply(200, b"x" * 100_000)

    async with raw(answer) as server:
        for _ in range(3):
            await whole(transport, post(server.url))
        assert b"".join(await pieces(transport, post(server.url))) == b"x" * 100_000
        await whole(transport, post(server.url))
        assert (len(server.requests), server.connections) == (5, 1)


async def test_streams_give_their_connection_back(transport: Transport) -> None:
    async def answer(seen: Exchange) -> None:
        await seen.send(STREAM, chunk(b"a"), chunk(b"b"), chunk(b""))

    async with raw(answer) as server:
        for _ in range(3):
            assert b"".join(await pieces(transport, post(server.url))) == b"ab"
        assert server.connections == 1


async def test_many_at_once(transport: Transport) -> None:
    async def answer(seen: Exchange) -> None:
        await asyncio.sleep(0.01)
        await seen.reply(200, seen.body)

    async with raw(answer) as server:
        calls = [post(server.url, str(number).encode()) for number in range(60)]
        replies = await asyncio.gather(*(whole(transport, call) for call in calls))
    assert [body for _, _, body in replies] == [call.body for call in calls]


async def test_closing_early_cuts_the_connection(transport: Transport) -> None:
    async def answer(seen: Exchange) -> None:
        await seen.send(STREAM + chunk(b"first"))
        await asyncio.sleep(30)

    async with raw(answer) as server:
        wire = await transport.open(post(server.url), {}, PATIENT)
        await wire.piece()
        wire.close()
        await asyncio.wait_for(server.left.wait(), 20)


async def test_a_farewell_between_two_requests(transport: Transport) -> None:
    """The next request goes out on a new connection, once, or fails: never twice."""

    async def answer(seen: Exchange) -> None:
        await seen.reply(200, b"x")
        seen.hang_up()

    async with raw(answer) as server:
        for sent in (1, 2, 3):
            await whole(transport, post(server.url))
            await asyncio.sleep(0.05)
            assert len(server.requests) == sent


async def test_a_request_that_may_have_been_read_is_not_sent_again(transport: Transport) -> None:
    async def answer(seen: Exchange) -> None:
        if len(server.requests) == 1:
            await seen.reply(200, b"x")
        else:
            seen.reset()

    async with raw(answer) as server:
        await whole(transport, post(server.url))
        assert isinstance(await failure(transport, server.url), APIConnectionError)
        assert len(server.requests) == 2


async def test_it_works_again_after_it_was_closed(transport: Transport) -> None:
    async def answer(seen: Exchange) -> None:
        await seen.reply(200, b"x")

    async with raw(answer) as server:
        await whole(transport, post(server.url))
        await transport.close()
        await asyncio.wait_for(server.left.wait(), 20)
        await whole(transport, post(server.url))
        assert server.connections == 2


@pytest.mark.parametrize("kind", [DirectTransport, HTTPTransport])
def test_one_loop_after_the_other(kind: Any) -> None:
    transport = kind()

    async def once() -> bytes:
        async def answer(seen: Exchange) -> None:
            await seen.reply(200, b"x")

        async with raw(answer) as server:
            return (await whole(transport, post(server.url)))[2]

    assert [asyncio.run(once()) for _ in range(3)] == [b"x"] * 3

    async def end() -> None:
        await transport.close()

    asyncio.run(end())


# ------------------------------------------------------------------ the end of a body


@pytest.mark.parametrize("coding", ["", "gzip"])
async def test_the_end_may_come_a_moment_later(transport: Transport, coding: str) -> None:
    """Streams say that they are over before their body is: the connection is used again."""
    done = asyncio.Event()
    head = STREAM.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n") if coding else STREAM
    piece = chunk(gzip.compress(b"a") if coding else b"a")

    async def answer(seen: Exchange) -> None:
        await seen.send(head + piece)
        await done.wait()
        await seen.send(chunk(b""))

    async with raw(answer) as server:
        for _ in range(3):
            done.clear()
            wire = await transport.open(post(server.url), {}, PATIENT)
            assert await wire.piece() == b"a"
            wire.finish()
            done.set()
            for _ in range(20):
                await asyncio.sleep(0.001)
        assert server.connections == 1


async def test_nobody_waits_for_an_end_that_does_not_come(transport: Transport) -> None:
    async def answer(seen: Exchange) -> None:
        await seen.send(STREAM + chunk(b"a"))
        await asyncio.sleep(20)

    async with raw(answer) as server:
        wire = await transport.open(post(server.url), {}, PATIENT)
        await wire.piece()
        wire.finish()
        await asyncio.wait_for(server.left.wait(), 20)


async def test_an_end_that_is_awaited_outlives_no_close(transport: Transport) -> None:
    async def answer(seen: Exchange) -> None:
        await seen.send(STREAM + chunk(b"a"))
        await asyncio.sleep(20)

    async with raw(answer) as server:
        for _ in range(2):
            wire = await transport.open(post(server.url), {}, PATIENT)
            await wire.piece()
            wire.finish()
            await transport.close()
            await asyncio.wait_for(server.left.wait(), 20)
            server.left.clear()
