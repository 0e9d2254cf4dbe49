"""One row, one scenario: how a case is made, run and settled."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.simulator import Simulator
from tests.steady import SteadyLoop

from .case import Case
from .rows import Row
from .scenarios import Scenario

Conforms: TypeAlias = Callable[[Row, Scenario], Awaitable[None]]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], SteadyLoop]]:
    return {"steady": SteadyLoop}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


@pytest.fixture
def conforms(sim: Simulator, llmo_home: Path, monkeypatch: pytest.MonkeyPatch) -> Conforms:
    """Puts a row through a scenario, and compares the books."""

    async def run(row: Row, scenario: Scenario) -> None:
        setenv, outcome = monkeypatch.setenv, scenario.outcome(row)
        case = Case(row, sim, llmo_home, setenv, scenario.needs, outcome)
        try:
            if outcome == "refused":
                with pytest.raises(E.UnsupportedError) as caught:
                    await scenario.run(case)
                assert sim.log() == [], "nothing was sent"
                assert caught.value.alternatives
                assert all(name in caught.value.message for name in caught.value.alternatives)
            else:
                await scenario.run(case)
            await case.balance()
        finally:
            await case.llm.close()

    return run
