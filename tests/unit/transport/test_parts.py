"""Bodies that are sent from files, by every transport."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.transport.base import Transport
from llm_orchestrator.types.http import FilePart, HTTPCall
from tests.unit.transport.calls import whole
from tests.unit.transport.raw import Exchange, raw


async def ok(seen: Exchange) -> None:
    await seen.reply(200, b"{}")


def in_parts(url: str, *parts: bytes | FilePart) -> HTTPCall:
    return HTTPCall(f"{url}/files", headers={"Content-Type": "text/x"}, parts=parts)


async def test_parts_are_sent_one_after_the_other(transport: Transport, tmp_path: Path) -> None:
    file = tmp_path / "rows"
    file.write_bytes(b"1\n2\n3\n" + b"x" * 300_000)
    async with raw(ok) as server:
        call = in_parts(server.url, b"<", FilePart(str(file), file.stat().st_size), b">")
        assert (await whole(transport, call))[0] == 200
        (request,) = server.requests
    assert request.body == b"<1\n2\n3\n" + b"x" * 300_000 + b">"
    assert request.headers["content-length"] == str(len(request.body)) == str(call.size)
    assert "transfer-encoding" not in request.headers


async def test_lines_become_the_inside_of_an_array(transport: Transport, tmp_path: Path) -> None:
    file = tmp_path / "rows"
    file.write_bytes(b'{"a":"x\\ny"}\n{"b":2}\n')
    async with raw(ok) as server:
        rows = FilePart(str(file), file.stat().st_size - 1, joined=True)
        await whole(transport, in_parts(server.url, b"[", rows, b"]"))
        (request,) = server.requests
    assert request.body == b'[{"a":"x\\ny"},{"b":2}]'


async def test_a_connection_is_used_again_after_parts(transport: Transport, tmp_path: Path) -> None:
    file = tmp_path / "rows"
    file.write_bytes(b"x" * 1_000_000)
    async with raw(ok) as server:
        call = in_parts(server.url, FilePart(str(file), 1_000_000))
        for _ in range(3):
            assert (await whole(transport, call))[2] == b"{}"
        assert len(server.requests) == 3
        assert server.connections == 1


async def test_a_file_that_shrank_or_is_gone_fails(transport: Transport, tmp_path: Path) -> None:
    file = tmp_path / "rows"
    file.write_bytes(b"short")
    async with raw(ok) as server:
        for path, size in ((file, 500), (tmp_path / "missing", 5)):
            with pytest.raises(OrchestratorError):
                await whole(transport, in_parts(server.url, FilePart(str(path), size)))
        assert (await whole(transport, in_parts(server.url, FilePart(str(file), 5))))[0] == 200


SIZE = 30_000_000


@asynccontextmanager
async def drain(*, early: bool) -> AsyncIterator[str]:
    """A server that forgets what it reads and then says how much that was; or refuses at once."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if early:
            writer.write(b"HTTP/1.1 413 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        count = 0
        while count < SIZE and (data := await reader.read(65536)):
            count += len(data)
        text = str(count).encode()
        if not early:
            writer.write(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.mark.parametrize("early", [False, True])
async def test_a_large_file_is_never_held(
    transport: Transport, tmp_path: Path, *, early: bool
) -> None:
    file = tmp_path / "rows"
    with file.open("wb") as out:
        out.truncate(SIZE)
    async with drain(early=early) as url:
        call = in_parts(url, FilePart(str(file), SIZE))
        tracemalloc.start()
        try:
            status, _, body = await whole(transport, call)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert (status, body) == ((413, b"") if early else (200, str(SIZE).encode()))
    assert peak < SIZE / 5
