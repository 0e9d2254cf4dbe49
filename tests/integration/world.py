"""An orchestrator over the simulator, and what its ledger holds."""

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path
from typing import Any

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.events import EndEvent, StreamEvent
from llm_orchestrator.types.reply import Reply

KEY = "sk-test-0123456789abcdef"
MINI = "gpt-4o-mini"
HAIKU = "claude-haiku-4-5-20251001"
SLOW = "0.1,2"
"""A latency of the simulator: an answer begins soon, and lasts longer than any test."""
HELLO = [{"role": "user", "content": "Please describe a quiet morning by the sea."}]


def configuration(sim: Simulator, **more: Any) -> dict[str, Any]:
    """Both wires of the simulator; OpenAI's is asked first. Waits are short."""
    return {
        "active_provider": "openai",
        "active_model": MINI,
        "providers": {
            "openai": {"api_key": KEY, "base_url": sim.openai_url},
            "anthropic": {"api_key": KEY, "base_url": f"{sim.anthropic_url}/v1"},
        },
        "retry": {"base_delay": 0.01, "max_delay": 0.02},
    } | more


def table(home: Path, name: str) -> list[dict[str, Any]]:
    """The rows of one table of the ledger in this home."""
    path = home if home.is_file() else home / "ledger.db"
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(f"SELECT * FROM {name} ORDER BY rowid")]


def check_books(sim: Simulator, home: Path) -> dict[str, dict[str, Any]]:
    """Every request that the simulator saw is an attempt of ours, and each known cost is right.

    Returns the bill's rows by the id of the attempt.
    """
    bill = {row["client_request_id"]: row for row in sim.ledger()["rows"]}
    attempts = {row["attempt_id"] for row in table(home, "attempts")}
    assert bill.keys() <= attempts
    outcomes = {row["attempt_id"]: row for row in table(home, "settlements")}
    assert outcomes.keys() == attempts, "every attempt has its outcome"
    for name, row in bill.items():
        known = outcomes[name]
        if known["cost_source"] == "price":
            assert known["cost_pico"] == row["cost_pico"], known
        if known["status"] == "ok" and not known["usage_estimated"]:
            assert known["cost_pico"] is not None
            assert known["output_tokens"] == row["usage"]["output_tokens"]
    return bill


async def booked(llm: AsyncLLMOrchestrator, sim: Simulator, home: Path) -> dict[str, Any]:
    """Close, and compare the books."""
    await llm.close()
    return check_books(sim, home)


async def all_of(events: AsyncGenerator[StreamEvent, None]) -> list[StreamEvent]:
    return [event async for event in events]


def end_of(events: list[StreamEvent]) -> Reply:
    """The reply that a stream ends with."""
    assert isinstance(events[-1], EndEvent)
    return events[-1].reply
