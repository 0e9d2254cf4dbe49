"""A run, the processes that work at it and are killed, and both ledgers when it is over."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_rows import OPEN, ItemState, NewItem, RunRow, UnitState, custom_id
from llm_orchestrator.store.connect import connect

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).parent / "bulk_worker.py"
RUN = "run1"
SPEED = 200.0
BATCHES = {
    "queue": 20,
    "validation": 5,
    "finalizing": 5,
    "item": 0.5,
    "list_lag_real": 0.4,
    "window": 400,
}
POINTS = (
    "built",
    "added",
    "uploaded",
    "upload-noted",
    "held",
    "sending",
    "accepted",
    "sent",
    "listed",
    "adopted",
    "seen",
    "cancelled",
    "given-up",
    "ended",
    "fetched",
    "chunk",
    "folded",
    "left",
    "settled",
    "collected",
)
"""Every point that a unit passes on its way."""
ENDED_IN: dict[str, UnitState] = {"cancelled": "sent", "given-up": "prepared"}
"""Points that only a unit comes to whose end was asked for, and in which state it was then."""
_CANCELLED = 0.3


def simulator() -> Simulator:
    """A provider that loses replies after it has accepted, and shows new batches late."""
    made = Simulator(seed=3, speed=SPEED, batch=dict(BATCHES, failures=0.02))
    made.add_fault(fault="lost-reply", rate=0.15)
    made.add_fault(fault="lost-reply-reset", rate=0.1)
    made.add_fault(fault="error-after-accept", rate=0.1)
    made.add_fault(fault="reset", on="create", rate=0.05)
    made.add_fault(fault="batch-expired", rate=0.05)
    made.add_fault(fault="doubled-results", rate=0.1, share=0.5)
    for operation in ("upload", "poll", "list", "results"):
        made.add_fault(fault="server-error", on=operation, rate=0.03)
    return made


class Crowd:
    """Worker processes on one store; they die and are started again."""

    def __init__(self, sim: Simulator, url: str, folder: Path, names: Iterable[str]) -> None:
        self.sim = sim
        self.url = url
        self.names = tuple(names)
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.store = BulkStore(url)
        self.store.runs.add(RunRow(run_id=RUN, created_at=1, state="running"))
        self._next = 0
        self.kills = 0
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER), sim.url, url, str(folder), ",".join(self.names)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self.store.close()

    def feed(self, count: int) -> None:
        """So many new items for each provider."""
        items = [
            NewItem(number, name, f"u{number}", f"d{number}", b"{}")
            for place, name in enumerate(self.names)
            for number in range(self._next + place * count, self._next + (place + 1) * count)
        ]
        self._next += count * len(self.names)
        self.store.items.add(RUN, items)

    def cancel(self, moments: random.Random) -> None:
        """Ask for the end of a unit that is under way, whichever."""
        units = self.store.units.of_run(RUN, OPEN)
        if units:
            self.store.units.cancel(moments.choice(units).work_id, "not wanted", at=1)

    def cancel_one(self, state: UnitState) -> None:
        """The same for a unit in this state, whose batch is known to be ours if there is one."""
        units = self.store.units.of_run(RUN, [state])
        for unit in [unit for unit in units if unit.proof != "match"][:1]:
            self.store.units.cancel(unit.work_id, "not wanted", at=1)

    def go(self, spec: str = "") -> int:
        """A new life; its pid."""
        return int(self._ask(f"go {spec}"))

    def wait(self, pid: int) -> int:
        """How it has ended: 0, or minus the signal."""
        return int(self._ask(f"wait {pid}"))

    def kill(self, pid: int) -> None:
        """End it at once, wherever it is."""
        os.kill(pid, signal.SIGKILL)
        assert self.wait(pid) in {-signal.SIGKILL, 0}
        self.kills += 1

    def _ask(self, line: str) -> str:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
        return process.stdout.readline()


class Books:
    """What the provider says, and what we say, once all is over."""

    def __init__(self, crowd: Crowd) -> None:
        sim, store = crowd.sim, crowd.store
        self.kills = crowd.kills
        self.view = sim.batches()
        self.twice = sim.paid_twice()
        self.units = store.units.of_run(RUN)
        self.items = list(store.items.iterate(RUN))
        self.prefixes = {unit.work_id: unit.prefix for unit in self.units}
        self.billed: list[dict[str, Any]] = [
            row for row in sim.ledger(items=True)["rows"] if row["custom_id"] is not None
        ]
        backend = connect(store.target)
        try:
            rows = backend.query("SELECT request_id, cost_pico, status FROM attempt_ledger")
            self.booked = {batch_id: cost for batch_id, cost, _ in rows if batch_id}
        finally:
            backend.close()

    def states(self) -> Counter[str]:
        return Counter(ItemState(item.state).name for item in self.items)

    def lost_rows(self) -> int:
        """Items that were neither answered nor told to be impossible."""
        return sum(item.state not in {ItemState.DONE, ItemState.FAILED} for item in self.items)

    def lost_results(self) -> int:
        """Answers that the provider bills and no item has."""
        ours = Counter(
            custom_id(self.prefixes[item.work_id or ""], item.item_no)
            for item in self.items
            if item.state == ItemState.DONE and item.result
        )
        return (Counter(row["custom_id"] for row in self.billed) - ours).total()

    def differences(self) -> list[tuple[str, int | None, int]]:
        """Batches whose cost the two ledgers tell differently."""
        theirs = {row["id"]: row["cost_pico"] for row in self.view["batches"]}
        found = [
            (batch_id, self.booked.get(batch_id), cost)
            for batch_id, cost in theirs.items()
            if cost != self.booked.get(batch_id, 0)
        ]
        return found + [
            (name, cost, -1) for name, cost in self.booked.items() if name not in theirs
        ]

    def figures(self) -> str:
        proofs = Counter(str(unit.proof or unit.state) for unit in self.units)
        ends = Counter(str(unit.provider_state) for unit in self.units)
        sends = sum(unit.send_no for unit in self.units)
        return (
            f"{self.kills} kills, {len(self.units)} units in {sends} sends, {dict(proofs)}, "
            f"{dict(ends)}; "
            f"{self.view['accepted']} batches accepted, {self.view['duplicates']} of them twice "
            f"and ended unpaid; paid twice: {self.twice['items']} items in "
            f"{self.view['paid_twice']} batches; rows lost: {self.lost_rows()}; results lost: "
            f"{self.lost_results()}; ledgers differ in {len(self.differences())} batches, total "
            f"{self.view['cost_pico']} pico; items {dict(self.states())}"
        )

    def check(self) -> None:
        assert self.view["paid_twice"] == 0, self.twice
        assert self.twice["items"] == 0, self.twice
        assert self.lost_rows() == 0, self.states()
        assert self.lost_results() == 0
        assert self.differences() == [], self.differences()
        assert all(unit.over for unit in self.units)
        assert sum(cost or 0 for cost in self.booked.values()) == self.view["cost_pico"] > 0
        assert sum(item.cost_pico or 0 for item in self.items) == self.view["cost_pico"]


def until_over(crowd: Crowd) -> None:
    """Let one life come to its end."""
    pid = crowd.go()
    assert crowd.wait(pid) == 0


def randomly(crowd: Crowd, kills: int, workers: int, moments: random.Random, most: float) -> None:
    """Kill workers at random, and start others in their place."""
    alive = [crowd.go() for _ in range(workers)]
    while crowd.kills < kills:
        crowd.feed(8)
        time.sleep(moments.uniform(0.02, most))
        if moments.random() < _CANCELLED:
            crowd.cancel(moments)
        victim = alive.pop(moments.randrange(len(alive)))
        crowd.kill(victim)
        alive.append(crowd.go())
    for pid in alive:
        assert crowd.wait(pid) == 0
    until_over(crowd)
