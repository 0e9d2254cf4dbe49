"""The seeded reliability run of `benchmarks/reliability.py`, in short."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import reliability
from llm_orchestrator.simulator import Simulator


@pytest.mark.parametrize(("retries", "failed"), [(2, 0), (0, 3)])
async def test_a_chain_of_faulty_models_answers_and_the_books_agree(
    tmp_path: Path, retries: int, failed: int
) -> None:
    simulator = Simulator(seed=4, fault_rate=reliability.FAULT_RATE, mix=reliability.MIX)
    async with simulator:
        found = await reliability.run(simulator, 300, retries, tmp_path)
    assert found.failed <= failed
    assert found.broken == found.unbooked == found.wrong == found.above_hold == 0
    assert found.cost_exact == found.billed_exact > 0
    assert 310 < found.attempts < 400
    assert 1 < found.most_attempts <= found.most_allowed
    text = StringIO()
    reliability.show(Console(file=text, width=120), [found])
    assert "300" in text.getvalue()


async def test_a_provider_that_always_fails_is_seen(tmp_path: Path) -> None:
    """The figures can be bad: this is what they then look like."""
    simulator = Simulator(seed=4, fault_rate=1.0, mix={"unavailable": 1})
    async with simulator:
        found = await reliability.run(simulator, 20, 0, tmp_path)
    assert (found.failed, found.share, found.good) == (20, 1.0, False)
    assert found.errors == {"OverloadedError": 20}
    assert found.attempts == 60
