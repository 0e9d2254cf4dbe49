"""Every row of the table does all that it can, and says what it cannot."""

import pytest

from llm_orchestrator.providers.table import TABLE

from .conftest import Conforms
from .rows import ROWS, Row
from .scenarios import SCENARIOS, Scenario

FEATURES = [scenario for scenario in SCENARIOS.values() if not scenario.fails]


@pytest.mark.parametrize("scenario", FEATURES, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
async def test_row(row: Row, scenario: Scenario, conforms: Conforms) -> None:
    await conforms(row, scenario)


def test_every_row_is_here() -> None:
    wires = {f"{name} {wire.dialect}" for name, row in TABLE.items() for wire in row.wires}
    assert ROWS.keys() == TABLE.keys() | wires
