"""A race of many workers for one budget, whose processes are killed at random."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.race.watch import Seen, Watch, reader
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.treasury import Treasury
from llm_orchestrator.types.money import from_usd

ROOT = Path(__file__).parents[2]
MIX = {"rate-limit-bare": 2, "server-error": 2, "overloaded": 1, "reset": 1}
"""Faults that cost nothing, or nobody knows what: no estimates, so that books and bill agree."""
_PATIENCE_S = 120.0
_ORPHANS = (
    "SELECT COUNT(*) FROM settlements WHERE status = 'cancelled' AND cost_source = 'provider'"
)
"""Whoever settled these, it was not the process that had sent them."""


class Outcome(msgspec.Struct, kw_only=True):
    """What came of a race; amounts in pico-dollars."""

    cap: int
    kills: int
    seen: Seen
    one_request: int
    """The most that one request can cost."""
    orphans: int
    """Attempts whose outcome was lost with their process."""
    refusals: int
    hasty: int
    """Refusals of what would have fitted, had all others been settled."""
    before: tuple[int, int, int]
    """When all were refused: spent by the ledger, of that unknown, and the provider's bill."""
    spent: int
    """The same in the end, when what was unknown had been settled by the bill."""
    unknown: int
    bill: int
    holds_left: int

    def faults(self) -> list[str]:
        """What is not as it must be."""
        found = {
            "the cap was passed": max(self.seen.highest, self.seen.highest_by_rows) > self.cap,
            "windows and rows differed": self.seen.different > 0,
            "not within one request of the cap": not (
                self.cap - self.one_request < self.spent <= self.cap
            ),
            "ledger and bill differ": self.spent != self.bill,
            "the bill was above the cap": self.before[2] > self.cap,
            "holds were left": self.holds_left > 0,
            "refused while money was left": self.hasty > 0,
            "the kills met nothing under way": self.orphans == 0 and self.kills > 0,
        }
        return [name for name, wrong in found.items() if wrong]


class _Process:
    """One process of workers, and what it told."""

    def __init__(self, arguments: list[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.race.worker", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"},
        )
        self.told: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if line.endswith("}\n"):
                    self.told.append(json.loads(line))

    def kill(self) -> None:
        """End it without a warning."""
        self._process.send_signal(signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Until it has ended; its code."""
        code = self._process.wait(_PATIENCE_S)
        self._reader.join()
        return code

    @property
    def calling(self) -> bool:
        """Whether it has anything under way that could be lost."""
        return any("calling" in told for told in self.told)

    @property
    def over(self) -> bool:
        """Whether it has ended by itself."""
        return self._process.poll() is not None


class Race:
    """64 workers in 4 processes on one budget of ``cap`` USD in ``store``."""

    def __init__(
        self,
        store: str,
        cap: str,
        *,
        processes: int = 4,
        workers: int = 16,
        kills: int = 20,
        seed: int = 7,
    ) -> None:
        self.store = store
        self.cap = cap
        self._kills = kills
        self._processes = processes
        self._workers = workers
        self._random = random.Random(seed)
        self._refusals: list[dict[str, Any]] = []

    def run(self) -> Outcome:
        """Kill at random, then let them finish; settle what is unknown, and let them finish."""
        simulator = Simulator(seed=11, latency="0.02,0.0005", fault_rate=0.1, mix=MIX)
        with simulator.run_in_thread():
            watch = Watch(self.store)
            watch.start()
            killed = self._spend(simulator.openai_url, self._processes, watch.seen)
            bill = self._bill(simulator)
            before = (*self._spent(), sum(bill.values()))
            with Treasury(self.store) as treasury:
                for one in treasury.unknown():
                    treasury.settle(one.attempt_id, bill.get(one.attempt_id, 0))
            self._spend(simulator.openai_url, 1)
            while self._settle(simulator):  # some connections broke meanwhile
                self._spend(simulator.openai_url, 1)
            seen = watch.stop()
            bill = self._bill(simulator)
        spent, unknown = self._spent()
        ask, close = reader(self.store)
        [(holds_left,)] = ask("SELECT COUNT(*) FROM budget_holds")
        [(orphans,)] = ask(_ORPHANS)
        [(most,)] = ask("SELECT MAX(hold_pico) FROM attempts")
        close()
        return Outcome(
            cap=from_usd(self.cap),
            kills=killed,
            seen=seen,
            one_request=most,
            orphans=orphans,
            refusals=len(self._refusals),
            hasty=sum(_hasty(told) for told in self._refusals),
            before=before,
            spent=spent,
            unknown=unknown,
            bill=sum(bill.values()),
            holds_left=holds_left,
        )

    def _spend(self, url: str, processes: int, seen: Seen | None = None) -> int:
        """Let them spend until all are refused; how many were killed.

        With ``seen``, one is killed each time that so much more of the budget is spent: at moments
        that are as random as its calls, and while there is something to lose.
        """
        arguments = [url, self.store, self.cap, str(self._workers)]
        running = [_Process(arguments) for _ in range(processes)]
        killed = 0
        step = from_usd(self.cap) * 8 // 10 // max(1, self._kills)
        until = time.monotonic() + _PATIENCE_S
        while running and time.monotonic() < until:
            time.sleep(0.01)
            for one in [one for one in running if one.over]:
                running.remove(one)
                assert one.wait() == 0, "a worker failed"
                self._refusals += [told for told in one.told if "cap" in told]
            busy = [one for one in running if one.calling]
            due = seen is not None and killed < min(self._kills, seen.spent // step)
            if due and busy:
                time.sleep(self._random.uniform(0, 0.05))
                victim = self._random.choice(busy)
                victim.kill()
                running[running.index(victim)] = _Process(arguments)
                killed += 1
        assert not running, "the race does not end"
        return killed

    def _settle(self, simulator: Simulator) -> int:
        """Settle what is unknown by the provider's bill; how many."""
        bill = self._bill(simulator)
        with Treasury(self.store) as treasury:
            found = treasury.unknown()
            for one in found:
                treasury.settle(one.attempt_id, bill.get(one.attempt_id, 0))
        return len(found)

    def _bill(self, simulator: Simulator) -> dict[str, int]:
        """What the provider bills for each attempt, once it knows."""
        until = time.monotonic() + 20
        rows = simulator.ledger()["rows"]
        while not all(row["settled"] for row in rows) and time.monotonic() < until:
            time.sleep(0.05)
            rows = simulator.ledger()["rows"]
        return {row["client_request_id"]: row["cost_pico"] for row in rows}

    def _spent(self) -> tuple[int, int]:
        """Spent by the ledger, and what of it is unknown."""
        with Treasury(self.store) as treasury:
            [place] = treasury.places()
            assert place.window.held_pico == 0, "holds were left"
            return place.window.spent_pico, place.window.unknown_pico


def _hasty(told: dict[str, Any]) -> bool:
    return Decimal(told["spent"]) + Decimal(told["hold"]) <= Decimal(told["cap"])
