"""Replies of all shapes, proper and not, over connections of our own."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import pytest

from llm_orchestrator.errors import APIConnectionError
from llm_orchestrator.transport.direct import DirectTransport
from llm_orchestrator.types.http import HTTPCall
from tests.unit.transport.rawserver import CHUNKED, OK, PATIENT, Peer, always, ask, serving


@pytest.fixture
async def direct() -> AsyncIterator[DirectTransport]:
    one = DirectTransport()
    yield one
    await one.close()


TEXT = b"text " * 100
ZIPPED = gzip.compress(TEXT, mtime=0)
HALF = gzip.compress(TEXT[:250], mtime=0)


def one_by_one(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


def encoded(body: bytes, coding: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def deflated(data: bytes, bits: int) -> bytes:
    stream = zlib.compressobj(wbits=bits)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize(
    "reply, body",
    [
        (OK, b"ok"),
        (CHUNKED + b"2\r\nok\r\n0\r\n\r\n", b"ok"),
        (CHUNKED + b"1;ext=1\r\no\r\n1\r\nk\r\n0\r\nTrailer: 1\r\n\r\n", b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 P\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    ],
    ids="length chunked trailers 204 304 empty 100 103 http10".split(),
)
@pytest.mark.parametrize("split", [False, True])
async def test_the_connection_is_used_again(
    direct: DirectTransport, reply: bytes, body: bytes, split: bool
) -> None:
    pieces = one_by_one(reply) if split else [reply]
    async with serving(always(*pieces)) as server:
        for _ in range(3):
            assert await ask(direct, server) == body
        assert server.came_over == [1, 1, 1]


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nanother",
        OK + b"garbage",
        CHUNKED + b"2\r\nok\r\n0\r\n\r\ngarbage",
        b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok",
    ],
    ids="close http10 two-replies garbage chunked-garbage keep-alive-1".split(),
)
async def test_the_reply_stands_and_the_connection_does_not(
    direct: DirectTransport, reply: bytes
) -> None:
    async with serving(always(reply)) as server:
        for _ in range(3):
            assert await ask(direct, server) == b"ok"
        assert server.came_over == [1, 2, 3]


async def test_a_body_until_the_connection_closes(direct: DirectTransport) -> None:
    script = always(b"HTTP/1.1 200 OK\r\n\r\nall ", b"of it", hang_up=True, pause=0.01)
    async with serving(script) as server:
        assert await ask(direct, server) == b"all of it"
        assert await ask(direct, server) == b"all of it"
        assert server.came_over == [1, 2]


async def test_a_reply_to_head_has_no_body(direct: DirectTransport) -> None:
    async with serving(always(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")) as server:
        assert await ask(direct, server, method="HEAD", body=b"") == b""


async def test_headers_without_case_and_the_first_of_two(direct: DirectTransport) -> None:
    reply = OK.replace(b"\r\n\r\n", b"\r\nX-A: 1\r\nX-A: 2\r\nCONTENT-type: t\xe4xt\r\n\r\n")
    async with serving(always(reply)) as server:
        wire = await direct.open(HTTPCall(server.url), {}, PATIENT)
        await wire.read()
        wire.close()
    headers = wire.headers
    assert (headers["x-a"], headers.get("X-A"), headers.get("X-B")) == ("1", "1", None)
    assert headers.get("Content-Type") == "täxt"
    assert dict(headers) == {"content-length": "2", "x-a": "1", "content-type": "täxt"}
    assert ("x-A" in headers, "x-b" in headers, len(headers)) == (True, False, 3)
    with pytest.raises(KeyError):
        _ = headers["x-b"]


async def test_headers_are_those_of_the_last_reply(direct: DirectTransport) -> None:
    async def script(peer: Peer) -> None:
        for name in "AB":
            await peer.request()
            more = f"\r\nX-{name}: 1\r\nX: {name}\r\n\r\n"
            await peer.send(OK.replace(b"\r\n\r\n", more.encode()))

    async with serving(script) as server:
        for name in "AB":
            wire = await direct.open(HTTPCall(server.url), {}, PATIENT)
            await wire.read()
            wire.close()
            found = {"content-length": "2", f"x-{name.lower()}": "1", "x": name}
            assert dict(wire.headers) == found
        assert server.came_over == [1, 1]


async def test_a_cancelled_read_closes_the_connection(direct: DirectTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        await peer.until_left()

    async with serving(script) as server:
        wire = await direct.open(HTTPCall(server.url), {}, PATIENT)
        work = asyncio.ensure_future(wire.piece())
        await asyncio.sleep(0.01)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await asyncio.wait_for(server.left.wait(), 20)
        with pytest.raises(APIConnectionError):
            await wire.piece()
        wire.close()


async def test_trailers_are_no_headers(direct: DirectTransport) -> None:
    reply = CHUNKED + b"2\r\nok\r\n0\r\nContent-Encoding: gzip\r\nX-Late: 1\r\n\r\n"
    async with serving(always(reply)) as server:
        wire = await direct.open(HTTPCall(server.url), {}, PATIENT)
        assert await wire.read() == b"ok"
        wire.close()
    assert list(wire.headers) == ["transfer-encoding"]


IMPROPER = {
    "nothing": (b"", "reset"),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Le", "cut"),
    "interim only": (b"HTTP/1.1 100 Continue\r\n\r\n", "cut"),
    "too short": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "cut"),
    "half a chunk": (CHUNKED + b"9\r\nshort", "cut"),
    "no last chunk": (CHUNKED + b"2\r\nok\r\n", "cut"),
    "half a last chunk": (CHUNKED + b"2\r\nok\r\n0\r\n", "cut"),
    "ssh": (b"SSH-2.0-OpenSSH_9.2\r\n", "http"),
    "no status": (b"HTTP/1.1 abc OK\r\n\r\n", "http"),
    "no version": (b"HTTP/3.7 200 OK\r\n\r\n", "http"),
    "no length": (b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok", "http"),
    "two lengths": (OK.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n"), "http"),
    "length and chunks": (
        CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n") + b"2\r\nok\r\n",
        "http",
    ),
    "no header": (b"HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n", "http"),
    "no chunk": (CHUNKED + b"xyz\r\nok\r\n", "http"),
    "upgrade": (b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "http"),
    "long head": (OK.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"), "http"),
    "many interim": (b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000, "http"),
    "long extension": (CHUNKED + b"1;" + b"x" * 200_000 + b"\r\no\r\n0\r\n\r\n", "http"),
    "unasked transfer": (CHUNKED.replace(b"chunked", b"gzip") + b"body", "http"),
}


@pytest.mark.parametrize("name", IMPROPER)
async def test_improper_replies(direct: DirectTransport, name: str) -> None:
    reply, code = IMPROPER[name]
    async with serving(always(reply, hang_up=True)) as server:
        for connection in (1, 2):
            with pytest.raises(APIConnectionError) as caught:
                await ask(direct, server)
            assert caught.value.code == code
            assert "127.0.0.1" in caught.value.message
            assert server.came_over[-1] == connection


@pytest.mark.parametrize(
    "body, coding, code",
    [
        (ZIPPED[:-9], "gzip", "cut"),
        (b"no gzip", "gzip", "http"),
        (ZIPPED + b"garbage", "gzip", "http"),
        (b"\x78", "deflate", "cut"),
        (b"body", "br", "http"),
        (b"body", "gzip, gzip", "http"),
    ],
    ids="cut none garbage byte br twice".split(),
)
async def test_what_cannot_be_inflated(
    direct: DirectTransport, body: bytes, coding: str, code: str
) -> None:
    async with serving(always(encoded(body, coding))) as server:
        for _ in range(2):
            with pytest.raises(APIConnectionError) as caught:
                await ask(direct, server)
            assert caught.value.code == code
        assert server.came_over == [1, 1]


async def test_a_head_just_below_the_limit_is_read(direct: DirectTransport) -> None:
    long = b"x" * 60_000
    async with serving(
        always(OK.replace(b"\r\n\r\n", b"\r\nX-Long: " + long + b"\r\n\r\n"))
    ) as server:
        wire = await direct.open(HTTPCall(server.url), {}, PATIENT)
        assert await wire.read() == b"ok"
        wire.close()
    assert len(wire.headers["X-Long"]) == 60_000


@pytest.mark.parametrize(
    "body, coding",
    [
        (ZIPPED, "gzip"),
        (ZIPPED, "X-GZip"),
        (HALF + HALF + b"\0\0", "gzip"),
        (deflated(TEXT, 15), "deflate"),
        (deflated(TEXT, -15), "deflate"),
        (TEXT, "identity"),
    ],
    ids="gzip x-gzip two-members zlib raw identity".split(),
)
@pytest.mark.parametrize("split", [False, True])
async def test_compressed_bodies(
    direct: DirectTransport, body: bytes, coding: str, split: bool
) -> None:
    reply = encoded(body, coding)
    async with serving(always(*(one_by_one(reply) if split else [reply]))) as server:
        assert await ask(direct, server) == TEXT
        wire = await direct.open(HTTPCall(server.url), {}, PATIENT)
        wire.flowing()
        found = b""
        while piece := await wire.piece():
            found += piece
        wire.close()
        assert found == TEXT
        assert server.came_over == [1, 1]


async def test_a_small_bomb_comes_in_pieces(direct: DirectTransport) -> None:
    async with serving(always(encoded(gzip.compress(bytes(20_000_000)), "gzip"))) as server:
        wire = await direct.open(HTTPCall(server.url), {}, PATIENT)
        sizes = []
        while piece := await wire.piece():
            sizes.append(len(piece))
        wire.close()
    assert (sum(sizes), max(sizes) <= 2**20) == (20_000_000, True)


async def test_an_empty_body_need_not_be_gzip(direct: DirectTransport) -> None:
    async with serving(always(encoded(b"", "gzip"))) as server:
        assert await ask(direct, server) == b""


async def test_a_fault_comes_after_what_was_good(direct: DirectTransport) -> None:
    async with serving(always(CHUNKED + b"2\r\nok\r\nxyz", hang_up=True)) as server:
        wire = await direct.open(HTTPCall(server.url), {}, PATIENT)
        assert await wire.piece() == b"ok"
        for _ in range(2):
            with pytest.raises(APIConnectionError, match="HTTP"):
                await wire.piece()
        wire.close()


async def test_after_its_end_a_reply_stays_empty(direct: DirectTransport) -> None:
    async with serving(always(OK)) as server:
        wire = await direct.open(HTTPCall(server.url), {}, PATIENT)
        assert [await wire.piece() for _ in range(3)] == [b"ok", b"", b""]
        assert await wire.read() == b""
        wire.close()
        wire.close()
        assert await ask(direct, server) == b"ok"
        assert server.came_over == [1, 1]


async def test_an_unread_reply_that_is_all_there_gives_the_connection_back(
    direct: DirectTransport,
) -> None:
    async with serving(always(OK)) as server:
        wire = await direct.open(HTTPCall(server.url), {}, PATIENT)
        wire.close()
        assert await wire.piece() == b""
        assert await ask(direct, server) == b"ok"
        assert server.came_over == [1, 1]


async def test_an_unread_reply_that_still_comes_is_cut(direct: DirectTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        await peer.until_left()

    async with serving(script) as server:
        wire = await direct.open(HTTPCall(server.url), {}, PATIENT)
        wire.close()
        await asyncio.wait_for(server.left.wait(), 20)
