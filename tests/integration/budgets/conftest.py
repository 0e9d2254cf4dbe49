"""Each test of budgets runs on both databases."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.types.budget import Budget

Open: TypeAlias = Callable[..., Ledger]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store that does not exist yet, or of an empty database."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path / 'data' / 'ledger.db'}"


@pytest.fixture
async def ledger(store_url: str) -> AsyncIterator[Open]:
    """Opens ledgers with budgets; they are closed in the end."""
    made: list[Ledger] = []

    def open_one(*budgets: Budget, **more: Any) -> Ledger:
        made.append(Ledger(store_url, budgets=budgets, **more))
        return made[-1]

    yield open_one
    for one in made:
        await one.close()
