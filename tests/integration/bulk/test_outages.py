"""A database that is away for some seconds, as when it restarts, ends no run."""

import logging
import threading
import time
from pathlib import Path
from typing import Any, Literal

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

from llm_orchestrator import LLMOrchestrator
from llm_orchestrator.simulator import Simulator
from tests.integration.bulk.world import sections

COUNT = 120
TASK = {"name": "say", "prompt": "Say {{ id }}.", "options": {"max_tokens": 400}}


def restart(url: str, seconds: float) -> None:
    """Break all connections to the database, and take no new ones for so long."""
    name = Identifier(str(conninfo_to_dict(url)["dbname"]))
    with psycopg.connect(make_conninfo(url, dbname="postgres"), autocommit=True) as admin:
        admin.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (conninfo_to_dict(url)["dbname"],),
        )
        time.sleep(seconds)
        admin.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))


@pytest.mark.postgres
@pytest.mark.parametrize("lane", ["batch", "online"])
def test_a_restart_of_the_database_is_waited_for(
    postgres_url: str,
    tmp_path: Path,
    lane: Literal["batch", "online"],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "llm_orchestrator")
    with Simulator(seed=5, latency="0.4,0.0001").run_in_thread() as sim:
        sim.set_batches(queue=5.0, item=0.0, validation=0.0, finalizing=0.0)
        config: dict[str, Any] = {
            "providers": sections(sim, ["openai"]),
            "store": {"url": postgres_url},
            "bulk": {"poll": 0.2, "poll_most": 0.2},
        }
        rows = [{"id": number} for number in range(COUNT)]
        with LLMOrchestrator(config) as orchestrator:
            run = orchestrator.bulk(
                rows, task=TASK, models="gpt-4o-mini", lane=lane, out=tmp_path, clock=sim.url
            )
            while not (sim.log() if lane == "online" else sim.batches()["batches"]):
                time.sleep(0.02)
            away = threading.Thread(target=restart, args=(postgres_url, 2.5))
            away.start()
            assert run.wait() == "completed"
            away.join()
            total = run.report().as_dict()["total"]
        bill = sim.ledger()["total"]
    assert bill["requests"] == total["done"] == COUNT, "nothing is asked twice"
    assert f"{total['cost_usd']:f}" == bill["cost_usd"]
    assert not total["unknown_cost_calls"]
    assert "It is waited for, 5 minutes at most" in caplog.text
