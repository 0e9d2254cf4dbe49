"""Replies in random splits or with random faults: an answer or our error, never a hang."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from llm_orchestrator.errors import APIConnectionError
from llm_orchestrator.transport.direct import DirectTransport
from llm_orchestrator.types.http import HTTPCall
from tests.unit.transport.rawserver import CHUNKED, OK, PATIENT, Peer, serving

INTERIM = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"
)


@pytest.fixture
async def direct() -> AsyncIterator[DirectTransport]:
    one = DirectTransport()
    yield one
    await one.close()


def chunked(draw: random.Random, body: bytes) -> bytes:
    out = b""
    while body:
        size = draw.randint(1, max(1, len(body)))
        extension = draw.choice([b"", b";a", b";a=b", b';a="b"'])
        out += f"{size:x}".encode() + extension + b"\r\n" + body[:size] + b"\r\n"
        body = body[size:]
    return out + b"0\r\n" + draw.choice([b"", b"X-Trailer: 1\r\n"]) + b"\r\n"


def valid(draw: random.Random) -> tuple[int, bytes, bytes]:
    """Status, body, and the bytes that say so."""
    body = draw.randbytes(draw.choice([0, 1, 10, 1000, 20_000]))
    status = draw.choice([200, 201, 204, 400, 429, 500])
    extra = b"".join(
        f"X-{draw.randrange(99)}: {'v' * draw.randrange(40)}\r\n".encode()
        for _ in range(draw.randrange(8))
    )
    start = draw.choice([b"", b"", INTERIM]) + f"HTTP/1.1 {status} Any\r\n".encode() + extra
    if status == 204:
        return status, b"", start + b"\r\n"
    if draw.random() < 0.5:
        return status, body, start + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(draw, body)
    return status, body, start + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def split(draw: random.Random, data: bytes) -> list[bytes]:
    cuts = sorted(draw.sample(range(len(data) + 1), min(draw.randrange(12), len(data))))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if a < b]


def spoiled(draw: random.Random, data: bytes) -> bytes:
    """The data with one to four faults in it, most of them in the head."""
    out = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        if not out:
            break
        place = draw.randrange(min(len(out), draw.choice([20, 120, len(out)])))
        match draw.randrange(6):
            case 0:
                out[place] = draw.randrange(256)
            case 1:
                del out[place : place + draw.randint(1, 8)]
            case 2:
                out[place:place] = draw.randbytes(draw.randint(1, 8))
            case 3:
                del out[place:]
            case 4:
                out[place:place] = draw.choice(
                    [b"\r\n", b"\r", b"\n", b"\0", b":", b" ", b"\r\n\r\n"]
                )
            case _:
                other = draw.randrange(len(out))
                out[place], out[other] = out[other], out[place]
    return bytes(out)


async def outcome(direct: DirectTransport, call: HTTPCall, draw: random.Random) -> object:
    """Status and body, or the code of our error; anything else is raised."""
    try:
        wire = await direct.open(call, {}, PATIENT)
        try:
            if draw.random() < 0.5:
                return wire.status, await wire.read()
            body = b""
            wire.flowing()
            while data := await wire.piece():
                body += data
            return wire.status, body
        finally:
            wire.close()
    except APIConnectionError as error:
        return error.code


async def test_valid_replies_in_random_splits(direct: DirectTransport) -> None:
    draw = random.Random(1)
    expected: list[tuple[int, bytes]] = []

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            status, body, data = valid(draw)
            expected.append((status, body))
            await peer.send(*split(draw, data))

    async with serving(script) as server:
        mine = random.Random(2)
        for _ in range(1000):
            found = await outcome(direct, HTTPCall(server.url), mine)
            assert found == expected[-1]
        assert server.connections == 1


@pytest.mark.parametrize("seed", range(4))
async def test_spoiled_replies(direct: DirectTransport, seed: int) -> None:
    draw = random.Random(100 + seed)
    sent: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.request()
        sent.append(spoiled(draw, valid(draw)[2]))
        await peer.send(*split(draw, sent[-1]))
        await peer.hang_up()

    codes: dict[object, int] = {}
    async with serving(script) as server:
        mine = random.Random(seed)
        for _ in range(500):
            found = await asyncio.wait_for(outcome(direct, HTTPCall(server.url), mine), 15)
            key = found if isinstance(found, str) else "answer"
            codes[key] = codes.get(key, 0) + 1
            assert key in {"answer", "cut", "http", "reset"}, sent[-1]
    # All kinds of ends were met.
    assert min(codes.get(key, 0) for key in ("answer", "cut", "http")) > 20


async def test_noise(direct: DirectTransport) -> None:
    draw = random.Random(7)

    async def script(peer: Peer) -> None:
        await peer.request()
        start = draw.choice([b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n", OK, CHUNKED])
        await peer.send(start + draw.randbytes(draw.randrange(300)))
        await peer.hang_up()

    async with serving(script) as server:
        for _ in range(300):
            found = await asyncio.wait_for(outcome(direct, HTTPCall(server.url), draw), 15)
            assert found in {"cut", "http", "reset"} or isinstance(found, tuple)
