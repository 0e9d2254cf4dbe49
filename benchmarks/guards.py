"""What each guard adds to a call, side by side in one run: `python benchmarks/guards.py`.

CPU of this process a call, by a whole answer of 1 KB over HTTP from an upstream that costs nothing.
Rounds alternate between the rows, so that all of them meet the same noise; the median counts. The
budgets are durable: each hold is committed to SQLite before its request goes out.
``--postgres URL`` adds rows for a database there, which should be empty.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.speed import upstream  # noqa: E402 - the checkout has to be on the path first
from benchmarks.speed.client import MESSAGES, MODEL, OPTIONS, measure  # noqa: E402

LIMIT_US = 40
"""What all guards together may cost, at 16 calls in flight and more."""
FLIGHTS = (16, 100)
_CAP = {"cap": 1_000_000}
FIVE = [
    {"scope": "global", "period": "month", "zone": "Europe/Berlin", **_CAP},
    {"scope": "user", "period": "day", "zone": "America/New_York", **_CAP},
    {"scope": "session", **_CAP},
    {"scope": "key", "subject": "openai", **_CAP},
    {"scope": "tag", "subject": "team=blue", **_CAP},
]
BARE: dict[str, Any] = {"cost_tracking": {"enabled": False}}
OFF = {"rate_limits": {"learn": False}}
CACHE = {"cache": {"enabled": True}}
"""Every prompt is another one, so each call is looked for, asked and kept."""
LIMITS = {"rate_limits": {"models": {MODEL: {"rpm": 10**8, "tpm": 10**11, "in_flight": 10**5}}}}
GUARDS: dict[str, dict[str, Any]] = {
    "none": BARE | OFF,
    "limits, to be learned": BARE,
    "limits": BARE | LIMITS,
    "cache": BARE | OFF | CACHE,
    "ledger": OFF,
    "ledger, 1 budget": OFF | {"budgets": FIVE[:1]},
    "ledger, 2 budgets": OFF | {"budgets": FIVE[:2]},
    "ledger, 5 budgets": OFF | {"budgets": FIVE},
    "all, 2 budgets": {"budgets": FIVE[:2]} | LIMITS | CACHE,
}
"""What each row adds to the configuration."""
ALL = "all, 2 budgets"
"""The row with everything on."""
_ASK = MESSAGES[-1]["content"]
console = Console()


async def work(name: str, base: str, store: str, calls: int, in_flight: int) -> dict[str, float]:
    """One run of one row."""
    from llm_orchestrator import AsyncLLMOrchestrator

    config = {
        "active_provider": "openai",
        "active_model": MODEL,
        "providers": {"openai": {"api_key": "sk-bench", "base_url": base}},
        **({"store": {"url": store}} if store else {}),
    }
    async with AsyncLLMOrchestrator(config | GUARDS[name]) as orchestrator:
        numbers = iter(range(10**9))

        async def call() -> int:
            number = next(numbers)
            messages = [*MESSAGES[:-1], {"role": "user", "content": f"{number} {_ASK}"}]
            user = f"user-{number % 50}"
            reply = await orchestrator.send_request(
                messages, user=user, tags={"team": "blue"}, **OPTIONS
            )
            assert reply.content
            return 0

        return await measure(call, calls, in_flight)


def one(name: str, base: str, store: str, calls: int, in_flight: int) -> float:
    """CPU microseconds a call, in a process of its own."""
    arguments = [name, base, store, str(calls), str(in_flight)]
    with tempfile.TemporaryDirectory() as home:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}", "LLMO_HOME": home}
        done = subprocess.run(
            [sys.executable, __file__, "--one", *arguments],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr.strip().splitlines()[-1]}")
    found: float = json.loads(done.stdout.splitlines()[-1])["cpu_us_per_call"]
    return found


def compare(base: str, postgres: str, in_flight: int, calls: int, rounds: int) -> float:
    """Print the table; what all guards cost together, in microseconds."""
    rows = {name: (name, "") for name in GUARDS}
    if postgres:
        rows |= {f"{n}, PostgreSQL": (n, postgres) for n in GUARDS if n.startswith("ledger")}
    runs: dict[str, list[float]] = {title: [] for title in rows}
    for _ in range(rounds):
        for title, (name, store) in rows.items():
            runs[title].append(one(name, base, store, calls, in_flight))
    medians = {title: median(found) for title, found in runs.items()}
    table = Table(title=f"{in_flight} in flight: CPU µs a call", title_justify="left")
    for column in ("guards", "CPU µs", "more than none", "range"):
        table.add_column(column, justify="left" if column == "guards" else "right")
    for title, found in runs.items():
        more = medians[title] - medians["none"]
        spread = f"{min(found):.1f}-{max(found):.1f}"
        table.add_row(title, f"{medians[title]:.1f}", f"{more:+.1f}", spread)
    console.print(table)
    return medians[ALL] - medians["none"]


def main() -> None:
    """Print the tables, and whether all guards together keep to their limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=4000)
    parser.add_argument("--postgres", default="", metavar="URL")
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        name, base, store, calls, in_flight = given.one
        print(json.dumps(asyncio.run(work(name, base, store, int(calls), int(in_flight)))))
        return
    with upstream.static() as (base, server):
        console.print(f"whole answers of 1 KB by {server}")
        more = {n: compare(base, given.postgres, n, given.calls, given.rounds) for n in FLIGHTS}
    worst = max(more.values())
    sign = "within" if worst <= LIMIT_US else "above"
    console.print(f"all guards: at most {worst:.1f} µs more a call, {sign} {LIMIT_US}")


if __name__ == "__main__":
    main()
