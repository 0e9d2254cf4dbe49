"""Bulk runs, side by side in one run: `make bench-bulk`.

    python benchmarks/bulk.py [--prompts 10000] [--rows 100000] [--rounds 3] [--python OTHER]

First the online lane: so many prompts against an upstream that costs nothing, with checkpoints, the
ledger and files of results, beside a bare aiohttp script, the official SDK and the peers that are
installed (``--python`` names another interpreter that has them; those are asked less). Then rows
through the batch lane of our simulator: what loading, building, splitting, collecting and merging
cost together. CPU is of the client's own process; a fixed job says how fast the machine was. The
exit code is 1 where a limit is not kept.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.speed import upstream  # noqa: E402 - the checkout has to be on the path first
from benchmarks.speed.pace import REFERENCE_MS  # noqa: E402

Runs = list[dict[str, float]]
ONLINE_US, ONLINE_MB = 200, 100
BATCH_US, BATCH_MB = 60, 200
_PEERS = {
    "openai": ("openai",),
    "litellm": ("litellm",),
    "curator": ("bespokelabs", "bespokelabs.curator"),
}
_FEW = 1000
"""So many prompts are enough for those that take long."""
console = Console()


def environment() -> dict[str, str]:
    """Ours, with byte code allowed: without it every start compiles everything anew."""
    env = {key: text for key, text in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return env | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src")))}


def one(python: str, name: str, url: str, count: int, in_flight: int) -> dict[str, float]:
    """One run of one client, in a process of its own."""
    words = ["-m", "benchmarks.speed.bulk_client", name, url, str(count), str(in_flight)]
    done = subprocess.run(
        [python, *words], env=environment(), cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        told = done.stderr.strip().splitlines() or ["it said nothing"]
        raise RuntimeError(f"{name}: {told[-1]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if found["done"] != count:
        raise RuntimeError(f"{name}: {found['done']:,.0f} of {count:,} were answered")
    return found


def clients(other: str | None) -> dict[str, str]:
    """Who can be measured, and by which interpreter."""
    there = {"online": sys.executable, "aiohttp": sys.executable}
    probe = (
        "import importlib.util as u, json, sys\n"
        "print(json.dumps([n for n, ms in json.loads(sys.argv[1]).items()"
        " if all(u.find_spec(m) for m in ms)]))"
    )
    for python in (sys.executable, other):
        if python is not None:
            command = [python, "-c", probe, json.dumps(_PEERS)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            there |= dict.fromkeys(json.loads(done.stdout), python)
    return there


def online(prompts: int, in_flight: int, rounds: int, other: str | None) -> bool:
    """Print the table of the online lane; whether it keeps to its limits."""
    there = clients(other)
    runs: dict[str, Runs] = {name: [] for name in there}
    with upstream.static() as (url, server):
        for _ in range(rounds):
            for name, python in there.items():
                count = prompts if name in {"online", "aiohttp"} else min(prompts, _FEW)
                runs[name].append(one(python, name, url, count, in_flight))
    title = f"{prompts:,} prompts in real time against {server}, {in_flight} in flight"
    show(
        title, "CPU ms a prompt", {"ours" if n == "online" else n: r for n, r in runs.items()}, 1e3
    )
    return kept(runs["online"], ONLINE_US, ONLINE_MB)


def batch(rows: int, rounds: int) -> bool:
    """Print the table of the batch lane; whether it keeps to its limits."""
    runs: Runs = []
    for _ in range(rounds):
        with simulator() as url:
            runs.append(one(sys.executable, "batch", url, rows, 1))
    show(f"{rows:,} rows by batches, against our simulator", "CPU µs a row", {"ours": runs}, 1)
    return kept(runs, BATCH_US, BATCH_MB)


@contextmanager
def simulator() -> Iterator[str]:
    """The address of a simulator where an hour takes a second, and all answers are alike."""
    with tempfile.TemporaryDirectory(prefix="llmo-bench-") as folder:
        place = Path(folder, "url")
        options = ("--port", "0", "--speed", "3600", "--port-file", str(place))
        batches = ("--batch", "light=true,item=0.0001")
        process = subprocess.Popen(
            [sys.executable, "-m", "llm_orchestrator.simulator", *options, *batches],
            env=environment(),
            stdout=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 60
            while not place.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the simulator did not start")
                time.sleep(0.02)
            yield place.read_text().strip()
        finally:
            process.terminate()
            process.wait(30)


def show(title: str, unit: str, runs: dict[str, Runs], scale: float) -> None:
    """A table: the median of CPU, its range, rows a second, memory, and the machine's speed."""
    table = Table(title=title, title_justify="left")
    for column in ("client", unit, "range", "a second", "peak MB", "job ms"):
        table.add_column(column, justify="left" if column == "client" else "right")
    places = 3 if scale > 1 else 1
    for name, found in sorted(runs.items(), key=lambda item: median(cpu(item[1]))):
        spent = [one / scale for one in cpu(found)]
        table.add_row(
            name,
            f"{median(spent):.{places}f}",
            f"{min(spent):.{places}f}-{max(spent):.{places}f}",
            f"{median(one['done'] / one['seconds'] for one in found):,.0f}",
            f"{max(one['peak_mb'] for one in found):.0f}",
            f"{median(one['job_ms'] for one in found):.1f}",
        )
    console.print(table)


def cpu(runs: Runs) -> list[float]:
    """CPU microseconds a row of each run."""
    return [one["cpu_us_per_row"] for one in runs]


def kept(runs: Runs, most_us: float, most_mb: float) -> bool:
    """Whether the median of CPU and the highest memory are within their limits; says so.

    The limit of CPU is for a machine on which the fixed job takes `REFERENCE_MS`.
    """
    spent = median(one["cpu_us_per_row"] * REFERENCE_MS / one["job_ms"] for one in runs)
    peak = max(one["peak_mb"] for one in runs)
    there = f"µs CPU a row where the job takes {REFERENCE_MS:.0f} ms"
    for value, most, unit in ((spent, most_us, there), (peak, most_mb, "MB")):
        word = "within" if value <= most else "above"
        console.print(f"  {value:.1f} {unit}: {word} {most}")
    return spent <= most_us and peak <= most_mb


def main() -> int:
    """Print the tables, and say by the exit code whether the limits were kept."""
    parser = argparse.ArgumentParser(description="CPU and memory of bulk runs.")
    parser.add_argument("--prompts", type=int, default=10_000, help="of the online lane; 0: none")
    parser.add_argument("--rows", type=int, default=100_000, help="of the batch lane; 0: none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=100)
    parser.add_argument("--python", help="interpreter that has peers such as litellm, curator")
    given = parser.parse_args()
    good = True
    if given.prompts:
        good &= online(given.prompts, given.in_flight, given.rounds, given.python)
    if given.rows:
        good &= batch(given.rows, given.rounds)
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
