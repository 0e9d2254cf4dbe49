"""How many calls fail over a chain of three models of which each fails one time in ten.

    python benchmarks/reliability.py [--calls 10000] [--seed 1] [--json]

Every second call is streamed. Faults are drawn by seed from a mix (refusals, overload, resets,
cut and stalled streams, errors inside a stream, empty answers, silence), so the same seed gives
the same faults; only our own waits are scaled down. The run is made twice: with our default
retries, and with none, where the chain alone has to help. What every attempt costs is compared
with the simulator's bill. The exit code is 1 when 0.5 % or more of the calls fail, an answer that
broke off counts as good, or the books differ.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # A script sees its own folder only; what it uses is a package of the folder above.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.rescue.books import Books, lay
from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator.config.schema import RetrySettings
from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.pipeline.rescue import most_requests
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.events import EndEvent
from llm_orchestrator.types.money import to_usd
from llm_orchestrator.types.reply import AttemptInfo

CHAIN = ("openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "openai/gpt-4.1-nano")
FAULT_RATE = 0.1
MIX = {
    "rate-limit-bare": 4,
    "server-error": 3,
    "bad-gateway": 2,
    "unavailable": 3,
    "overloaded": 3,
    "reset": 3,
    "cut,after=5": 3,
    "cut-clean,after=5": 2,
    "stall,after=5,seconds=0.3": 1,
    "silence,seconds=0.3": 1,
    "error-first": 1,
    "error-mid,after=3": 2,
    "empty": 2,
    "malformed": 1,
    "no-usage": 1,
}
"""Faults and their weights.

