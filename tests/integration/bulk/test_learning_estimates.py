"""The first run shows how long answers are; the estimate of the second one is nearer."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from llm_orchestrator import LLMOrchestrator
from llm_orchestrator.simulator import Simulator
from tests.integration.bulk.world import sections

TASK = {"name": "say", "prompt": "Tell me of {{ text }}.", "options": {"max_tokens": 2000}}
ROWS = [{"id": n, "text": f"lighthouse {n}"} for n in range(150)]


def test_each_run_improves_the_next_estimate(tmp_path: Path, both: str) -> None:
    with Simulator(seed=5, speed=36_000).run_in_thread() as sim:
        config: dict[str, Any] = {"providers": sections(sim, ["openai"]), "store": {"url": both}}
        options: dict[str, Any] = {"task": TASK, "models": "gpt-4o-mini"}
        with LLMOrchestrator(config) as orchestrator:
            first = orchestrator.estimate_bulk(ROWS, **options).plan
            run = orchestrator.bulk(ROWS, out=tmp_path / "out", clock=sim.url, **options)
            run.wait()
            second = orchestrator.estimate_bulk(ROWS, **options).plan
        paid = Decimal(sim.ledger()["total"]["cost_usd"])
    assert first.expected is not None
    assert second.expected is not None
    assert abs(second.expected - paid) < abs(first.expected - paid) / 5
    assert abs(second.expected - paid) < paid / 50
