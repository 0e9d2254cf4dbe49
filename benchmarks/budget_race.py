"""64 workers in 4 processes race for one budget and are killed at random: `make budget-race`.

    python benchmarks/budget_race.py [--cap 0.25] [--kills 40] [--postgres URL | --no-postgres]

The provider is our simulator, which keeps its own bill and fails one time in ten. Meanwhile a
watcher reads the budget past all code of ours, as its window has it and as the sum of all rows.
When every worker was refused, the attempts of the killed are of unknown cost and count with their
holds; the provider's bill settles them, and the workers spend what that has freed. Then ledger and
bill must agree, within one request of the cap. The exit code is 1 when anything is not as it must
be. PostgreSQL: a database is made for the race beside that of LLMO_TEST_POSTGRES, and dropped.
"""

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if __name__ == "__main__":
    # A script sees its own folder only; what it uses is a package of the folder above.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psycopg
from psycopg.conninfo import conninfo_to_dict
from rich.console import Console
from rich.table import Table

from benchmarks.race.run import Outcome, Race
from llm_orchestrator.types.money import usd_text

POSTGRES = os.environ.get("LLMO_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")


@contextmanager
def database(url: str) -> Iterator[str]:
    """The address of a new database on the same server, which is dropped in the end."""
    name = f"llmo_race_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        try:
            base = url.partition("?")[0]
            old = conninfo_to_dict(url).get("dbname")
            yield f"{base.removesuffix(f'/{old}')}/{name}"
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def show(outcomes: dict[str, Outcome]) -> Table:
    """All figures; amounts in USD."""
    table = Table(title="64 workers, 4 processes, one budget; USD", title_justify="left")
    table.add_column("")
    for name in outcomes:
        table.add_column(name, justify="right")
    every = list(outcomes.values())
    rows: list[tuple[str, list[object]]] = [
        ("cap", [usd_text(one.cap) for one in every]),
        ("processes killed", [one.kills for one in every]),
        ("  attempts left without an outcome", [one.orphans for one in every]),
        ("highest spent + held, by the window", [usd_text(one.seen.highest) for one in every]),
        ("highest, by all rows", [usd_text(one.seen.highest_by_rows) for one in every]),
        ("looked", [f"{one.seen.samples:,} times" for one in every]),
        ("window and rows differed", [one.seen.different for one in every]),
        ("spent when all were refused", [usd_text(one.before[0]) for one in every]),
        ("  of it unknown, after kills", [usd_text(one.before[1]) for one in every]),
        ("  the provider's bill then", [usd_text(one.before[2]) for one in every]),
        ("spent in the end, by the ledger", [usd_text(one.spent) for one in every]),
        ("  by the provider's bill", [usd_text(one.bill) for one in every]),
        ("left of the cap", [usd_text(one.cap - one.spent) for one in every]),
        ("one request costs at most", [usd_text(one.one_request) for one in every]),
        ("holds left", [one.holds_left for one in every]),
        ("refusals", [one.refusals for one in every]),
        ("  while money was left", [one.hasty for one in every]),
        ("verdict", ["; ".join(one.faults()) or "holds" for one in every]),
    ]
    for title, cells in rows:
        table.add_row(title, *map(str, cells))
    return table


def main() -> int:
    """Race on both databases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cap", default="0.25", help="USD")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--postgres", default=POSTGRES, metavar="URL")
    parser.add_argument("--no-postgres", action="store_true")
    given = parser.parse_args()
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # the killed hang up on it
    outcomes = {}
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{Path(folder) / 'ledger.db'}"
        outcomes["SQLite"] = Race(store, given.cap, kills=given.kills).run()
    console = Console()
    if not given.no_postgres:
        try:
            with database(given.postgres) as store:
                outcomes["PostgreSQL"] = Race(store, given.cap, kills=given.kills).run()
        except psycopg.OperationalError as error:
            console.print(f"PostgreSQL was left out: {' '.join(str(error).split())}")
    console.print(show(outcomes))
    return int(any(one.faults() for one in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
