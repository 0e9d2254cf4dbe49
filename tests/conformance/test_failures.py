"""Every row of the table fails alike: the same error for the same fault, and what helps is done."""

import pytest

from .conftest import Conforms
from .rows import ROWS, Row
from .scenarios import SCENARIOS, Scenario

FAILURES = [scenario for scenario in SCENARIOS.values() if scenario.fails]


@pytest.mark.parametrize("scenario", FAILURES, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
async def test_row(row: Row, scenario: Scenario, conforms: Conforms) -> None:
    await conforms(row, scenario)
