from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator.simulator import Simulator
from tests.integration.bulk.world import World

Open = Callable[..., World]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(seed=5).run_in_thread() as simulator:
        yield simulator


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store, once for each database."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
async def at(sim: Simulator, tmp_path: Path, store_url: str) -> AsyncIterator[Open]:
    """Worlds on one store and in one folder, as several processes would have them."""
    opened: list[World] = []

    def make(*names: str, **options: Any) -> World:
        opened.append(World(sim, tmp_path / "rows", store_url, names or ("openai",), **options))
        return opened[-1]

    yield make
    for world in opened:
        await world.close()
