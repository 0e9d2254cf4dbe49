"""A simulator and an orchestrator for each test that asks for them."""

from collections.abc import AsyncIterator

import pytest

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator.simulator import Simulator
from tests.integration.world import configuration


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


@pytest.fixture
async def llm(sim: Simulator) -> AsyncIterator[AsyncLLMOrchestrator]:
    async with AsyncLLMOrchestrator(configuration(sim)) as orchestrator:
        yield orchestrator
