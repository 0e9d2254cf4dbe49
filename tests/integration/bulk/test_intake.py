"""Runs are made once, however many ask for the same one."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator.simulator import Simulator
from tests.integration.bulk.test_runs import MODELS, TASK, posts
from tests.integration.bulk.world import sections


@pytest.mark.parametrize("by", ["out", "name"])
async def test_two_that_begin_the_same_at_once_share_one_run(
    both: str, tmp_path: Path, by: str, caplog: pytest.LogCaptureFixture
) -> None:
    given: dict[str, Any] = {"task": TASK, "models": "gpt-4o-mini"}
    given |= {"name": "same"} if by == "name" else {"out": tmp_path / "out"}
    with Simulator(seed=5, speed=3600).run_in_thread() as sim:
        sim.set_batches(validation=18_000)  # five real seconds
        config = {"providers": sections(sim, MODELS), "store": {"url": both}}
        async with AsyncLLMOrchestrator(config) as one, AsyncLLMOrchestrator(config) as other:
            await one.bulk_runs()  # the tables are there
            with caplog.at_level(logging.WARNING, "llm_orchestrator"):
                runs = await asyncio.gather(
                    *(each.bulk(posts(120), clock=sim.url, **given) for each in (one, other))
                )
            for run in runs:
                assert await run.wait() == "completed"
            assert len({run.run_id for run in runs}) == 1
        assert sim.paid_twice()["items"] == 0
        assert sim.batches()["accepted"] == 1
    (said,) = [row for row in caplog.messages if "another process" in row]
    assert said == f"{runs[0].run_id}: another process is, or was just now, at it: waiting"


async def test_an_estimate_covers_what_went_out_before(both: str, tmp_path: Path) -> None:
    """Beside what all items have cost stands what was expected of all, not of the last ones."""
    given: dict[str, Any] = {"task": TASK, "models": "gpt-4o-mini", "out": tmp_path / "out"}
    with Simulator(seed=5, speed=36_000).run_in_thread() as sim:
        config = {"providers": sections(sim, MODELS), "store": {"url": both}}
        async with AsyncLLMOrchestrator(config) as orchestrator:
            run = await orchestrator.bulk(posts(200), clock=sim.url, **given)
            assert await run.wait() == "completed"
            (first,) = (await run.report()).expected
            run = await orchestrator.bulk(posts(202), clock=sim.url, **given)
            assert await run.wait() == "completed"
            report = await run.report()
    (whole,) = report.expected
    assert (first.items, whole.items, whole.actual_items) == (200, 202, 202)
    assert first.expected_pico
    assert whole.expected_pico
    assert first.expected_pico < whole.expected_pico < first.expected_pico * 1.05
    assert report.paid(whole) == sim.batches()["cost_pico"]
