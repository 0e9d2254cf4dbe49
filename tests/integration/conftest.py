"""A simulator and an orchestrator for each test that asks for them."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator.simulator import Simulator
from tests.integration.world import configuration
from tests.steady import SteadyLoop


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Here and where stores and budgets are tested, limits of time are short."""
    short = item.path.parent.name in {"integration", "store", "budgets"}
    return {"loop": SteadyLoop if short else asyncio.new_event_loop}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


@pytest.fixture
async def llm(sim: Simulator) -> AsyncIterator[AsyncLLMOrchestrator]:
    async with AsyncLLMOrchestrator(configuration(sim)) as orchestrator:
        yield orchestrator
