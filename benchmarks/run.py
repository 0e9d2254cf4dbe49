"""Speed, side by side in one run: `make bench`.

CPU per call and per chunk of this library beside bare aiohttp, the official SDK and the peers that
are installed (``--python`` names another interpreter that has them), then what starting costs.
Rounds alternate between the clients, so that all of them meet the same noise; the median counts.
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.speed import upstream  # noqa: E402 - the checkout has to be on the path first

_PEERS = {"openai": "openai", "litellm": "litellm", "tensorzero": "tensorzero"}
_STARTS = {
    "import llm_orchestrator": "import llm_orchestrator",
    "import to first reply": (
        "from llm_orchestrator import LLMOrchestrator\n"
        "o = LLMOrchestrator({'providers': {'openai': {'api_key': 'k', 'base_url': 'BASE'}}})\n"
        "assert o.send_request('Hello').content\no.close()"
    ),
}
console = Console()


def environment() -> dict[str, str]:
    """Ours, with byte code allowed: without it every start compiles everything anew."""
    env = {key: text for key, text in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPATH"] = os.pathsep.join((str(ROOT), str(ROOT / "src")))
    return env | {"LLMO_HOME": str(ROOT / ".bench")}


def one(python: str, arguments: Sequence[str]) -> dict[str, float]:
    """One run of one client."""
    command = [python, "-m", "benchmarks.speed.client", *arguments]
    done = subprocess.run(
        command, env=environment(), cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(
    title: str,
    unit: str,
    mode: str,
    base: str,
    plan: dict[str, tuple[str, int]],
    in_flight: int,
    rounds: int,
) -> dict[str, float]:
    """A table of all clients on one upstream; the medians by client."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in plan}
    for _ in range(rounds):
        for name, (python, calls) in plan.items():
            arguments = (name, mode, base, str(calls), str(in_flight))
            runs[name].append(one(python, arguments))
    medians = {name: median(run[unit] for run in found) for name, found in runs.items()}
    table = Table(title=title, title_justify="left")
    for column in ("client", "CPU µs", "x aiohttp", "range", "peak MB"):
        table.add_column(column, justify="left" if column == "client" else "right")
    for name, found in sorted(runs.items(), key=lambda item: medians[item[0]]):
        low, high = min(run[unit] for run in found), max(run[unit] for run in found)
        table.add_row(
            name,
            f"{medians[name]:.1f}",
            f"{medians[name] / medians['aiohttp']:.2f}",
            f"{low:.1f}-{high:.1f}",
            f"{median(run['peak_mb'] for run in found):.0f}",
        )
    console.print(table)
    return medians


def starts(base: str, rounds: int) -> dict[str, float]:
    """CPU milliseconds of starting, above a bare interpreter."""
    floor = median(_child([sys.executable, "-c", "pass"]) for _ in range(rounds))
    table = Table(title="starting, CPU ms above a bare interpreter", title_justify="left")
    table.add_column("what")
    table.add_column("CPU ms", justify="right")
    found = {}
    for name, code in _STARTS.items():
        command = [sys.executable, "-c", code.replace("BASE", base)]
        found[name] = median(_child(command) for _ in range(rounds)) - floor
    llmo = Path(sys.executable).parent / "llmo"
    if llmo.exists():
        found["llmo --version (whole)"] = median(
            _child([str(llmo), "--version"]) for _ in range(rounds)
        )
    for name, millis in found.items():
        table.add_row(name, f"{millis:.0f}")
    console.print(table)
    return found


def _child(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env=environment(), stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3


def main() -> None:
    """Print the tables, and the figures as JSON with ``--json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--python", help="interpreter that has peers such as litellm, tensorzero")
    parser.add_argument("--json", metavar="FILE", help="also write the medians to a file")
    given = parser.parse_args()
    here = {name for name, module in _PEERS.items() if importlib.util.find_spec(module)}
    python = dict.fromkeys(("aiohttp", "ours", "ours-no-ledger", *sorted(here)), sys.executable)
    if given.python:
        probe = (
            "import importlib.util as u, sys; print([m for m in sys.argv[1:] if u.find_spec(m)])"
        )
        command = [given.python, "-c", probe, *_PEERS]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        python |= {name: given.python for name in _PEERS if name in done.stdout}
    many = {name: 6000 if name in {"aiohttp", "ours", "ours-no-ledger"} else 800 for name in python}
    figures: dict[str, dict[str, float]] = {}
    with upstream.static() as (base, server):
        title = f"whole answers of 1 KB by {server}, 100 in flight: CPU µs a call"
        plan = {name: (python[name], many[name]) for name in python}
        figures["whole"] = compare(title, "cpu_us_per_call", "whole", base, plan, 100, given.rounds)
        figures["start"] = starts(base, given.rounds)
    for gap, calls in ((0, 600), (10, 64)):
        with upstream.streams(gap) as base:
            pace = f"{gap} ms apart" if gap else "as fast as they are read"
            title = f"streams of {upstream.CHUNKS + 2} chunks, {pace}, 32 at once: CPU µs a chunk"
            plan = {
                name: (python[name], calls // (1 if many[name] > 800 or gap else 4))
                for name in python
            }
            name = f"stream, {gap} ms gaps"
            figures[name] = compare(
                title, "cpu_us_per_chunk", "stream", base, plan, 32, given.rounds
            )
    if given.json:
        Path(given.json).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
