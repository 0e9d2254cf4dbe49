"""A worker of bulk runs that is forked again and again: `bulk_worker.py URL STORE FOLDER NAMES`.

Reads one word a line from stdin. ``go`` and ``go NAME:TIMES`` start a life, which is killed at
that point if it comes to it; the pid is told. ``wait PID`` tells how that life has ended. A life
builds batches of the items that wait, goes on with every unit that is due, lets failed items wait
again, and ends when nothing is left to do.
"""

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from llm_orchestrator.bulk.batches import crash_points
from llm_orchestrator.bulk.batches.building import Plan, build
from llm_orchestrator.bulk.batches.lane import BatchLane
from llm_orchestrator.bulk.clock import SimulatedClock
from llm_orchestrator.config import load
from llm_orchestrator.config.bulk import BulkSettings
from llm_orchestrator.engine.build import build as build_runtime
from llm_orchestrator.pipeline.batches import Driver
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_rows import ItemState
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Message, Request

URL, STORE, FOLDER = sys.argv[1:4]
NAMES = sys.argv[4].split(",")
RUN = "run1"
SETTINGS = BulkSettings(
    create_timeout=2.0, list_lag=1.5, poll=20.0, poll_most=20.0, lease=0.7, clock_skew=120.0
)
UNIT = 12
AT_ONCE = 6
MODELS = {
    "openai": "gpt-4o-mini",
    "anthropic": "claude-haiku-4-5-20251001",
    "perplexity": "openai/gpt-5-mini",
}
PATHS = {"openai": "/openai/v1", "anthropic": "/anthropic/v1", "perplexity": "/perplexity"}


def request(number: int, task: str) -> Request:
    """What an item asks: no two ask the same."""
    return Request(messages=(Message("user", f"Say {number} for {task}."),), max_tokens=400)


class Life:
    """One process's work."""

    def __init__(self) -> None:
        providers = {
            name: {"api_key": f"sim-{name}-key-0001", "base_url": URL + PATHS[name]}
            for name in NAMES
        }
        url = STORE if "://" in STORE else f"sqlite:///{STORE}"
        self.runtime = build_runtime(load({"providers": providers, "store": {"url": url}}))
        self.store = BulkStore(url)
        self.clock = SimulatedClock(URL)
        self.batch_lane = BatchLane(
            self.runtime, self.store, folder=Path(FOLDER), clock=self.clock, settings=SETTINGS
        )
        self.batch_lane.context.driver = Driver(self.runtime.transport, (0.0, 0.0, 0.0))

    async def run(self) -> None:
        await self.clock.refresh()
        await asyncio.gather(*(self.build(name) for name in NAMES))
        store = self.store
        while True:
            now = self.batch_lane.context.micros()
            due = await store.do(store.units.due, now, run_id=RUN, limit=AT_ONCE)
            if due:
                await asyncio.gather(*map(self.batch_lane.advance, due))
                continue
            await store.do(store.items.retry, RUN)
            if await store.do(store.items.page, RUN, states=(ItemState.WAITING,), limit=1):
                await asyncio.gather(*(self.build(name) for name in NAMES))
                continue
            if await store.do(store.units.soonest, RUN) is None:
                return
            await asyncio.sleep(0.01)

    async def build(self, name: str) -> None:
        """Batches of what waits for this provider; another process may have been faster."""
        waiting = (ItemState.WAITING,)
        items = await self.store.do(self.store.items.page, RUN, states=waiting, task=name)
        row = self.runtime.directory.use(name)
        plan = Plan(
            run_id=RUN,
            task=name,
            target=Candidate(row, self.runtime.catalog.resolve(MODELS[name], name)),
            folder=Path(FOLDER),
            created_at=self.batch_lane.context.micros(),
            most_items=UNIT,
        )
        rows: Iterator[tuple[int, Request]] = (
            (item.item_no, request(item.item_no, name)) for item in items
        )
        for built in await asyncio.to_thread(lambda: list(build(plan, rows))):
            assert built.unit is not None
            crash_points.crash_point("built")
            await self.store.do(self.store.units.add, built.unit, built.numbers)
            crash_points.crash_point("added")


def live(spec: str) -> None:
    crash_points.arm(spec)
    try:
        asyncio.run(Life().run())
    except BaseException:  # noqa: BLE001 - a child must never go on with its parent's work
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(3)
    os._exit(0)


def main() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "go":
            pid = os.fork()
            if pid == 0:
                live(rest)
            print(pid, flush=True)  # noqa: T201
        elif word == "wait":
            _, status = os.waitpid(int(rest), 0)
            print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
