"""Workers of four processes race for one budget while they are killed: it is never passed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.race.run import Race
from llm_orchestrator.types.money import usd_text


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.mark.timeout(180)
def test_a_budget_holds(store_url: str, record_property: Callable[[str, object], None]) -> None:
    race = Race(store_url, "0.012", kills=4)
    outcome = race.run()
    record_property(
        "figures",
        f"{outcome.kills} kills, cap {usd_text(outcome.cap)}: at most "
        f"{usd_text(outcome.seen.highest)} spent and held in {outcome.seen.samples} looks; "
        f"{usd_text(outcome.before[1])} unknown, then spent {usd_text(outcome.spent)}, "
        f"billed {usd_text(outcome.bill)}",
    )
    assert outcome.faults() == []
    assert outcome.seen.samples > 50
    assert outcome.refusals >= 64
