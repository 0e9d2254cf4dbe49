"""Frames of `application/vnd.amazon.eventstream`: lengths, headers, payload, two checksums."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from llm_orchestrator.simulator.body import encode


def _header(name: str, value: str) -> bytes:
    """A header of type 7, text."""
    text = value.encode()
    return (
        struct.pack(">B", len(name)) + name.encode() + b"\x07" + struct.pack(">H", len(text)) + text
    )


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One frame."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return message + struct.pack(">I", zlib.crc32(message))


def event(kind: str, body: dict[str, Any]) -> bytes:
    """An event; its payload is the inner object alone."""
    headers = {
        ":event-type": kind,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return frame(headers, encode(body))


def failure(kind: str, message: str) -> bytes:
    """An error inside a stream that has begun."""
    headers = {
        ":exception-type": kind,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return frame(headers, encode({"message": message}))


def damaged(data: bytes) -> bytes:
    """The same frame with one bit of its payload wrong, which only the checksum tells."""
    at = len(data) - 8
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
