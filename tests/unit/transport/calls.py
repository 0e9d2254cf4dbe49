"""Requests of transports, in the ways that tests need."""

from collections.abc import Mapping

import pytest

from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.transport.base import Limits, Transport
from llm_orchestrator.types.http import HTTPCall

PATIENT = Limits(connect=20, first=20, idle=20, total=20)


def post(url: str, body: bytes = b"{}") -> HTTPCall:
    return HTTPCall(f"{url}/v1/chat", body, {"Content-Type": "application/json"})


async def whole(
    transport: Transport, call: HTTPCall, limits: Limits = PATIENT
) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body of a reply that is read at once."""
    wire = await transport.open(call, call.headers, limits)
    try:
        return wire.status, wire.headers, await wire.read()
    finally:
        wire.close()


async def pieces(transport: Transport, call: HTTPCall, limits: Limits = PATIENT) -> list[bytes]:
    """The pieces of a reply as they arrive."""
    wire = await transport.open(call, call.headers, limits)
    found = []
    try:
        while data := await wire.piece():
            wire.flowing()
            found.append(data)
    finally:
        wire.close()
    return found


async def failure(transport: Transport, url: str, limits: Limits = PATIENT) -> OrchestratorError:
    """The error of a request, which must not lead back to anything of the library below."""
    with pytest.raises(OrchestratorError) as caught:
        await whole(transport, post(url), limits)
    return caught.value
