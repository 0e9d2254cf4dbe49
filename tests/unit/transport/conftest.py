"""Every transport in turn, in a loop whose timers a slow machine does not bring forward."""

from collections.abc import AsyncIterator, Callable

import pytest

from llm_orchestrator.transport.base import Transport
from llm_orchestrator.transport.direct import DirectTransport
from llm_orchestrator.transport.http import HTTPTransport
from tests.steady import SteadyLoop


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], SteadyLoop]]:
    return {"steady": SteadyLoop}


@pytest.fixture(params=[DirectTransport, HTTPTransport])
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[Transport]:
    made: Transport = request.param()
    yield made
    await made.close()
