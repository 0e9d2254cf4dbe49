"""Nights where time flies: they are those of the simulator's clock."""

from functools import partial
from pathlib import Path
from typing import Any

from llm_orchestrator.bulk import BatchProcessor, BatchScheduler
from llm_orchestrator.simulator import Simulator
from tests.integration.bulk.test_scheduler import fill, states, until
from tests.integration.bulk.world import sections


def test_no_night_is_slept_through(tmp_path: Path) -> None:
    """A look every ten minutes of its clock, and not of ours, in which weeks would pass."""
    with Simulator(seed=5, speed=36_000).run_in_thread() as sim:
        config: dict[str, Any] = {
            "providers": sections(sim, ("openai",)),
            "store": {"url": f"sqlite:///{tmp_path / 'ledger.db'}"},
        }
        scheduler = BatchScheduler("02:00", 600, config=config, clock=sim.url)
        with BatchProcessor(config, clock=sim.url) as batch:
            scheduler.start()
            try:
                for count in (1, 2, 3):
                    fill(batch, 1)
                    until(partial(lambda now: states(batch) == {"completed": now}, count))
            finally:
                scheduler.stop()
        assert sim.batches()["accepted"] == 3
