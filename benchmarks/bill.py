"""What every provider bills, by three accounts: `make bill`.

    python benchmarks/bill.py [--only openai,gemini] [--scenario "cut stream"] [--json]

Each row of the table of providers is asked in every way that costs money, through our orchestrator
and against the simulator. Then our ledger, the bill of the simulator and what the published prices
say of the billed tokens are compared request by request, to the last digit. Where a wire told no
usage (a stream that was cut), ours is an estimate: it is shown as one, and what was owed must not
be more than what was held. The exit code is 0 only when no difference is left.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    # A script sees its own folder only; what it uses is a package of the folder above.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console

from benchmarks.billing import table
from benchmarks.billing.books import Line
from benchmarks.billing.payer import SCENARIOS, pay
from llm_orchestrator.simulator import Simulator
from tests.conformance.rows import ROWS

_NAMES = frozenset(scenario.name for scenario in SCENARIOS)


async def bill(rows: list[str], only: frozenset[str], home: Path) -> list[Line]:
    """The lines of these rows, one after another; ``home`` takes the ledgers."""
    lines: list[Line] = []
    folders = {name: home / name.replace(" ", "-") for name in rows}
    for folder in folders.values():
        folder.mkdir(parents=True)
    async with Simulator() as sim:
        for name, folder in folders.items():
            lines += await pay(ROWS[name], sim, folder, only)
    return lines


def main() -> int:
    """Ask, compare, print, and say by the exit code whether all is well."""
    options = argparse.ArgumentParser(description="Our ledger, the bill, and published prices.")
    options.add_argument("--only", default="", help="some rows, such as openai,gemini")
    options.add_argument("--scenario", default="", help='some scenarios, such as "plain,stream"')
    options.add_argument("--json", action="store_true", help="results as JSON on stdout")
    given = options.parse_args()
    rows = [name.strip() for name in given.only.split(",") if name.strip()] or list(ROWS)
    only = frozenset(name.strip() for name in given.scenario.split(",") if name.strip())
    if unknown := (set(rows) - ROWS.keys()) | (only - _NAMES):
        options.error(f"not known: {', '.join(sorted(unknown))}")
    # Amounts are long, and must not be cut where the output is not a terminal.
    console = Console(stderr=given.json)
    console = Console(stderr=given.json, width=None if console.is_terminal else 150)
    with tempfile.TemporaryDirectory(prefix="llmo-bill-") as folder:
        lines = asyncio.run(bill(rows, only, Path(folder)))
    table.show(console, lines)
    if given.json:
        sys.stdout.write(json.dumps(table.as_data(lines)) + "\n")
    return int(any(line.verdict == "DIFFERS" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
