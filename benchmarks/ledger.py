"""CPU time and waiting that the ledger adds to a call: `python benchmarks/ledger.py [URL ...]`.

A call is an intent (awaited), a settlement and a call row. The same loop without a ledger is
measured first and taken off, so that what is printed is the ledger's own share, making the rows
included. PostgreSQL: pass its URL; the database should be empty. CPU is of this process only.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.store.rows import AttemptRow, CallRow, SettlementRow
from llm_orchestrator.types.ids import ids

FLIGHTS = ((1, 3_000), (16, 20_000), (100, 40_000))
"""Calls in flight, and how many are made."""


async def call(ledger: Ledger, waits: list[float]) -> None:
    """What the pipeline does for one call."""
    now = time.time_ns() // 1000
    attempt_id, call_id = ids.new("att"), ids.new("call")
    start = time.perf_counter()
    await ledger.intent(
        AttemptRow(
            attempt_id=attempt_id,
            call_id=call_id,
            session_id="ses_x7k2m9p4q1",
            provider="openai",
            model="gpt-4o-mini",
            started_at=now,
            hold_pico=2_400_000_000,
            price_version="2025-06-01",
        )
    )
    waits.append(time.perf_counter() - start)
    ledger.add(
        SettlementRow(
            attempt_id=attempt_id,
            status="ok",
            status_code=200,
            request_id="req_011CQ7jbSrPpy",
            input_tokens=1000,
            output_tokens=200,
            cache_read_tokens=0,
            cost_pico=270_000_000,
            cost_source="price",
            ended_at=now + 1000,
            latency_us=1000,
        )
    )
    ledger.add(
        CallRow(
            call_id=call_id,
            session_id="ses_x7k2m9p4q1",
            started_at=now,
            ended_at=now + 1000,
            status="ok",
            provider="openai",
            model="gpt-4o-mini",
            requested_model="gpt-4o-mini",
            input_tokens=1000,
            output_tokens=200,
            cost_pico=270_000_000,
            latency_us=1000,
        )
    )


async def nothing(waits: list[float]) -> None:
    """The loop alone."""
    waits.append(time.perf_counter() - time.perf_counter())
    await asyncio.sleep(0)


async def run(ledger: Ledger | None, flight: int, count: int) -> tuple[float, float]:
    """CPU microseconds a call, and the median wait in milliseconds."""
    waits: list[float] = []
    numbers = iter(range(count))

    async def worker() -> None:
        for _ in numbers:
            await (call(ledger, waits) if ledger else nothing(waits))

    start = time.process_time()
    await asyncio.gather(*(worker() for _ in range(flight)))
    if ledger:
        await ledger.flush()
    return (time.process_time() - start) / count * 1e6, statistics.median(waits) * 1e3


async def measure(url: str, flight: int, count: int) -> tuple[float, float]:
    """One line of the table; the store is opened before the clock starts."""
    ledger = Ledger(url)
    await call(ledger, [])
    await ledger.flush()
    cpu, wait = await run(ledger, flight, count)
    await ledger.close()
    loop, _ = await run(None, flight, count)
    return cpu - loop, wait


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("urls", nargs="*", help="stores; a temporary SQLite file when left out")
    arguments = parser.parse_args()
    print(f"{'store':<12}{'in flight':>10}{'µs CPU/call':>14}{'µs CPU/row':>13}{'ms wait':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for number, url in enumerate(arguments.urls or [""]):
            for flight, count in FLIGHTS:
                place = url or str(Path(folder) / f"{number}-{flight}.db")
                cpu, wait = asyncio.run(measure(place, flight, count))
                kind = "PostgreSQL" if place.startswith("postgres") else "SQLite"
                print(f"{kind:<12}{flight:>10}{cpu:>14.1f}{cpu / 3:>13.1f}{wait:>10.2f}")


if __name__ == "__main__":
    main()
