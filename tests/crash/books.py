"""The worker process, and the provider's bill beside our ledger once it has ended."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.rescue.books import Books, lay
from llm_orchestrator.simulator import Simulator

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).parent / "worker.py"


def start(how: str, simulator: Simulator, ledger: Path, name: str = "x") -> subprocess.Popen[str]:
    """The worker; returns when it begins."""
    process = subprocess.Popen(
        [sys.executable, str(WORKER), how, simulator.url, str(ledger), name],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begin\n"
    return process


def begun(process: subprocess.Popen[str], simulator: Simulator, calls: int = 1) -> None:
    """Wait until the worker has made so many calls."""
    since = simulator.ledger()["last_seq"]
    until = time.monotonic() + 60
    while len(simulator.ledger(since)["rows"]) < calls:
        assert process.poll() is None, "the worker has ended"
        assert time.monotonic() < until, "the worker makes no calls"
        time.sleep(0.01)


def heard(process: subprocess.Popen[str]) -> dict[str, int | None]:
    """What the worker told of its attempts until it ended: id to cost."""
    text = process.communicate(timeout=60)[0]
    told: dict[str, int | None] = {}
    for line in text.split("\n")[:-1]:  # the last one may be cut
        for pair in line.split():
            name, mark, cost = pair.partition("=")
            if mark:
                told[name] = None if cost == "None" else int(cost)
    return told


def read(simulator: Simulator, ledger: Path) -> Books:
    """Both sides, once the provider has noticed that nobody listens any more."""
    until = time.monotonic() + 20
    rows: list[dict[str, Any]] = simulator.ledger()["rows"]
    while not all(row["settled"] for row in rows) and time.monotonic() < until:
        time.sleep(0.05)
        rows = simulator.ledger()["rows"]
    return lay(rows, ledger)
