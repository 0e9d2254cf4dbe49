"""Items that failed though they were paid for: their tokens are noted beside their cost."""

from pathlib import Path

import pytest

from llm_orchestrator import LLMOrchestrator
from llm_orchestrator.simulator import Simulator
from tests.integration.bulk.test_runs import MODELS, TASK, posts
from tests.integration.bulk.world import sections


@pytest.mark.parametrize("fault", ["empty", "filtered"])
def test_paid_failures_have_their_tokens(sim: Simulator, tmp_path: Path, fault: str) -> None:
    config = {
        "providers": sections(sim, MODELS),
        "store": {"url": f"sqlite:///{tmp_path / 'ledger.db'}"},
        "retry": {"max_retries": 1, "base_delay": 0.01},
    }
    sim.add_fault(fault=fault, provider="openai")
    with LLMOrchestrator(config) as orchestrator:
        run = orchestrator.bulk(
            posts(5), task=TASK, models="gpt-4o-mini", lane="online", retries=0, clock=sim.url
        )
        assert run.wait() == "partial"
        report = run.report()
    rows = sim.ledger(items=True)["rows"]
    (unit,) = report.units
    assert unit.failed == 5
    assert unit.cost_pico == sum(row["cost_pico"] for row in rows) > 0
    assert unit.input_tokens == sum(row["usage"]["input_tokens"] for row in rows) > 0
    assert unit.output_tokens == sum(row["usage"]["output_tokens"] for row in rows)
