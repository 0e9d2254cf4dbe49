"""Bodies larger than what either side holds at once; also under TLS and on uvloop."""

import asyncio
import hashlib
import socket
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import pytest
import uvloop

from llm_orchestrator.errors import APIConnectionError, APITimeoutError
from llm_orchestrator.transport.base import Limits
from llm_orchestrator.transport.direct import DirectTransport
from llm_orchestrator.types.http import HTTPCall
from tests.unit.transport.rawserver import CHUNKED, OK, PATIENT, Peer, always, ask, serving
from tests.waiting import until

MEGABYTE = 2**20
Scenario: TypeAlias = Callable[[DirectTransport, ssl.SSLContext | None], Awaitable[None]]


@pytest.fixture
async def direct() -> AsyncIterator[DirectTransport]:
    one = DirectTransport()
    yield one
    await one.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split()
        + f"-keyout {key} -out {certificate} -subj /CN=127.0.0.1".split()
        + "-addext subjectAltName=IP:127.0.0.1,DNS:localhost".split()
        + "-addext keyUsage=critical,digitalSignature,keyCertSign".split(),
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.fixture
def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    return context


@pytest.fixture
def trusted(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))


# ------------------------------------------------------------------ every loop, with and without


async def large_both_ways(direct: DirectTransport, tls: ssl.SSLContext | None) -> None:
    body = bytes(range(256)) * (10 * MEGABYTE // 256)
    digest = hashlib.sha256(body).digest()

    async def script(peer: Peer) -> None:
        while True:
            head = await peer.reader.readuntil(b"\r\n\r\n")
            assert f"Content-Length: {len(body)}".encode() in head
            seen = hashlib.sha256()
            left = len(body)
            while left:
                data = await peer.reader.read(min(left, 100_000))
                if left > len(body) - 200_000:
                    await asyncio.sleep(0.05)  # let it fill everything up
                left -= len(data)
                seen.update(data)
            peer.server.came_over.append(peer.number)
            assert seen.digest() == digest
            await peer.send(
                f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode(), body
            )

    async with serving(script, tls) as server:
        for _ in range(2):
            assert hashlib.sha256(await ask(direct, server, body=body)).digest() == digest
        assert server.came_over == [1, 1]


async def a_server_that_has_to_wait(direct: DirectTransport, tls: ssl.SSLContext | None) -> None:
    piece = b"x" * 65536
    size, sent = 48 * MEGABYTE, 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        while sent < size:
            await peer.send(piece)
            sent += len(piece)
        await peer.until_left()

    async with serving(script, tls) as server:
        wire = await direct.open(HTTPCall(server.url), {}, PATIENT)
        before = -1
        while sent > before:  # until it can send no more
            before = sent
            await asyncio.sleep(0.3)
        assert sent < size // 2  # the system's buffers and ours
        total = 0
        while data := await wire.piece():
            assert len(data) < MEGABYTE
            total += len(data)
        wire.close()
        assert total == size


async def a_flowing_body_read_at_once(direct: DirectTransport, tls: ssl.SSLContext | None) -> None:
    piece = b"x" * 300_000
    parts = [piece] * 10
    reply = f"HTTP/1.1 200 OK\r\nContent-Length: {10 * len(piece)}\r\n\r\n".encode()
    async with serving(always(reply, *parts, pause=0.02), tls) as server:
        wire = await direct.open(HTTPCall(server.url), {}, PATIENT)
        wire.flowing()
        await asyncio.sleep(0.1)  # more than is held for nobody
        assert await wire.read() == piece * 10
        wire.close()
        assert await ask(direct, server) == piece * 10
        assert server.came_over == [1, 1]


async def closed_while_the_server_has_to_wait(
    direct: DirectTransport, tls: ssl.SSLContext | None
) -> None:
    async with serving(always(b"HTTP/1.1 200 OK\r\n\r\n", bytes(8 * MEGABYTE)), tls) as server:
        wire = await direct.open(HTTPCall(server.url), {}, PATIENT)
        await asyncio.sleep(0.2)
        await direct.close()
        assert await wire.piece()
        with pytest.raises(APIConnectionError):
            await wire.piece()
        wire.close()


async def a_server_that_resets_an_upload(
    direct: DirectTransport, tls: ssl.SSLContext | None
) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readexactly(100_000)

    async with serving(script, tls) as server:
        for _ in range(3):
            with pytest.raises(APIConnectionError) as caught:
                await ask(direct, server, body=bytes(30 * MEGABYTE))
            assert caught.value.code == "reset"


async def a_name(direct: DirectTransport, tls: ssl.SSLContext | None) -> None:
    async with serving(always(OK), tls) as server:
        server.url = server.url.replace("127.0.0.1", "localhost")
        assert await asyncio.gather(*(ask(direct, server) for _ in range(5))) == [b"ok"] * 5


async def a_reply_before_the_request_is_through(
    direct: DirectTransport, tls: ssl.SSLContext | None
) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.server.came_over.append(peer.number)
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge")
        await asyncio.sleep(20)

    async with serving(script, tls) as server:
        for number in (1, 2):
            wire = await direct.open(HTTPCall(server.url, bytes(30 * MEGABYTE)), {}, PATIENT)
            assert (wire.status, await wire.read()) == (413, b"large")
            wire.close()
            assert server.came_over[-1] == number  # the first one is still full of the request


async def streams_in_turn(direct: DirectTransport, tls: ssl.SSLContext | None) -> None:
    event = b"8\r\ndata: 1\n\r\n"

    async with serving(always(CHUNKED, *[event] * 20, b"0\r\n\r\n", pause=0.001), tls) as server:

        async def one() -> bytes:
            wire = await direct.open(HTTPCall(server.url), {}, PATIENT)
            wire.flowing()
            found = b""
            while data := await wire.piece():
                found += data
            wire.close()
            return found

        for _ in range(2):
            assert await asyncio.gather(*(one() for _ in range(8))) == [b"data: 1\n" * 20] * 8
        assert server.connections <= 8


SCENARIOS = [
    large_both_ways,
    a_server_that_has_to_wait,
    a_flowing_body_read_at_once,
    closed_while_the_server_has_to_wait,
    a_reply_before_the_request_is_through,
    a_server_that_resets_an_upload,
    a_name,
    streams_in_turn,
]


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.usefixtures("trusted")
def test_scenario(
    scenario: Scenario,
    secure: bool,
    loop: Callable[[], asyncio.AbstractEventLoop],
    tls: ssl.SSLContext,
) -> None:
    async def run() -> None:
        direct = DirectTransport()
        await scenario(direct, tls if secure else None)
        await direct.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())


