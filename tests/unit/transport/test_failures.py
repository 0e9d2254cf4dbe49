"""What every transport says when there is no proper reply, over real sockets."""

import asyncio
import socket

import pytest

from llm_orchestrator.errors import (
    APIConnectionError,
    APITimeoutError,
    ConfigError,
    OrchestratorError,
)
from llm_orchestrator.transport.base import Limits, Transport, Wire
from tests.unit.transport.calls import PATIENT, failure, pieces, post
from tests.unit.transport.raw import NOBODY, STREAM, Exchange, chunk, raw


async def test_nobody_listens(transport: Transport) -> None:
    error = await failure(transport, NOBODY)
    assert (type(error), error.code) == (APIConnectionError, "connect")
    assert "127.0.0.1" in error.message


async def test_no_such_name(transport: Transport) -> None:
    error = await failure(transport, "http://no-such-host.invalid")
    assert (type(error), error.code) == (APIConnectionError, "dns")
    assert "no-such-host.invalid" in error.message


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1", "127.0.0.1:80", "http://", "http://:80", "http://[::1", "nonsense"]
)
async def test_no_address(transport: Transport, url: str) -> None:
    error = await failure(transport, url)
    assert isinstance(error, ConfigError)
    assert "base_url" in error.message


async def test_tls_where_there_is_none(transport: Transport) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    error = await failure(transport, f"https://127.0.0.1:{port}")
    server.close()
    assert (type(error), error.code) == (APIConnectionError, "tls")


@pytest.mark.parametrize("how", ["reset", "hang_up"])
async def test_closed_before_the_headers(transport: Transport, how: str) -> None:
    async def answer(seen: Exchange) -> None:
        getattr(seen, how)()

    async with raw(answer) as server:
        error = await failure(transport, server.url)
        assert (type(error), error.code) == (APIConnectionError, "reset")
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "head, body",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"too short"),
        (STREAM, chunk(b"a piece")),
        (STREAM, b"ff\r\nless than announced"),
    ],
)
@pytest.mark.parametrize("how", ["reset", "hang_up"])
async def test_closed_inside_the_body(
    transport: Transport, head: bytes, body: bytes, how: str
) -> None:
    async def answer(seen: Exchange) -> None:
        await seen.send(head + body, pause=0.05)
        getattr(seen, how)()

    async with raw(answer) as server:
        error = await failure(transport, server.url)
        assert (type(error), error.code) == (APIConnectionError, "cut")
        with pytest.raises(APIConnectionError):
            await pieces(transport, post(server.url))


async def test_what_came_before_a_cut_is_not_lost(transport: Transport) -> None:
    async def answer(seen: Exchange) -> None:
        await seen.send(STREAM + chunk(b"first"), chunk(b"second"), pause=0.02)
        seen.hang_up()

    found = []

    async def read(wire: Wire) -> None:
        while True:
            found.append(await wire.piece())

    async with raw(answer) as server:
        wire = await transport.open(post(server.url), {}, PATIENT)
        with pytest.raises(APIConnectionError):
            await read(wire)
        wire.close()
    assert b"".join(found) == b"firstsecond"


@pytest.mark.parametrize(
    "words",
    [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 2x0 OK\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x16"],
)
async def test_what_is_no_http(transport: Transport, words: bytes) -> None:
    async def answer(seen: Exchange) -> None:
        await seen.send(words, pause=0.05)
        seen.hang_up()

    async with raw(answer) as server:
        error = await failure(transport, server.url)
    assert isinstance(error, APIConnectionError)
    assert error.code in {"http", "reset"}


async def test_a_chunk_that_is_none(transport: Transport) -> None:
    async def answer(seen: Exchange) -> None:
        await seen.send(STREAM + chunk(b"a") + b"zz\r\nnonsense\r\n", pause=0.05)
        seen.hang_up()

    async with raw(answer) as server:
        assert isinstance(await failure(transport, server.url), APIConnectionError)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b"])
async def test_a_header_cannot_be_broken_into_two(transport: Transport, value: str) -> None:
    async def answer(seen: Exchange) -> None:
        await seen.reply(200)

    async with raw(answer) as server:
        with pytest.raises(OrchestratorError) as caught:
            await transport.open(post(server.url), {"Authorization": value}, PATIENT)
        assert server.requests == []
    assert "Evil" not in str(caught.value)


async def test_errors_lead_to_nothing_of_the_library_below(transport: Transport) -> None:
    """Its errors hold the headers of the request, and so the key."""

    async def garbled(seen: Exchange) -> None:
        await seen.send(b"HTTP/1.1 2x0 OK\r\n\r\n", pause=0.02)
        seen.hang_up()

    async def cut(seen: Exchange) -> None:
        await seen.send(STREAM + chunk(b"a"), pause=0.02)
        seen.hang_up()

    async def silent(seen: Exchange) -> None:
        await asyncio.sleep(30)

    soon = Limits(connect=20, first=0.2, idle=0.2, total=20)
    for answer in (garbled, cut, silent):
        async with raw(answer) as server:
            error = await failure(transport, server.url, soon)
            assert error.__cause__ is None
            context = error.__context__
            assert context is None or isinstance(
                context, OrchestratorError | asyncio.CancelledError
            ), repr(context)


async def test_a_connection_that_nobody_takes(transport: Transport) -> None:
    """A full backlog: the system drops what comes, and nothing answers."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        host, port = full.getsockname()
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex((host, port))
        await asyncio.sleep(0.05)
        limits = Limits(connect=0.3, first=20, idle=20, total=20)
        error = await failure(transport, f"http://127.0.0.1:{port}", limits)
    assert isinstance(error, APITimeoutError)
    assert (error.phase, error.code) == ("connect", "connect_timeout")
