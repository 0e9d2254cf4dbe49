"""Every transport in turn."""

from collections.abc import AsyncIterator

import pytest

from llm_orchestrator.transport.base import Transport
from llm_orchestrator.transport.direct import DirectTransport
from llm_orchestrator.transport.http import HTTPTransport


@pytest.fixture(params=[DirectTransport, HTTPTransport])
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[Transport]:
    made: Transport = request.param()
    yield made
    await made.close()
