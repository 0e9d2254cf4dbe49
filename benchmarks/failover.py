"""The sixteen cases of the Failover Bench through our orchestrator: `make failover`.

    python benchmarks/failover.py [--fast] [--json] [--only S06,S15]

Faults come from our simulator on a real socket, at full length (about 90 seconds, all cases at
once); `--fast` shortens them. Every case runs streamed over the OpenAI wire, which is what the
published figures are about, and again without streaming and over the Anthropic wire. The exit code
is 0 only when everything passes.
"""

import argparse
import asyncio
import json
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

if __name__ == "__main__":
    # A script sees its own folder only; what it uses is a package of the folder above.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console

from benchmarks.rescue import table
from benchmarks.rescue.cases import CASES, MODES, MORE
from benchmarks.rescue.run import FAST, FULL, Bench
from llm_orchestrator.simulator import Simulator


def main() -> int:
    """Run, print, and say by the exit code whether all is well."""
    options = argparse.ArgumentParser(description="The sixteen cases of the Failover Bench.")
    options.add_argument("--fast", action="store_true", help="shorter faults, for development")
    options.add_argument("--json", action="store_true", help="results as JSON on stdout")
    options.add_argument("--only", default="", help="some cases by id, such as S06,S15")
    given = options.parse_args()
    only = {name.strip().upper() for name in given.only.split(",") if name.strip()}
    cases = [case for case in CASES if not only or case.id in only]
    more = [case for case in MORE if not only or case.id in only]
    if not cases:
        options.error(f"no case is called {given.only}; there are S01 to S16")
    profile = FAST if given.fast else FULL
    console = Console(stderr=given.json)
    with tempfile.TemporaryDirectory(prefix="llmo-failover-") as folder:
        simulator = Simulator(timings=profile.timings or "full")
        with simulator.run_in_thread():
            bench = Bench(simulator, profile, Path(folder))
            with console.status("the faults take their time (about 90 s) ..."):
                results = asyncio.run(bench.run([*cases, *more], MODES))
            seen = len(simulator.log())
        with closing(sqlite3.connect(bench.ledger)) as ledger:
            booked = ledger.execute("SELECT COUNT(*) FROM settlements").fetchone()[0]
    table.show(console, cases, more, results, MODES)
    console.print(f"\nllm_orchestrator: {table.totals(cases, results, MODES[0])}")
    console.print(f"others pass of 16, as published 2026-09-12: {table.peers()}")
    console.print(f"requests seen by the provider {seen}, booked by us {booked}")
    if given.json:
        data = table.as_data(cases, results, MODES[0], profile.name)
        sys.stdout.write(json.dumps(data | {"seen": seen, "booked": booked}) + "\n")
    return int(seen != booked or any(one.verdict != "pass" for one in results))


if __name__ == "__main__":
    sys.exit(main())
