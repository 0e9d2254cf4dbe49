"""Savings are what anybody gets who adds up the rows of the ledger."""

import datetime as dt
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import LLMOrchestrator
from llm_orchestrator.bulk import BatchProcessor
from llm_orchestrator.bulk.output.brands import brand
from llm_orchestrator.bulk.output.savings import Saved, savings
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.connect import connect
from llm_orchestrator.store.urls import parse_url
from tests.integration.bulk.world import sections

TASK = {"name": "say", "prompt": "Tell me of {{ text }}.", "options": {"max_tokens": 300}}
MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}
REALTIME = {"openai": (150_000, 600_000), "anthropic": (1_000_000, 5_000_000)}
"""Pico-dollars a token in real time, read and written."""
MONTHS = {
    "sqlite": "strftime('%Y-%m', started_at / 1000000, 'unixepoch')",
    "postgres": "to_char(to_timestamp(started_at / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM')",
}
HOUR = 3600.0


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(seed=5, speed=60).run_in_thread() as simulator:
        yield simulator


def to_the_end_of_a_month(sim: Simulator) -> str:
    """Set the clock to its last day; the month."""
    now = dt.datetime.fromtimestamp(sim.advance(0), dt.UTC)
    following = dt.datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=dt.UTC)
    sim.advance((following - now).total_seconds() - 12 * HOUR)
    return now.strftime("%Y-%m")


@contextmanager
def hours_fly(sim: Simulator, accepted: int) -> Iterator[None]:
    """An hour passes in a moment, once so many batches were accepted."""
    over = threading.Event()

    def fly() -> None:
        while not over.wait(0.1):
            if len(sim.batches()["batches"]) >= accepted:
                sim.advance(HOUR)

    thread = threading.Thread(target=fly)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def in_the_ledger(url: str) -> list[dict[str, Any]]:
    """Batches as the ledger has them."""
    target = parse_url(url)
    names = ("provider", "tags", "cost_pico", "input_tokens", "output_tokens", "cache_read_tokens")
    month = MONTHS[target.kind]
    sql = (
        f"SELECT {', '.join(names)}, {month} FROM attempt_ledger"
        " WHERE category = 'bulk' AND strategy = 'batch' AND status <> 'dropped'"
    )
    backend = connect(target)
    try:
        return [dict(zip((*names, "month"), row, strict=True)) for row in backend.query(sql)]
    finally:
        backend.close()


def told(sums: dict[str, Saved]) -> dict[str, tuple[int, int]]:
    return {name: (one.cost_pico, one.saved_pico) for name, one in sums.items()}


def test_savings_are_sums_over_the_ledger(both: str, sim: Simulator, tmp_path: Path) -> None:
    config: dict[str, Any] = {"providers": sections(sim, MODELS), "store": {"url": both}}
    rows = [{"id": n, "text": f"lighthouse {n}"} for n in range(160)]
    month = to_the_end_of_a_month(sim)
    sim.set_batches(queue=13 * HOUR)
    sim.add_fault(fault="batch-expired", provider="openai", share=0.5, count=1)
    sim.add_fault(fault="item-errors", provider="anthropic", share=0.3, count=1)
    with LLMOrchestrator(config) as orchestrator:
        split = "claude=60:batch,openai=60:batch,gpt-4o-mini=rest:online"
        run = orchestrator.bulk(rows, task=TASK, split=split, clock=sim.url, out=tmp_path / "out")
        with hours_fly(sim, accepted=2):
            assert run.wait() == "completed"
        report = run.report()
    assert report.retries > 0
    assert {unit.lane for unit in report.units} == {"batch", "online"}
    assert {unit.provider_state for unit in report.units} >= {"completed", "expired"}
    with BatchProcessor(config, clock=sim.url) as batch:
        data = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Score it"}]}
        batch.queue_job_sync("creative_scoring", "openai", data)
        (batch_id,) = batch.process_all_batches_sync()
        with hours_fly(sim, accepted=1):
            while batch.check_batch_status_sync(batch_id)["status"] != "completed":
                time.sleep(0.1)
        found = savings(batch.store)
    expected: dict[str, dict[str, tuple[int, int]]] = {"type": {}, "provider": {}, "month": {}}
    for row in in_the_ledger(both):
        tags = json.loads(row["tags"])
        assert not row["cache_read_tokens"]
        read, written = REALTIME[row["provider"]]
        live = read * row["input_tokens"] + written * row["output_tokens"]
        for what, name in (
            ("type", tags.get("job_type") or tags["task"]),
            ("provider", brand(row["provider"])),
            ("month", row["month"]),
        ):
            cost, saved = expected[what].get(name, (0, 0))
            paid = row["cost_pico"]
            expected[what][name] = (cost + paid, saved + live - paid)
    assert told(found.by_job_type) == expected["type"]
    assert told(found.by_provider) == expected["provider"]
    assert told(found.by_month) == expected["month"]
    assert min(expected["month"]) == month
    assert len(expected["month"]) == 2
    assert found.total.proven
    assert found.total.unknown == 0
    assert found.total.cost_pico == sim.batches()["cost_pico"]
    assert found.total.saved_pico == found.total.cost_pico, "half of the price is saved"
