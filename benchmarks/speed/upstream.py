"""Upstreams that cost nothing to answer: a static JSON reply, and a stream with one send per chunk.

nginx gives the JSON where it is installed, as it takes no CPU from the client that is measured;
the streams come from a raw asyncio protocol in a process of its own.

    python -m benchmarks.speed.upstream PORT [--gap MS]
"""

import argparse
import asyncio
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNKS = 50
_WORDS = (
    "Your parcel left the depot this morning and the driver has it on the list for the afternoon "
    "round, so it should reach you before six. If nobody is at home it waits at the shop on the "
    "corner for ten days. You do not have to do anything, and there is nothing more to pay. "
)
TEXT = (_WORDS * 3)[:780]
_HEAD = {"id": "chatcmpl-bench00000001", "created": 1760000000, "model": "gpt-4o-mini-2024-07-18"}
_USAGE = {
    "prompt_tokens": 290,
    "completion_tokens": 150,
    "total_tokens": 440,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}


def reply() -> bytes:
    """A whole answer of about 1 KB."""
    message = {"role": "assistant", "content": TEXT, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    body = {**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE}
    return json.dumps(body, separators=(",", ":")).encode()


def chunks() -> list[bytes]:
    """The events of a stream, each framed as one HTTP chunk, the headers before the first."""

    def event(
        delta: dict[str, str] | None, finish: str | None = None, *, usage: bool = False
    ) -> bytes:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        body = {**_HEAD, "object": "chat.completion.chunk", "choices": choices}
        data = b"data: " + json.dumps(body | ({"usage": _USAGE} if usage else {})).encode()
        return _framed(data + b"\n\n")

    words = TEXT.split()
    out = [event({"content": words[n % len(words)] + " "}) for n in range(CHUNKS)]
    out += [event({}, "stop"), event(None, usage=True), _framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"]
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
        b"transfer-encoding: chunked\r\n\r\n"
    )
    return [head + out[0], *out[1:]]


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Upstream(asyncio.Protocol):
    """Answers every POST; ``gap`` is the pause between two chunks in seconds."""

    def __init__(self, gap: float) -> None:
        self._gap = gap
        self._buffer = b""
        body = reply()
        self._json = (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (len(body), body)
        )
        self._chunks = chunks()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            if b'"stream":true' in body.replace(b" ", b""):
                self._send(0)
            else:
                self._transport.write(self._json)

    def _send(self, number: int) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(self._chunks[number])
        if number + 1 == len(self._chunks):
            return
        loop = asyncio.get_running_loop()
        if self._gap:
            loop.call_later(self._gap, self._send, number + 1)
        else:
            loop.call_soon(self._send, number + 1)


async def serve(port: int, gap: float) -> None:
    """Until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Upstream(gap), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


@contextmanager
def streams(gap_ms: float = 0) -> Iterator[str]:
    """The base URL of a running upstream."""
    port = _free_port()
    command = [sys.executable, "-m", "benchmarks.speed.upstream", str(port), "--gap", str(gap_ms)]
    with _running(command, port):
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def static() -> Iterator[tuple[str, str]]:
    """Base URL and name of what answers whole replies: nginx where there is one."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        with streams() as url:
            yield url, "asyncio (nginx is not installed)"
        return
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        text = reply().decode()
        config = Path(folder, "nginx.conf")
        temp = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in _TEMP)
        config.write_text(
            f"worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/log crit;\n"
            "events { worker_connections 4096; }\n"
            f"http {{ access_log off; keepalive_requests 1000000000; tcp_nodelay on; {temp}\n"
            f" server {{ listen 127.0.0.1:{port} backlog=4096; default_type application/json;\n"
            f"  location / {{ return 200 '{text}'; }} }} }}\n",
            encoding="utf-8",
        )
        with _running([nginx, "-c", str(config), "-p", folder], port):
            yield f"http://127.0.0.1:{port}/v1", "nginx"


_TEMP = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.025)
        else:
            raise RuntimeError(f"{command[0]} does not answer")
        yield
    finally:
        process.terminate()
        process.wait(10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--gap", type=float, default=0, help="milliseconds between two chunks")
    given = parser.parse_args()
    asyncio.run(serve(given.port, given.gap / 1e3))