# ------------------------------------------------------------------ uploads that end otherwise


async def deaf(peer: Peer) -> None:
    await peer.reader.readuntil(b"\r\n\r\n")
    peer.server.heads.append(b"")
    await asyncio.sleep(20)


async def test_a_server_that_does_not_read(direct: DirectTransport) -> None:
    """The body waits where it is, not in a buffer."""
    async with serving(deaf) as server:
        limits = Limits(connect=20, first=0.8)
        work = asyncio.ensure_future(ask(direct, server, body=bytes(30 * MEGABYTE), limits=limits))
        await asyncio.sleep(0.3)
        assert direct._pool is not None
        (conn,) = direct._pool._open
        assert conn.transport is not None
        assert conn.transport.get_write_buffer_size() < MEGABYTE
        with pytest.raises(APITimeoutError) as caught:
            await work
    assert caught.value.phase == "first_token"


async def test_an_upload_that_is_cancelled(direct: DirectTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readexactly(100_000)
        await asyncio.sleep(0.2)
        await peer.until_left()

    async with serving(script) as server:
        work = asyncio.ensure_future(ask(direct, server, body=bytes(30 * MEGABYTE)))
        await asyncio.sleep(0.1)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await asyncio.wait_for(server.left.wait(), 20)


# ------------------------------------------------------------------ TLS


async def test_an_unknown_issuer(direct: DirectTransport, tls: ssl.SSLContext) -> None:
    async with serving(always(OK), tls) as server:
        with pytest.raises(APIConnectionError, match="self-signed") as caught:
            await ask(direct, server)
        assert caught.value.code == "tls"
        assert server.came_over == []


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_for_another_name(direct: DirectTransport, tls: ssl.SSLContext) -> None:
    async with serving(always(OK), tls) as server:
        server.url = server.url.replace("127.0.0.1", "127.1")
        with pytest.raises(APIConnectionError, match=r"127\.1") as caught:
            await ask(direct, server)
        assert caught.value.code == "tls"


@pytest.mark.usefixtures("trusted")
async def test_a_name_and_the_server_is_told_it(
    direct: DirectTransport, tls: ssl.SSLContext
) -> None:
    asked: list[str | None] = []
    tls.sni_callback = lambda _connection, name, _context: asked.append(name)
    tls.set_alpn_protocols(["h2", "http/1.1"])
    async with serving(always(OK), tls) as server:
        server.url = server.url.replace("127.0.0.1", "localhost")
        for _ in range(2):
            assert await ask(direct, server) == b"ok"
        assert (asked, server.came_over) == (["localhost"], [1, 1])
        assert b"\r\nHost: localhost:" in server.heads[0]


@pytest.mark.usefixtures("trusted")
async def test_closed_while_it_connects(direct: DirectTransport, tls: ssl.SSLContext) -> None:
    """A connection that is ready too late is not used."""
    go = threading.Event()
    accepted = threading.Event()
    came: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        sock, _ = listener.accept()
        accepted.set()
        go.wait(20)
        with suppress(OSError), tls.wrap_socket(sock, server_side=True) as peer:
            came.append(peer.recv(1000))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = asyncio.ensure_future(asyncio.to_thread(serve, listener))
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        work = asyncio.ensure_future(direct.open(HTTPCall(url), {}, PATIENT))
        await until(accepted.is_set)
        await direct.close()
        go.set()
        with pytest.raises(APIConnectionError) as caught:
            await work
        assert caught.value.code == "connect"
        await server
    assert b"".join(came) == b""


async def test_no_tls_at_all(direct: DirectTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(100)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.hang_up()

    async with serving(script) as server:
        server.url = server.url.replace("http:", "https:")
        with pytest.raises(APIConnectionError) as caught:
            await ask(direct, server)
    assert caught.value.code == "tls"


async def test_closed_inside_the_handshake(direct: DirectTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(100)

    async with serving(script) as server:
        server.url = server.url.replace("http:", "https:")
        with pytest.raises(APIConnectionError) as caught:
            await ask(direct, server)
    assert caught.value.code == "connect"
    assert caught.value.message.strip()[-1] != ":"


@pytest.mark.parametrize("how", ["limit", "cancel"])
async def test_a_handshake_that_nobody_answers(direct: DirectTransport, how: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.until_left()

    limits = Limits(connect=0.3) if how == "limit" else PATIENT
    async with serving(script) as server:
        server.url = server.url.replace("http:", "https:")
        work = asyncio.ensure_future(ask(direct, server, limits=limits))
        if how == "cancel":
            await asyncio.sleep(0.2)
            work.cancel()
        (done,) = await asyncio.gather(work, return_exceptions=True)
        await asyncio.wait_for(server.left.wait(), 20)
    if how == "cancel":
        assert isinstance(done, asyncio.CancelledError)
    else:
        assert isinstance(done, APITimeoutError)
        assert (done.phase, done.code) == ("connect", "connect_timeout")


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("proper", [True, False])
async def test_a_body_that_ends_with_the_connection(
    direct: DirectTransport, tls: ssl.SSLContext, proper: bool
) -> None:
    """With or without TLS's own farewell: not all servers say it."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        if proper:
            await peer.hang_up()

    async with serving(script, tls) as server:
        assert await ask(direct, server) == b"all of it"
