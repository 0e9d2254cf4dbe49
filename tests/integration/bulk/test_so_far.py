"""What a run has cost so far is told while its calls in real time go on, and where it is paused."""

import time
from pathlib import Path

from llm_orchestrator import LLMOrchestrator
from llm_orchestrator.bulk.output import progress
from llm_orchestrator.simulator import Simulator
from tests.integration.bulk.world import sections

TASK = {"name": "say", "prompt": "Say {{ id }}.", "options": {"max_tokens": 400}}


def test_a_paused_run_tells_what_it_has_answered_and_paid(tmp_path: Path, store_url: str) -> None:
    with Simulator(seed=5, latency="0.3,0.0001").run_in_thread() as sim:
        config = {"providers": sections(sim, ["openai"]), "store": {"url": store_url}}
        with LLMOrchestrator(config) as orchestrator:
            run = orchestrator.bulk(
                ({"id": number} for number in range(400)),
                task=TASK,
                models="gpt-4o-mini",
                lane="online",
                clock=sim.url,
            )
            while not run.status().count("done"):
                time.sleep(0.05)
            assert run.status().total.cost_pico > 0
            assert run.pause()
            assert run.wait() == "paused"
            report = run.report()
            bill = sim.ledger()["total"]
            assert 0 < report.total.done == report.count("done") == bill["requests"] < 400
            assert report.total.cost_pico == bill["cost_pico"]
            assert (
                sum(one.cost_pico or 0 for one in progress.lines(report, run.now))
                == (bill["cost_pico"])
            )
            expected = progress.forecast(report)
            assert expected is not None
            assert expected > bill["cost_pico"]
            run.resume()
            assert run.wait() == "completed"
            assert run.report().total.cost_pico == sim.ledger()["total"]["cost_pico"]