Those that say how long they last (Retry-After, a spend limit) are left out: at a thousand calls a
second, each would shut a model out for thousands of calls.
"""
ALLOWED = 0.005
_AT_ONCE = 64


class Figures(msgspec.Struct):
    """What one run showed; amounts in pico-dollars."""

    retries: int
    calls: int = 0
    failed: int = 0
    attempts: int = 0
    most_attempts: int = 0
    most_allowed: int = 0
    broken: int = 0
    """Answers that broke off and count as good."""
    unbooked: int = 0
    exact: int = 0
    wrong: int = 0
    """Attempts whose cost we claim to know and that the bill contradicts."""
    cost_exact: int = 0
    billed_exact: int = 0
    estimated: int = 0
    """Attempts that broke off after their first words, or told no usage."""
    cost_estimated: int = 0
    billed_estimated: int = 0
    unknown: int = 0
    """Attempts that broke off before that: we do not know, and say so."""
    billed_unknown: int = 0
    above_hold: int = 0
    seconds: float = 0.0
    errors: dict[str, int] = {}

    @property
    def share(self) -> float:
        """Failed calls of all."""
        return self.failed / self.calls if self.calls else 1.0

    @property
    def good(self) -> bool:
        """Whether all is as it should be."""
        wrong = self.broken + self.unbooked + self.wrong + self.above_hold
        return self.share < ALLOWED and not wrong and self.most_attempts <= self.most_allowed


async def run(
    simulator: Simulator, calls: int, retries: int, folder: Path, name: str = ""
) -> Figures:
    """Make the calls; each has a text of its own."""
    ledger = folder / f"ledger-{retries}.db"
    before = simulator.ledger()["last_seq"]
    figures = Figures(retries, calls)
    settings = RetrySettings(max_retries=retries)
    figures.most_allowed = most_requests(len(CHAIN), settings)
    config: dict[str, Any] = {
        "providers": {
            one: {"api_key": f"sim-{one}-key-0001", "base_url": f"{simulator.url}/{one}/v1"}
            for one in ("openai", "anthropic")
        },
        "retry": {"max_retries": retries, "base_delay": 0.005, "max_delay": 0.02},
        "store": {"url": f"sqlite:///{ledger}"},
    }
    errors: Counter[str] = Counter()
    numbers = iter(range(calls))
    began = time.perf_counter()
    async with AsyncLLMOrchestrator(config) as orchestrator:

        async def lane() -> None:
            for number in numbers:
                attempts, error = await _call(orchestrator, f"{name} question {number}", number)
                figures.attempts += len(attempts)
                figures.most_attempts = max(figures.most_attempts, len(attempts))
                if error:
                    figures.failed += 1
                    errors[error] += 1

        await asyncio.gather(*(lane() for _ in range(_AT_ONCE)))
    figures.seconds = time.perf_counter() - began
    figures.errors = dict(errors)
    await _settled(simulator)
    _compare(lay(simulator.ledger(before)["rows"], ledger), figures)
    return figures


async def _call(
    orchestrator: AsyncLLMOrchestrator, text: str, number: int
) -> tuple[tuple[AttemptInfo, ...], str]:
    """One call: its attempts, and the error that it ended with."""
    prompt = f"{text}: what makes a chain of models more reliable than its links?"
    try:
        if number % 2:
            reply = await orchestrator.send_request(prompt, chain=CHAIN, max_tokens=40)
            return reply.attempts, ""
        async for event in orchestrator.send_streaming_request(prompt, chain=CHAIN, max_tokens=40):
            if isinstance(event, EndEvent):
                return event.reply.attempts, ""
    except OrchestratorError as error:
        return error.attempts, type(error).__name__
    return (), "no end"


async def _settled(simulator: Simulator) -> None:
    """Wait until the provider has noticed that nobody listens to its broken streams."""
    for _ in range(100):
        if all(row["settled"] for row in simulator.ledger()["rows"]):
            return
        await asyncio.sleep(0.05)


def _compare(books: Books, figures: Figures) -> None:
    exact = {one.attempt_id: one.cost_pico or 0 for one in books.exact()}
    figures.unbooked = len(books.unbooked) + books.unsigned
    figures.exact, figures.cost_exact = len(exact), sum(exact.values())
    figures.billed_exact = sum(books.bill[name].cost_pico for name in exact)
    figures.wrong, figures.broken = len(books.wrong()), len(books.broken())
    for name, billed in books.bill.items():
        if name in exact or name not in books.ours:
            continue
        if (cost := books.ours[name].cost_pico) is None:
            figures.unknown += 1
            figures.billed_unknown += billed.cost_pico
        else:
            figures.estimated += 1
            figures.cost_estimated += cost
            figures.billed_estimated += billed.cost_pico
    figures.above_hold = len(books.unbounded())


def show(console: Console, runs: list[Figures]) -> None:
    """The runs side by side."""
    console.print(f"{', '.join(CHAIN)}: {FAULT_RATE:.0%} faults each")
    table = Table()
    table.add_column("")
    for one in runs:
        table.add_column(f"{one.retries} retries" if one.retries else "no retries", justify="right")
    rows: list[tuple[str, list[str]]] = [
        ("calls", [f"{one.calls:,}" for one in runs]),
        ("failed calls", [str(one.failed) for one in runs]),
        (f"  share, below {ALLOWED:.1%}", [f"{one.share:.3%}" for one in runs]),
        ("broken answers passed off as whole", [str(one.broken) for one in runs]),
        ("attempts per call", [f"{one.attempts / one.calls:.3f}" for one in runs]),
        ("  most, and the bound", [f"{one.most_attempts} of {one.most_allowed}" for one in runs]),
        ("requests that nobody booked", [str(one.unbooked) for one in runs]),
        ("attempts of known cost", [f"{one.exact:,}" for one in runs]),
        ("  our cost, USD", [str(to_usd(one.cost_exact)) for one in runs]),
        ("  their bill, USD", [str(to_usd(one.billed_exact)) for one in runs]),
        ("  attempts that differ", [str(one.wrong) for one in runs]),
        ("attempts estimated", [f"{one.estimated:,}" for one in runs]),
        ("  our estimate, USD", [str(to_usd(one.cost_estimated)) for one in runs]),
        ("  their bill, USD", [str(to_usd(one.billed_estimated)) for one in runs]),
        ("attempts of unknown cost", [f"{one.unknown:,}" for one in runs]),
        ("  their bill, USD", [str(to_usd(one.billed_unknown)) for one in runs]),
        ("attempts above their hold", [str(one.above_hold) for one in runs]),
        ("seconds", [f"{one.seconds:.1f}" for one in runs]),
    ]
    for name, cells in rows:
        table.add_row(name, *cells)
    console.print(table)
    for one in runs:
        if one.errors:
            console.print(f"errors with {one.retries} retries: {one.errors}")


def main() -> int:
    """Run, print, and say by the exit code whether all is well."""
    options = argparse.ArgumentParser(description="Failed calls over a chain of faulty models.")
    options.add_argument("--calls", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--json", action="store_true", help="figures as JSON on stdout")
    given = options.parse_args()
    simulator = Simulator(seed=given.seed, fault_rate=FAULT_RATE, mix=MIX)
    runs: list[Figures] = []
    scratch = tempfile.TemporaryDirectory(prefix="llmo-reliability-")
    with scratch as folder, simulator.run_in_thread():
        for retries in (RetrySettings().max_retries, 0):
            work = run(simulator, given.calls, retries, Path(folder), f"run {retries}")
            runs.append(asyncio.run(work))
    show(Console(stderr=given.json), runs)
    if given.json:
        sys.stdout.write(json.dumps([msgspec.to_builtins(one) for one in runs]) + "\n")
    return int(not all(one.good for one in runs))


if __name__ == "__main__":
    sys.exit(main())
