"""Bodies of requests and replies: read with a limit, written as compact JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from llm_orchestrator.simulator.refusal import Refusal


def encode(body: Any) -> bytes:
    """JSON bytes with characters as UTF-8."""
    return msgspec.json.encode(body)


async def raw_body(request: web.Request) -> bytes:
    """The body as it came; a Refusal when it is too large."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise too_large() from error


def too_large() -> Refusal:
    """A 413."""
    return Refusal(413, "Request exceeds the maximum size.", type="request_too_large")


async def json_body(request: web.Request) -> dict[str, Any]:
    """The body as an object; a Refusal when it is too large or not one."""
    raw = await raw_body(request)
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(400, f"The body of the request is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        raise Refusal(400, "The body of the request must be a JSON object.")
    return body
