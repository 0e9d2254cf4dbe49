"""Requests over a bare socket, so that what is on the wire can be seen byte for byte."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_orchestrator.simulator import Simulator


@dataclass
class Seen:
    """What came back: `ended` is "eof" or "reset"; `complete` = HTTP itself was finished."""

    head: str
    body: bytes
    ended: str
    complete: bool
    first_byte: float
    took: float
    chunks: list[bytes]

    @property
    def status(self) -> int:
        return int(self.head.split()[1]) if self.head else 0

    @property
    def events(self) -> list[bytes]:
        """The data of each event."""
        blocks = self.body.split(b"\n\n")
        return [line[6:] for b in blocks for line in b.split(b"\n") if line.startswith(b"data: ")]

    def header(self, name: str) -> str | None:
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name:
                return value
        return None

    @property
    def text(self) -> str:
        """The text of a stream on either wire; broken events are skipped."""
        said = ""
        for event in self.events:
            try:
                data = json.loads(event)
            except ValueError:
                continue
            if data.get("choices"):
                said += data["choices"][0]["delta"].get("content") or ""
            elif data.get("type") == "content_block_delta":
                said += data["delta"].get("text", "")
        return said


async def post(
    sim: Simulator,
    path: str,
    body: Any,
    key: str,
    wait: float = 60.0,
    headers: Mapping[str, str] | None = None,
) -> Seen:
    """One request on a connection of its own; reads until the server hangs up."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection(sim.host, sim.port)
    data = json.dumps(body).encode()
    sent = {
        "Host": "x",
        "Connection": "close",
        "Content-Type": "application/json",
        "Authorization": f"Bearer {key}",
        "anthropic-version": "2023-06-01",
        "Content-Length": str(len(data)),
    } | dict(headers or {})
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    writer.write(f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + data)
    await writer.drain()
    started, first, raw, ended = loop.time(), 0.0, b"", "eof"
    try:
        async with asyncio.timeout(wait):
            while part := await reader.read(65536):
                first = first or loop.time() - started
                raw += part
    except ConnectionResetError:
        ended = "reset"
    finally:
        writer.close()
    took = loop.time() - started
    head, _, rest = raw.partition(b"\r\n\r\n")
    text = head.decode()
    if "transfer-encoding: chunked" in text.lower():
        body_bytes, chunks, complete = _dechunk(rest)
    else:
        length = next(
            (int(x.split(":")[1]) for x in text.split("\r\n") if x.lower().startswith("content-l")),
            -1,
        )
        body_bytes, chunks, complete = rest, [rest], len(rest) == length
    return Seen(text, body_bytes, ended, complete, first, took, chunks)


def _dechunk(data: bytes) -> tuple[bytes, list[bytes], bool]:
    chunks: list[bytes] = []
    while data:
        size, _, data = data.partition(b"\r\n")
        number = int(size, 16)
        if number == 0:
            return b"".join(chunks), chunks, True
        chunks.append(data[:number])
        data = data[number + 2 :]
    return b"".join(chunks), chunks, False
