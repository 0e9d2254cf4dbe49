"""A provider that refuses everybody is asked a few times, and not once for each row."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llm_orchestrator import LLMOrchestrator
from llm_orchestrator.bulk.sync import BulkRun
from llm_orchestrator.simulator import Simulator
from tests.integration.bulk.test_runs import MODELS, TASK, posts
from tests.integration.bulk.world import sections

Start = Callable[..., BulkRun]
_FEW = 16
"""Calls in flight, and as many refusals as are no accident."""


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(seed=5, speed=36_000).run_in_thread() as simulator:
        yield simulator


@pytest.fixture
def start(sim: Simulator, both: str) -> Iterator[Start]:
    config = {
        "providers": sections(sim, MODELS),
        "store": {"url": both},
        "bulk": {"create_timeout": 2.0, "list_lag": 0.3, "lease": 2.0},
    }
    with LLMOrchestrator(config) as orchestrator:

        def begin(rows: Any, **options: Any) -> BulkRun:
            given = {"task": TASK, "models": "gpt-4o-mini", "lane": "online", "concurrency": 8}
            return orchestrator.bulk(rows, clock=sim.url, **{**given, **options})

        yield begin


def paid(sim: Simulator) -> int:
    return sum(bool(row["cost_pico"]) for row in sim.ledger(items=True)["rows"])


@pytest.mark.parametrize(
    "fault,told",
    [
        ({"fault": "status", "status": 401}, "check the key in OPENAI_API_KEY"),
        ({"fault": "status", "status": 403}, "gpt-4o-mini"),
        ({"fault": "status", "status": 404}, "gpt-4o-mini"),
        ({"fault": "quota"}, "exceeded your current quota"),
    ],
)
def test_a_refused_key_or_model_or_spent_credit_costs_few_requests(
    start: Start, sim: Simulator, fault: dict[str, Any], told: str
) -> None:
    sim.add_fault(provider="openai", **fault)
    run = start(posts(1200), max_cost="5")
    assert run.wait() == "partial"
    assert len(sim.log()) <= _FEW
    report = run.report()
    assert told in (report.run.error or "")
    assert f"`llmo bulk retry {run.run_id}`" in (report.run.error or "")
    assert (report.count("failed"), report.retries) == (1200, 0)
    assert (report.total.cost_pico, report.total.unknown) == (0, 0)
    # The same run is gone on with when that was put right.
    sim.reset()
    assert run.retry() == 1200
    assert run.wait() == "completed"
    assert run.report().run.error is None
    assert len(list(run.results())) == 1200
    assert paid(sim) == 1200


def test_a_small_run_says_so_too(start: Start, sim: Simulator) -> None:
    sim.add_fault(fault="status", status=401, provider="openai")
    run = start(posts(3))
    assert run.wait() == "partial"
    assert len(sim.log()) == 3
    assert "OPENAI_API_KEY" in (run.report().run.error or "")


def test_other_providers_go_on(start: Start, sim: Simulator) -> None:
    sim.add_fault(fault="status", status=401, provider="openai")
    split = {"models": "gpt-4o-mini,gemini-2.5-flash", "split": "openai=600,gemini=rest"}
    run = start(posts(700), elsewhere=False, **split)
    assert run.wait() == "partial"
    report = run.report()
    assert (report.count("done"), report.count("failed")) == (100, 600)
    assert "OPENAI_API_KEY" in (report.run.error or "")
    assert len(sim.log()) <= 100 + _FEW


def test_another_model_is_asked_where_that_is_allowed(start: Start, sim: Simulator) -> None:
    """Not another one of the same provider, though it costs less."""
    sim.add_fault(fault="status", status=401, provider="openai")
    models = "gpt-4o-mini,gpt-4.1-nano,claude-haiku-4-5"
    run = start(posts(600), models=models)
    assert run.wait() == "completed"
    assert run.report().by_provider["claude"].done == 600
    assert len(sim.log()) <= 600 + _FEW
    assert run.report().run.error is None


def test_single_refusals_between_answers_end_nothing(start: Start, sim: Simulator) -> None:
    sim.add_fault(fault="status", status=401, provider="openai", rate=0.05)
    run = start(posts(700), retries=6)
    assert run.wait() == "completed"
    assert len(sim.log()) > 700


def test_a_key_that_has_worked_is_tried_again(start: Start, sim: Simulator) -> None:
    """The provider refuses it for a moment, amid a run."""
    run = start(posts(1500), retries=4)
    while not run.report().count("done"):
        pass
    sim.add_fault(fault="status", status=401, provider="openai", count=_FEW)
    assert run.wait() == "completed"
    report = run.report()
    assert report.run.error is None
    assert any("AuthenticationError" in (one.error or "") for one in report.units)
    assert paid(sim) == 1500


def test_a_refused_batch_says_so_as_well(start: Start, sim: Simulator) -> None:
    sim.add_fault(fault="status", status=401, provider="openai", on="upload")
    run = start(posts(30), lane="batch")
    assert run.wait() == "partial"
    assert "OPENAI_API_KEY" in (run.report().run.error or "")
    sim.reset()
    assert run.retry() == 30
    assert run.wait() == "completed"
    assert run.report().run.error is None
